"""The server of a node, and how it can misbehave."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tests.support.rpc_node.extrinsics import RpcError
from tests.support.rpc_node.state import NUM_HEADERS, NodeState

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

    from tests.support.substrate import MemorySubstrate

MAX_REQUEST_BYTES = 15 << 20  # as a node has it by default


@dataclass(slots=True, kw_only=True)
class Manners:
    """How the node treats its clients; a test changes it at any time."""

    delay_s: float = 0.0  # before each answer
    mute: set[str] = field(default_factory=set)  # methods never answered; "*" for all
    garbage: Mapping[str, str] = field(default_factory=dict)  # text sent instead, by method
    drops: Counter[str] = field(default_factory=Counter)  # hang up so often on a method
    goodbyes: Counter[str] = field(default_factory=Counter)  # the same, politely
    refuse: HTTPStatus | None = None  # at the handshake
    refuse_headers: Mapping[str, str] = field(default_factory=dict)
    peer_id: str | None = None  # told on request; public endpoints refuse
    heads: bool = True  # whether subscriptions hear of new heads


class RpcNode:
    """Serves one chain on a free port of localhost, as an asynchronous context.

    ``requests`` counts what arrived, by method, and ``num_dialled`` who came. An extrinsic gets a
    block of its own, which is final at once.

    Args:
        lacks: Names of storage of subnets that its runtime does not have.
        num_headers: Blocks before the newest one that it can still tell about.
    """

    def __init__(
        self,
        chain: MemorySubstrate,
        *,
        lacks: frozenset[str] = frozenset(),
        num_headers: int = NUM_HEADERS,
    ) -> None:
        self.chain = chain
        self.manners = Manners()
        self.requests: Counter[str] = Counter()
        self.num_dialled = 0
        self._state = NodeState(chain, lacks=lacks, num_headers=num_headers)
        self._server: Server | None = None
        self._heads: dict[str, ServerConnection] = {}  # by subscription
        self._watched: dict[str, int] = {}  # block of an extrinsic, by subscription

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the node is not running")
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"ws://{host}:{port}"

    @property
    def num_connections(self) -> int:
        return 0 if self._server is None else len(self._server.connections)

    @property
    def num_subscribers(self) -> int:
        return len(self._heads)

    @property
    def num_requests(self) -> int:
        return sum(self.requests.values())

    async def __aenter__(self) -> Self:
        from websockets.asyncio.server import serve

        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=MAX_REQUEST_BYTES,
            compression=None,  # as a node
            close_timeout=0.1,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def produce(self, num_blocks: int = 1) -> None:
        """Make blocks, and tell subscribers of each that became final."""
        for _ in range(num_blocks):
            before = self.chain.finalized
            self.chain.produce()
            if self.chain.finalized > before:
                await self._tell_all()

    async def skip(self, num_blocks: int) -> None:
        """Make blocks that become final together: subscribers hear of the newest."""
        self.chain.produce(num_blocks)
        await self._tell_all()

    async def hang_up(self) -> None:
        """Drop every connection without a word."""
        for connection in list(self._server.connections if self._server else ()):
            connection.transport.abort()
            await connection.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.num_dialled += 1
        if self.manners.refuse is None:
            return None
        response = connection.respond(self.manners.refuse, "go away\n")
        response.headers.update(self.manners.refuse_headers)
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        answering: set[asyncio.Task[None]] = set()
        try:
            async for frame in connection:
                request = json.loads(frame)
                task = asyncio.create_task(self._answer(connection, request))
                answering.add(task)
                task.add_done_callback(answering.discard)
        except ConnectionClosed:
            pass
        finally:
            self._heads = {s: c for s, c in self._heads.items() if c is not connection}
            for task in answering:
                task.cancel()

    async def _answer(self, connection: ServerConnection, request: Mapping[str, Any]) -> None:
        from websockets.exceptions import ConnectionClosed

        method, manners = request["method"], self.manners
        self.requests[method] += 1
        if manners.delay_s:
            await asyncio.sleep(manners.delay_s)
        if manners.drops[method]:
            manners.drops[method] -= 1
            connection.transport.abort()
            return
        if manners.goodbyes[method]:
            manners.goodbyes[method] -= 1
            await connection.close()
            return
        if manners.mute & {method, "*"}:
            return
        answer: dict[str, object] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            answer["result"] = self._result(connection, method, request["params"])
        except RpcError as error:
            answer["error"] = {"code": error.code, "message": str(error)}
        text = json.dumps(answer)
        if method in manners.garbage:
            text = manners.garbage[method].replace("ID", str(request["id"]))
        try:
            await connection.send(text)
            if method == "chain_subscribeFinalizedHeads" and manners.heads:
                await self._tell(str(answer["result"]))
            if method == "author_submitAndWatchExtrinsic" and "result" in answer:
                await self._report(connection, str(answer["result"]))
        except ConnectionClosed:
            pass

    def _result(self, connection: ServerConnection, method: str, params: list[Any]) -> object:
        if method == "chain_subscribeFinalizedHeads":
            subscription = f"heads-{self.requests[method]}"
            self._heads[subscription] = connection
            return subscription
        if method == "chain_unsubscribeFinalizedHeads":
            return self._heads.pop(params[0], None) is not None
        if method == "author_submitAndWatchExtrinsic":
            watched = f"extrinsic-{self.requests[method]}"
            self._watched[watched] = self._state.extrinsics.submit(params[0])
            return watched
        if method == "author_unwatchExtrinsic":
            return self._watched.pop(params[0], None) is not None
        if method == "system_localPeerId" and self.manners.peer_id is not None:
            return self.manners.peer_id
        return self._state.answer(method, params)

    async def _tell_all(self) -> None:
        """Send the finalized head to all subscribers."""
        if self.manners.heads:
            for subscription in list(self._heads):
                await self._tell(subscription)

    async def _tell(self, subscription: str) -> None:
        """Send the finalized head to a subscriber."""
        header = self._state.header(self.chain.finalized)
        await self._notify(self._heads[subscription], "chain_finalizedHead", subscription, header)

    async def _report(self, connection: ServerConnection, watched: str) -> None:
        """Say in which block an extrinsic is, and that the block is final."""
        await self._tell_all()
        block = self._state.hash_of(self._watched[watched])
        for status in ({"inBlock": block}, {"finalized": block}):
            await self._notify(connection, "author_extrinsicUpdate", watched, status)

    async def _notify(
        self, connection: ServerConnection, method: str, subscription: str, result: object
    ) -> None:
        params = {"subscription": subscription, "result": result}
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        await connection.send(json.dumps(message))
