"""Weight setter: resolves shares now, sends once, and confirms by reading the chain."""

from __future__ import annotations

import logging

import bittensor as bt

import sn37
from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.errors import clean
from sn37.adapters.subtensor.find_extrinsic import WEIGHT_CALLS, find_extrinsic
from sn37.adapters.subtensor.refusals import weights_refused
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_reveals import (
    CommittedRow,
    pending_commits,
    reveal_fault,
    row_in_force,
)
from sn37.adapters.subtensor.weight_row import Row, compose
from sn37.adapters.subtensor.weight_rules import (
    WeightRules,
    next_permitted,
    require_permitted,
    rules_of,
)
from sn37.domain.events import Cautioned, SharesWithheld, WeightsRevealed
from sn37.domain.ids import BLOCK_SECONDS, Block, Netuid
from sn37.domain.metagraph import Neuron
from sn37.domain.release.version import weights_version
from sn37.domain.weight_vector import WeightVector
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

ERA_BLOCKS = 16  # an extrinsic that is not included by then expires
SUBMIT_TIMEOUT_S = 300.0  # its era, and until the block that includes it is final


class WeightSetter:
    """Sets one hotkey's weights on one subnet, plain or by commit-reveal as the subnet requires."""

    def __init__(
        self,
        *,
        connection: Connection,
        netuid: Netuid,
        signer: HotkeySigner,
        clock: Clock,
        sink: EventSink,
        version: str = sn37.__version__,
    ) -> None:
        self._connection = connection
        self._netuid = netuid
        self._signer = signer
        self._clock = clock
        self._sink = sink
        self._version = version
        self._committed: list[CommittedRow] = []  # not yet known to be opened
        self._warned = False

    async def submit(self, weights: WeightVector, evaluated_at: Block | None = None) -> str:
        """See ``Chain.submit_weights``.

        Raises:
            WeightsRefused, ChainUnavailable: As described there.
        """
        await self.check_reveals()
        rules = await rules_of(self._connection, self._netuid)
        self._warn_of_plain_weights(rules)
        me = require_permitted(rules, self._signer.hotkey, self._version)
        row = compose(weights, rules, me=me, evaluated_at=evaluated_at)
        if row.withheld:
            self._sink.emit(SharesWithheld(reasons=row.withheld))
        refusal = await self._send(row, rules, me)
        extrinsic = await self._confirmed(rules, refusal)
        if rules.commit_reveal:
            await self._expect_reveal(extrinsic, row)
        return extrinsic

    async def since(self, block: Block) -> str | None:
        """See ``Chain.weights_since``."""
        hotkey = self._signer.hotkey
        rules = await rules_of(self._connection, self._netuid)
        me = rules.metagraph.find(hotkey)
        if me is None or me.last_update < block or me.last_update == 0:
            return None
        found = await self._connection.read(
            f"extrinsics of block {me.last_update}",
            lambda client: find_extrinsic(client, me.last_update, hotkey, WEIGHT_CALLS),
        )
        if found is None and me.last_update == me.registered_at:
            return None  # registering counts as an update
        return found or str(me.last_update)

    async def expect(self, weights: WeightVector, extrinsic: str, evaluated_at: Block) -> None:
        """See ``Chain.expect_weights``.

        Only shares were recorded, so the row is composed again from the members of the block
        before the commit's.

        Raises:
            ChainUnavailable: As described there.
        """
        block = _block_of(extrinsic)
        try:
            rules = await rules_of(self._connection, self._netuid, Block(block - 1))
            me = rules.metagraph.find(self._signer.hotkey)
            if me is None or not rules.commit_reveal:
                return
            row = compose(weights, rules, me=me, evaluated_at=evaluated_at)
        except WeightsRefused as error:
            log.info("weights of extrinsic %s cannot be composed again: %s", extrinsic, error)
            return
        self._committed.append(CommittedRow(extrinsic=extrinsic, block=block, values=row.values))

    async def check_reveals(self) -> None:
        """Report which of our commits the chain has opened since the last check."""
        if not self._committed:
            return
        hotkey = self._signer.hotkey

        async def read(client: bt.Client) -> tuple[frozenset[Block], str]:
            waiting = await pending_commits(client, self._netuid, hotkey)
            newest = max(
                (c for c in self._committed if c.block not in waiting),
                key=lambda c: c.block,
                default=None,
            )
            if newest is None:
                return waiting, ""
            return waiting, reveal_fault(newest, await row_in_force(client, self._netuid, hotkey))

        waiting, fault = await self._connection.read("reveals of our weights", read)
        opened = [c for c in self._committed if c.block not in waiting]
        self._committed = [c for c in self._committed if c.block in waiting]
        for committed in opened[-1:]:  # the newest replaces older ones
            self._sink.emit(WeightsRevealed(extrinsic=committed.extrinsic, fault=fault))

    async def _expect_reveal(self, extrinsic: str, row: Row) -> None:
        """Check that the chain holds our commit, and remember the row that it must open to."""
        hotkey, block = self._signer.hotkey, _block_of(extrinsic)
        waiting = await self._connection.read(
            "pending weights", lambda client: pending_commits(client, self._netuid, hotkey)
        )
        if block not in waiting:
            self._warn(f"the chain does not hold sealed weights of extrinsic {extrinsic}")
        self._committed.append(CommittedRow(extrinsic=extrinsic, block=block, values=row.values))

    def _warn(self, advice: str) -> None:
        self._sink.emit(Cautioned(what="weights", advice=advice))

    async def _send(self, row: Row, rules: WeightRules, me: Neuron) -> Exception | None:
        """Send the row once; return the error, which does not prove that it was not stored."""
        keypair = self._signer.keypair
        intent = bt.SetWeights(
            netuid=self._netuid,
            uids=list(row.shares),
            weights=list(row.shares.values()),
            version_key=weights_version(self._version),
        )
        try:
            result = await self._connection.call(
                f"weights of subnet {self._netuid}",
                lambda client: client.execute(intent, keypair, period=ERA_BLOCKS),
                timeout_s=SUBMIT_TIMEOUT_S,
            )
            result.raise_for_failure()
        except bt.ChainError as error:
            permitted = next_permitted(rules, me)
            return weights_refused(error, permitted if permitted > rules.block else None)
        except bt.BittensorError as error:
            return WeightsRefused(f"the SDK refused to send: {clean(error)}", code="SdkRefused")
        except ChainUnavailable as error:
            return error
        return None

    async def _confirmed(self, rules: WeightRules, problem: Exception | None) -> str:
        """Return the id of our weights that the chain shows since ``rules`` were read.

        The SDK's result counts only if the chain does not show them. A lost connection or a pool
        that already had the extrinsic may hide a success, and a fork may hide a failure.

        Raises:
            WeightsRefused, ChainUnavailable: The chain shows none.
        """
        if isinstance(problem, ChainUnavailable):
            # The endpoint rests, and the sent extrinsic may wait for its block.
            await self._clock.sleep(max(problem.retry_after_s or 0.0, BLOCK_SECONDS))
        try:
            extrinsic = await self.since(Block(rules.block + 1))
        except ChainUnavailable as error:
            raise error if problem is None else problem from error
        if extrinsic is not None:
            if problem is not None:
                log.info("weights were stored as %s despite: %s", extrinsic, problem)
            return extrinsic
        if problem is not None:
            raise problem
        raise ChainUnavailable(
            "weights were reported as included, but the chain does not show them; it is read "
            "again before any are sent"
        )

    def _warn_of_plain_weights(self, rules: WeightRules) -> None:
        if rules.commit_reveal or self._warned:
            return
        self._warned = True
        self._warn(
            f"commit-reveal is off on subnet {self._netuid}: other validators can copy these "
            "weights; ask the subnet's owner to switch it on",
        )


def _block_of(extrinsic: str) -> Block:
    return Block(int(extrinsic.partition("-")[0]))
