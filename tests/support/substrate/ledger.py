"""Blocks and storage items of a chain in memory, readable as of any block."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

from sn37.domain.ids import BLOCK_SECONDS

Item = tuple[str, str]  # pallet and storage item
Key = tuple[object, ...]

GENESIS_TIME = datetime(2025, 1, 1, tzinfo=UTC)


class Ledger:
    """Every value with the block it was written in; block ``n`` is 12 s after block ``n-1``.

    What is written takes effect in the head block. A hash carries its block's number, so that
    following a chain for long keeps nothing.
    """

    def __init__(self, *, head: int, salt: str = "memory") -> None:
        self.head = head
        self._salts = [(0, salt)]  # the chain from this block on; more than one after a fork
        self._values: dict[Item, dict[Key, list[tuple[int, object]]]] = {}
        self._bodies: dict[int, list[object]] = {}  # extrinsics after the timestamp's

    def produce(self) -> int:
        """Make the next block; return its number."""
        self.head += 1
        return self.head

    def fork(self, at: int) -> None:
        """Forget every block after ``at``; the next ones have other hashes."""
        self.head = at
        self._salts.append((at + 1, f"fork {len(self._salts)}"))
        self._bodies = {n: body for n, body in self._bodies.items() if n <= at}
        for values in self._values.values():
            for history in values.values():
                while history and history[-1][0] > at:
                    history.pop()

    def hash_of(self, number: int) -> str:
        salt = next(s for since, s in reversed(self._salts) if since <= number)
        return f"0x{sha256(f'{salt}|{number}'.encode()).hexdigest()[:48]}{number:016x}"

    def number_of(self, block_hash: str) -> int | None:
        """The block with this hash; ``None`` when this chain has none."""
        number = int(block_hash[50:], 16) if len(block_hash) == 66 else -1
        known = 0 <= number <= self.head and self.hash_of(number) == block_hash
        return number if known else None

    def time_ms(self, number: int) -> int:
        """Unix time of a block in milliseconds."""
        return int(GENESIS_TIME.timestamp() + BLOCK_SECONDS * number) * 1000

    def write(self, item: Item, key: Key, value: object) -> None:
        """Store a value, or remove it by ``None``, as part of the head block."""
        history = self._values.setdefault(item, {}).setdefault(key, [])
        if history and history[-1][0] == self.head:
            history.pop()
        history.append((self.head, value))

    def read(self, item: Item, key: Key, at: int | None = None) -> object:
        """The value after block ``at`` (the head), ``None`` when there was none."""
        return _value_at(self._values.get(item, {}).get(key, []), self._at(at))

    def entries(
        self, item: Item, prefix: Key = (), at: int | None = None
    ) -> list[tuple[Key, object]]:
        """Keys (less their prefix) and values of a map after block ``at``."""
        return list(self._entries(item, prefix, self._at(at)))

    def _entries(self, item: Item, prefix: Key, at: int) -> Iterator[tuple[Key, object]]:
        for key, history in self._values.get(item, {}).items():
            if key[: len(prefix)] == prefix and (value := _value_at(history, at)) is not None:
                yield key[len(prefix) :], value

    def include(self, extrinsic: object) -> int:
        """Put an extrinsic into the head block; return its index."""
        body = self._bodies.setdefault(self.head, [])
        body.append(extrinsic)
        return len(body)  # the timestamp's own is number 0

    def body(self, number: int) -> list[object]:
        """Every extrinsic of a block, decoded as the SDK decodes them."""
        stamp = a_call("Timestamp", "set", {"now": self.time_ms(number)})
        return [{"extrinsic_hash": None, "call": stamp}, *self._bodies.get(number, [])]

    def _at(self, at: int | None) -> int:
        return self.head if at is None else at


def a_call(module: str, function: str, params: dict[str, object]) -> dict[str, object]:
    """A call as it stands in a decoded extrinsic."""
    args = [{"name": name, "value": value} for name, value in params.items()]
    return {"call_module": module, "call_function": function, "call_args": args}


def _value_at(history: list[tuple[int, object]], at: int) -> object:
    for block, value in reversed(history):
        if block <= at:
            return value
    return None
