"""The port ``Chain`` over the Bittensor chain, as validators use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bittensor as bt

from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.consensus import decode_consensus, lookups_of
from sn37.adapters.subtensor.errors import clean
from sn37.adapters.subtensor.reader import ChainReader
from sn37.adapters.subtensor.storage import read_maps
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_setter import WeightSetter
from sn37.domain.ids import Block, BlockRef, Netuid
from sn37.domain.metagraph import Consensus
from sn37.domain.weight_vector import WeightVector
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from sn37.ports.telemetry import EventSink

if TYPE_CHECKING:
    from sn37.ports.chain import Chain


class SubtensorChain(ChainReader):
    """One subnet, read and given weights by one hotkey; without a hotkey it is only read."""

    def __init__(
        self,
        connection: Connection,
        *,
        netuid: Netuid,
        clock: Clock,
        sink: EventSink,
        signer: HotkeySigner | None = None,
    ) -> None:
        super().__init__(connection, netuid=netuid, clock=clock)
        self._hotkey = None if signer is None else signer.hotkey
        self._weights = None
        if signer is not None:
            self._weights = WeightSetter(
                connection=connection, netuid=netuid, signer=signer, clock=clock, sink=sink
            )

    async def consensus(self, at: BlockRef) -> Consensus:
        """See ``Chain``. It costs one request, and one for the metagraph if that is not known."""
        members = await self.metagraph(at)
        own = None if self._hotkey is None else members.find(self._hotkey)
        lookups = lookups_of(self._netuid, None if own is None else own.uid)

        async def use(client: bt.Client) -> list[list[object]]:
            return await read_maps(client, lookups, at.hash)

        what = f"consensus of subnet {self._netuid} at block {at.number}"
        found = await self._connection.read(what, use)
        try:
            return decode_consensus(found, members)
        except (LookupError, TypeError, ValueError) as error:
            # It decides nothing: the endpoint stays in use for reads that do.
            raise ChainUnavailable(f"{what}: {clean(error)}") from error

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        if self._weights is None:
            raise WeightsRefused("no hotkey was opened: no weights are sent", code="NoHotkey")
        return await self._weights.submit(weights, evaluated_at)

    async def weights_since(self, block: Block) -> str | None:
        return None if self._weights is None else await self._weights.since(block)

    async def expect_weights(
        self, weights: WeightVector, *, extrinsic: str, evaluated_at: Block
    ) -> None:
        if self._weights is not None:
            await self._weights.expect(weights, extrinsic, evaluated_at)


if TYPE_CHECKING:
    _: type[Chain] = SubtensorChain
