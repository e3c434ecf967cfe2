"""Endpoints of the real network: one SDK client each, closed completely.

Only this module and ``storage.substrate_of`` use undocumented parts of the SDK.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import bittensor as bt
from bittensor._transport import SubstrateConnection
from bittensor._transport.errors import SubstrateRequestException
from bittensor._transport.rpc import WsConnection, _default_connect
from bittensor._transport.storage import decode_storage_values
from websockets.asyncio.client import ClientConnection

from sn37.adapters.subtensor.endpoint_client import Endpoint
from sn37.adapters.subtensor.errors import endpoint_name
from sn37.adapters.subtensor.storage import Lookup

RESPONSE_TIMEOUT_S = 60.0  # silence with requests open; our own deadlines are shorter
GOODBYE_S = 1.0  # for a peer to answer a close; the library's default of 10 s delays every stop


class OneEndpoint(bt.RpcSubstrate):
    """The SDK's RPC backend, which also closes half-opened connections.

    The SDK loses a connection that is cancelled or times out while it is set up, and the
    socket of a connection that an invalid answer has broken.
    """

    def __init__(self, address: str, *, archives: Sequence[str] = ()) -> None:
        super().__init__(address, archive_endpoints=list(archives))
        self._opened: list[SubstrateConnection] = []
        self._sockets: list[ClientConnection] = []

    def _interface(self, endpoint: str, fallbacks: list[str]) -> SubstrateConnection:
        connection = SubstrateConnection(
            endpoint,
            fallback_urls=fallbacks,
            max_retries=2,  # the SDK repairs one dropped connection and sends open requests again
            response_timeout=RESPONSE_TIMEOUT_S,
            connect_factory=self._dial,
        )
        self._opened.append(connection)
        return connection

    async def query_maps(self, lookups: Sequence[Lookup], block_hash: str) -> list[list[object]]:
        """Return the values of every lookup by one request; the SDK makes one for each map."""

        async def read(raw: SubstrateConnection) -> list[list[object]]:
            codec = await raw._runtimes.codec_at(block_hash)
            entries = [codec.storage_entry(one.pallet, one.item) for one in lookups]
            keys = [
                ["0x" + key.hex() for key in codec.storage_key_batch(entry, [*map(list, one.keys)])]
                for entry, one in zip(entries, lookups, strict=True)
            ]
            changed: dict[str, str | None] = {}
            asked = [key for of_one in keys for key in of_one]
            for group in await raw.rpc_request("state_queryStorageAt", [asked, block_hash]):
                changed.update(group["changes"])
            return [
                decode_storage_values(
                    codec,
                    entry,
                    [
                        None if (value := changed.get(key)) is None else bytes.fromhex(value[2:])
                        for key in of_one
                    ],
                )
                for entry, of_one in zip(entries, keys, strict=True)
            ]

        return await self._read(read)

    async def peer_id(self) -> str | None:
        """Return the node's id among its peers. Public endpoints may refuse to send it."""

        async def read(raw: SubstrateConnection) -> str | None:
            try:
                found = await raw.rpc_request("system_localPeerId", [])
            except SubstrateRequestException:
                return None
            return found if isinstance(found, str) else None

        return await self._read(read)

    async def close(self) -> None:
        opened, self._opened = self._opened, []
        # Closing also fails if an answer has broken the SDK's receiving task.
        await asyncio.gather(*(one.close() for one in opened), return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self._sockets), return_exceptions=True)
        await super().close()

    async def _dial(self, address: str) -> WsConnection:
        connection = await _default_connect(address)
        if isinstance(connection, ClientConnection):
            connection.close_timeout = GOODBYE_S
            self._sockets = [*(s for s in self._sockets if s.close_code is None), connection]
        return connection


def endpoints_of(network: str, more: Sequence[str] = ()) -> tuple[Endpoint, ...]:
    """Return the endpoints of a network (finney, test, local or a ws:// address) and ``more``.

    Finney has public endpoints besides its entry point, and archive endpoints for pruned
    state.

    Raises:
        ValueError: The network is unknown.
    """
    client = bt.Client(network)  # unconnected; it knows the addresses
    main = client.endpoint
    addresses = [main, *more, *bt.settings.default_fallback_endpoints(client.network)]
    archives = bt.settings.default_archive_endpoints(client.network)
    return tuple(_endpoint(client.network, a, archives) for a in dict.fromkeys(addresses))


def _endpoint(network: str, address: str, archives: Sequence[str]) -> Endpoint:
    def open_client() -> bt.Client:
        return bt.Client(network, substrate=OneEndpoint(address, archives=archives))

    return Endpoint(name=endpoint_name(address), open=open_client)


def keep_caches_in(folder: Path) -> None:
    """Make the SDK keep its caches in ``folder``; by default it writes to the user's home."""
    os.environ["BTCLI_TOKEN_SYMBOLS_CACHE"] = str(folder / "token-symbols.json")
    os.environ["BITTENSOR_RUNTIME_CACHE_DIR"] = str(folder / "runtime")
