"""Reproducible choices for generators of questions."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")

_RANGE = 2**64


class Chance:
    """A stream of choices that depends on its key only.

    Block n of the stream is sha256 of ``sn37/tasks/1|key|n``: four numbers of 64 bits, big-endian.
    So it is the same for all versions of Python, unlike the methods of ``random.Random``.
    """

    def __init__(self, key: str) -> None:
        self._begun = sha256(f"sn37/tasks/1|{key}|".encode())
        self._num_blocks = 0
        self._numbers: list[int] = []

    def below(self, bound: int) -> int:
        """Return a number from 0 to ``bound`` - 1, each with the same probability."""
        most = _RANGE - _RANGE % bound  # numbers beyond would favour the small remainders
        while (number := self._next()) >= most:
            pass
        return number % bound

    def between(self, least: int, most: int) -> int:
        """Return a number from ``least`` to ``most``, both included."""
        return least + self.below(most - least + 1)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Return ``count`` of the options, none of them twice, in random order."""
        left, taken = list(options), list[T]()
        for _ in range(count):
            place = self.below(len(left))
            left[place], left[-1] = left[-1], left[place]
            taken.append(left.pop())
        return taken

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return all options in random order."""
        return self.some(options, len(options))

    def _next(self) -> int:
        if not self._numbers:
            block = self._begun.copy()
            block.update(str(self._num_blocks).encode())
            digest = block.digest()
            self._numbers = [int.from_bytes(digest[i : i + 8], "big") for i in (24, 16, 8, 0)]
            self._num_blocks += 1
        return self._numbers.pop()
