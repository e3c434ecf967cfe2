"""Actor that sets weights once after every round, from the standings of all competitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sn37
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.rounds.weights_due import pays_nobody, warm_up, weights_after
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.events import Cautioned, Degraded, Dependency, WarmingUp, WeightsSubmitted
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, CompetitionId
from sn37.domain.known_facts import known
from sn37.domain.release.version import outdated
from sn37.domain.round.state import WeightsRecord
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.ports.chain import Chain
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from sn37.ports.telemetry import EventSink

VERSION_REFUSED = "IncorrectWeightVersionKey"  # the chain's error code
NOBODY_IS_PAID = (
    f"no competition had a champion in the last {WINDOW_ROUNDS} rounds, and the schedule has no "
    "burn hotkey: the previous weights are sent again, so that this validator stays "
    "active; find out why rounds are sat out, or set burn in the subnet's schedule"
)
RETRY_BLOCKS = 25  # 5 minutes; a pending extrinsic has expired by then


class Submitter:
    """Actor that sends weights when every competition has finished the newest sync block.

    A round that takes longer than the cadence does not delay the weights: the current standings
    are sent, so that the validator keeps its place on the subnet. Offline it takes heads, because
    a simulated chain waits for it, and sends nothing.

    At the start it checks whether the subnet accepts this version's weights, so that the operator
    knows before any are due. While the subnet does not, no weights are sent.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        keeper: StateKeeper,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
        offline: bool = False,
    ) -> None:
        self._chain = chain
        self._keeper = keeper
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._offline = offline
        self._not_before = Block(0)
        self._told: Mapping[CompetitionId, int] = {}  # warm-up as last reported
        self._is_taken = False  # the subnet is known to accept this version
        self._has_told = False  # reported that nobody can be paid

    async def run(self) -> None:
        before = [w for w in self._keeper.state.weights if w.extrinsic is not None]
        async for head in self._heads:
            if before and not self._offline:
                await self._expect(before[-1])
                before = []
            due = self._due(head.number)
            if self._offline or head.number < self._not_before:
                continue
            if not self._is_taken:
                with step("checking which version's weights are accepted"):
                    await self._look_at_version(head)
            if self._is_taken and due is not None:
                with step(f"setting the weights of block {due}"):
                    await self._submit(due, head)

    async def _look_at_version(self, head: BlockRef) -> None:
        """Check whether weights of this version are accepted; if not, check again later."""
        try:
            required = (await self._chain.metagraph(head)).weights_version
            if why := outdated(required, sn37.__version__):
                raise WeightsRefused(why, code=VERSION_REFUSED)
        except (ChainUnavailable, WeightsRefused) as error:
            self._hold(head.number, error)
        else:
            self._is_taken = True

    async def _expect(self, record: WeightsRecord) -> None:
        """Have the chain adapter report the result of weights that an earlier process sent."""
        extrinsic = known(record.extrinsic, "weights whose result is awaited were sent")
        try:
            await self._chain.expect_weights(
                record.weights, extrinsic=extrinsic, evaluated_at=record.sync_block
            )
        except ChainUnavailable as error:
            advice = f"unknown whether those of block {record.sync_block} count: {error}"
            self._sink.emit(Cautioned(what="weights", advice=advice))

    def _due(self, block: Block) -> Block | None:
        """Return the sync block whose weights should be sent now, if any."""
        timing, state = self._schedule.timing, self._keeper.state
        sync = timing.sync_block(block)
        due = sync if self._is_finished(sync) else Block(sync - timing.cadence)
        newest_first = reversed(state.weights)
        sent = any(w.sync_block >= due and w.extrinsic is not None for w in newest_first)
        return None if sent else due

    def _is_finished(self, sync: Block) -> bool:
        rounds = self._keeper.state.rounds
        return all(
            any(r.key.sync_block == sync for r in reversed(rounds.get(c.id, ())))
            for c in self._schedule.at(sync)
        )

    async def _submit(self, sync: Block, head: BlockRef) -> None:
        state, schedule = self._keeper.state, self._schedule
        before = next((w.weights for w in reversed(state.weights) if w.sync_block < sync), None)
        weights = weights_after(state, schedule, head.number, before=before)
        self._tell_nobody_is_paid(head.number)
        if weights is None:
            self._tell_warm_up(head.number)
            return
        record = WeightsRecord(
            sync_block=sync,
            weights=weights,
            sent_at=head.number,
            newest_rounds={
                c: held[-1].key.sync_block for c, held in self._keeper.state.rounds.items() if held
            },
        )
        try:
            unsure = next((w for w in self._keeper.state.weights if w.sync_block == sync), None)
            extrinsic = unsure and await self._chain.weights_since(unsure.sent_at)
            if unsure and extrinsic:
                record = unsure
                await self._expect(replace(record, extrinsic=extrinsic))
            elif unsure and head.number < unsure.sent_at + RETRY_BLOCKS:
                return  # they may still be included; sent again, they would be on chain twice
            else:
                await self._keeper.record_weights(record)
                extrinsic = await self._chain.submit_weights(record.weights, evaluated_at=sync)
        except (ChainUnavailable, WeightsRefused) as error:
            self._hold(head.number, error)
            return
        await self._keeper.record_weights(replace(record, extrinsic=extrinsic))
        self._sink.emit(
            WeightsSubmitted(sync_block=sync, weights=record.weights, extrinsic=extrinsic)
        )

    def _tell_warm_up(self, head: Block) -> None:
        """Report the warm-up at the start, and then after every round."""
        left = warm_up(self._keeper.state, self._schedule, head)
        if left != self._told:
            self._told = left
            self._sink.emit(WarmingUp(rounds_left=left))

    def _tell_nobody_is_paid(self, head: Block) -> None:
        """Report once that nobody can be paid, until somebody is paid again."""
        state, schedule = self._keeper.state, self._schedule
        is_so = not warm_up(state, schedule, head) and pays_nobody(state, schedule, head)
        if is_so and not self._has_told:
            self._sink.emit(Cautioned(what="weights", advice=NOBODY_IS_PAID))
        self._has_told = is_so

    def _hold(self, head: Block, error: ChainUnavailable | WeightsRefused) -> None:
        """Schedule the next attempt: at the block that the chain named, else soon."""
        permitted = error.next_block if isinstance(error, WeightsRefused) else None
        if isinstance(error, WeightsRefused) and error.code == VERSION_REFUSED:
            self._is_taken = False
        self._not_before = max(permitted or Block(head + RETRY_BLOCKS), Block(head + 1))
        wait_s = (self._not_before - head) * float(BLOCK_SECONDS)
        self._sink.emit(Degraded(what=Dependency.WEIGHTS, error=str(error), retry_in_s=wait_s))
