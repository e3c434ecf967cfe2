"""Actor that opens a round once its sync block is finalized, and fixes its inputs."""

from __future__ import annotations

from sn37.app.rounds.entry_chooser import EntryChooser
from sn37.app.rounds.premises import premises_of
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.samples.draws import Draws
from sn37.app.samples.pool_requests import live_tasks
from sn37.app.samples.sources import Sources
from sn37.app.supervision.deadlines import step
from sn37.app.supervision.heads import Subscription
from sn37.domain.data.samples import EmptyWindow
from sn37.domain.data.sampling import (
    NotEnoughRows,
    manifest_digest,
)
from sn37.domain.events import RoundOpened, RoundSatOut
from sn37.domain.ids import Block, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.signers import signers_of
from sn37.domain.round.state import RoundPlan, RoundResult
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain
from sn37.ports.errors import DatasetExhausted
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink


class RoundOpener:
    """Actor that opens each competition's round at its sync block, or sits it out.

    It opens only rounds whose pools this validator froze in time. It reads and stores all that
    they need from the chain, because nodes forget old states.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        entries: EntryChooser,
        sources: Sources,
        keeper: StateKeeper,
        store: StateStore,
        heads: Subscription,
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._chain = chain
        self._entries = entries
        self._draws = Draws(chain=chain, sources=sources, schedule=schedule)
        self._keeper = keeper
        self._store = store
        self._heads = heads
        self._schedule = schedule
        self._sink = sink
        self._first: Block | None = None  # first head that this process saw

    async def run(self) -> None:
        async for head in self._heads:
            if self._first is None:
                self._first = head.number
            sync = self._schedule.timing.sync_block(head.number)
            for rules in self._schedule.at(sync):
                key = RoundKey(rules.id, sync)
                if not self._is_known(key):
                    await self._open(key, rules, head.number)

    def _is_known(self, key: RoundKey) -> bool:
        state = self._keeper.state
        newest_first = reversed(state.rounds.get(key.competition, ()))
        return key in state.open_rounds or any(r.key == key for r in newest_first)

    async def _open(self, key: RoundKey, rules: Competition, head: Block) -> None:
        if any(k.competition == key.competition for k in self._keeper.state.open_rounds):
            # The champion at the start of this round is not known yet.
            if head >= key.sync_block + self._schedule.timing.files_grace:
                await self._sit_out(key, Reason.OVERRUN, "the previous round is not finished")
            return
        pools = await self._store.pools(key)
        missed = [t.name for t in live_tasks(rules) if t.name not in pools]
        if missed:
            if self._first is not None and self._first < key.sync_block:
                detail = f"no complete read of {', '.join(missed)} before the sync block"
                await self._sit_out(key, Reason.DATA_UNAVAILABLE, detail)
            return
        try:
            draws = await self._draws.draw(key, rules, pools)
        except (NotEnoughRows, DatasetExhausted, EmptyWindow) as error:
            await self._sit_out(key, Reason.DATA_UNAVAILABLE, str(error))
            return
        sync = await self._chain.block(key.sync_block)
        with step(f"choosing the entries of round {key.sync_block}"):
            choice = await self._entries.choose(rules, sync)
        plan = RoundPlan(
            key=key,
            sync=sync,
            champion=choice.plan.champion,
            entries=choice.plan.entries,
            draws=draws,
            manifest_digest=manifest_digest(d.batch for d in draws),
            listed=choice.plan.listed,
            unreadable=choice.unreadable,
            unprobed=choice.unprobed,
            signers=signers_of(d.batch for d in draws),
            premises=premises_of(
                choice.plan,
                sync_block=sync.number,
                unreadable=choice.unreadable,
                history=self._keeper.history(rules.id),
                submissions=self._keeper.state.submissions,
            ),
        )
        if self._is_known(key):
            return  # after a long outage it was already scored as a missed round
        await self._keeper.open_round(plan)
        self._sink.emit(RoundOpened(plan=plan, uids=choice.uids))

    async def _sit_out(self, key: RoundKey, reason: Reason, detail: str) -> None:
        sync = await self._chain.block(key.sync_block)
        if self._is_known(key):
            return
        await self._keeper.finish_round(RoundResult(key=key, sync=sync, skipped=reason))
        self._sink.emit(RoundSatOut(round=key, reason=reason, detail=detail))
