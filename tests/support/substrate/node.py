"""A node's side of the SDK's ``Substrate`` protocol that only reads."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from tests.support.substrate.faults import Faults
from tests.support.substrate.genesis import Genesis
from tests.support.substrate.ledger import Item, Key, Ledger
from tests.support.substrate.pallets import CONSTANTS, DEFAULTS
from tests.support.substrate.records import metagraph_record

if TYPE_CHECKING:
    import bittensor as bt

PAGE = 100  # entries of a map that the SDK's own backend asks for at a time


class ReadingNode(Genesis):
    """A node whose head moves when a test says so, or when somebody waits for a block.

    Args:
        head: Number of the newest block.
        finality_lag: The finalized head is so many blocks behind.
        produces: Whether waiting for a block makes one; otherwise ``produce`` does.
        salt: Two chains with different salts have different hashes.

    ``requests`` counts what each kind of read costs over a real connection, ``asked`` how often
    each storage item, runtime call and method was asked for.
    """

    def __init__(
        self, *, head: int = 1000, finality_lag: int = 0, produces: bool = True, salt: str = "main"
    ) -> None:
        super().__init__(Ledger(head=head, salt=salt))
        self.finality_lag = finality_lag
        self.produces = produces
        self.faults = Faults()
        self.requests = 0
        self.asked: Counter[str] = Counter()
        self.token_symbols: dict[int, str] = {}
        self.runtime_version = 420
        self._waiting: list[asyncio.Future[None]] = []
        self._sessions = 0  # dropped so far

    # Time

    def produce(self, num_blocks: int = 1) -> None:
        """Make blocks and wake whoever waits for one."""
        for _ in range(num_blocks):
            self.ledger.produce()
            self.on_block()
        self._wake()

    def reorganize(self, depth: int) -> None:
        """Replace the newest ``depth`` blocks, none of them finalized, by as many others."""
        if depth > self.finality_lag:
            raise ValueError(f"the newest {self.finality_lag} blocks are not final, not {depth}")
        self.ledger.fork(self.ledger.head - depth)
        self.produce(depth)

    def drop_subscriptions(self) -> None:
        """End every stream of blocks by a lost connection."""
        self._sessions += 1
        self._wake()

    @property
    def finalized(self) -> int:
        return max(0, self.ledger.head - self.finality_lag)

    # The protocol: life cycle and blocks

    def balance(self, rao: int, netuid: int = 0) -> bt.Balance:
        from bittensor import Balance

        return Balance(rao, netuid, None)

    async def connect(self) -> None:
        await self._request("connect", 0)

    async def close(self) -> None:
        """There is nothing to release."""

    async def block_hash(self, block: int | None = None) -> str:
        from bittensor import ChainError

        await self._request("block_hash")
        number = self.ledger.head if block is None else block
        if not 0 <= number <= self.ledger.head:
            raise ChainError(f"no block at height {number}")
        return self.ledger.hash_of(number)

    async def block_number(self) -> int:
        await self._request("block_number")
        return self.ledger.head

    async def finalized_block_number(self) -> int:
        await self._request("finalized_block_number", 2)  # the head's hash, then its header
        return self.finalized

    async def block_time(self) -> float:
        return float(await self.constant("Aura", "SlotDuration")) / 1000

    async def spec_version(self) -> int:
        await self._request("spec_version")
        return self.runtime_version

    async def get_block(
        self, block_number: int | None = None, block_hash: str | None = None
    ) -> dict[str, object] | None:
        await self._request("get_block", 2 if block_hash is None else 1)
        number = self.ledger.head if block_number is None else block_number
        if block_hash is not None:
            number = -1 if (known := self.ledger.number_of(block_hash)) is None else known
        if self.faults.bodiless or not 0 <= number <= self.ledger.head:
            return None
        return {"header": self._header(number), "extrinsics": self.ledger.body(number)}

    async def blocks(self, *, finalized: bool = False) -> AsyncIterator[dict[str, object]]:
        await self._request("blocks")
        session, last = self._sessions, self._tip(finalized)
        yield {"header": self._header(last)}
        while True:
            while self._tip(finalized) == last:
                await self._next_block()
                await self._alive(session)
            last = min(last, self._tip(finalized) - 1) + 1  # a fork begins again at its tip
            yield {"header": self._header(last)}

    # The protocol: state

    async def query(
        self,
        module: str,
        storage_function: str,
        params: Sequence[object] | None = None,
        block_hash: str | None = None,
    ) -> object:
        await self._request(f"{module}.{storage_function}")
        return self._value((module, storage_function), tuple(params or ()), self._at(block_hash))

    async def query_batch(
        self,
        module: str,
        storage_function: str,
        param_sets: Sequence[Sequence[object]],
        block_hash: str | None = None,
    ) -> list[object]:
        await self._request(f"{module}.{storage_function}", 1 if block_hash else 2)
        at = self._at(block_hash)
        return [self._value((module, storage_function), tuple(p), at) for p in param_sets]

    async def query_map(
        self,
        module: str,
        storage_function: str,
        params: Sequence[object] | None = None,
        block_hash: str | None = None,
    ) -> list[tuple[object, object]]:
        at = self._at(block_hash)
        item = (module, storage_function)
        entries = self.ledger.entries(item, tuple(params or ()), at)
        # Keys and values of each page; a last page that is not full is known to be the last.
        pages = len(entries) // PAGE
        cost = 2 * pages + (2 if len(entries) % PAGE else 1)
        await self._request(f"{module}.{storage_function}", cost)
        return [(key[0] if len(key) == 1 else key, value) for key, value in entries]

    async def runtime_call(
        self, api: str, method: str, params: Sequence[object], block_hash: str | None = None
    ) -> object:
        await self._request(f"{api}.{method}")
        at = self._at(block_hash)
        netuid = params[0]
        if not isinstance(netuid, int) or not self.has_subnet(netuid, at):
            return None
        if method == "get_metagraph":
            return metagraph_record(self, netuid, at)
        raise LookupError(f"no runtime call {api}.{method} here")

    async def constant(self, module: str, name: str) -> int:
        await self._request(f"{module}.{name}", 0)  # part of the metadata
        return CONSTANTS[module, name]

    # Inside

    async def _request(self, what: str, cost: int = 1) -> None:
        self.asked[what] += 1
        self.requests += cost
        await self.faults.strike()

    def _at(self, block_hash: str | None) -> int:
        from bittensor import ChainError

        number = self.ledger.head if block_hash is None else self.ledger.number_of(block_hash)
        if number is None:
            raise ChainError(f"unknown block: header for {block_hash} was not found")
        if number < self.faults.pruned_below:
            raise ChainError(
                f"State discarded for {block_hash}. This indicates the block is too old, and you "
                "should instead make this request using an archive node."
            )
        return number

    def _value(self, item: Item, key: Key, at: int) -> object:
        if item == ("Timestamp", "Now"):
            return self.ledger.time_ms(at)
        value = self.ledger.read(item, key, at)
        return DEFAULTS.get(item) if value is None else value

    def _header(self, number: int) -> dict[str, object]:
        return {
            "number": number,
            "hash": self.ledger.hash_of(number),
            "parentHash": self.ledger.hash_of(number - 1) if number else "0x" + "00" * 32,
        }

    def _tip(self, finalized: bool) -> int:
        return self.finalized if finalized else self.ledger.head

    async def _next_block(self) -> None:
        if self.produces:
            await asyncio.sleep(0)  # whoever else runs gets a turn
            self.produce()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    async def _alive(self, session: int) -> None:
        from bittensor import RpcConnectionError

        if session != self._sessions or self.faults.refused:
            raise RpcConnectionError("connection closed")

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()
