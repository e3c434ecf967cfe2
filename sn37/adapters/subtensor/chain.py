"""The port ``Chain`` over the Bittensor chain, as validators use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.reader import ChainReader
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_setter import WeightSetter
from sn37.domain.ids import Block, Netuid
from sn37.domain.weight_vector import WeightVector
from sn37.ports.clock import Clock
from sn37.ports.errors import WeightsRefused
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
        self._weights = None
        if signer is not None:
            self._weights = WeightSetter(
                connection=connection, netuid=netuid, signer=signer, clock=clock, sink=sink
            )

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
