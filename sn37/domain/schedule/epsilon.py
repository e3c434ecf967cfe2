"""Relative margin by which a challenger must beat the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sn37.domain.ids import Block
from sn37.domain.schedule.broken_rule import BrokenRule


class Epsilon(Protocol):
    """A margin that depends on how long ago the champion committed."""

    @property
    def end(self) -> float:
        """Margin against a champion of unlimited age: the smallest one."""
        ...

    def at(self, *, committed: Block, now: Block) -> float:
        """Return the margin, 0 <= value < 1, against a champion that committed at ``committed``."""
        ...


@dataclass(frozen=True, slots=True)
class FixedEpsilon:
    """Margin that is the same at every age."""

    value: float

    def __post_init__(self) -> None:
        _check(self.value)

    @property
    def end(self) -> float:
        return self.value

    def at(self, *, committed: Block, now: Block) -> float:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearEpsilon:
    """Margin that falls linearly from ``start`` to ``stop`` over ``decay_blocks``, then stays.

    A commitment in the future counts as age 0. Example: 0.05 to 0.01 over 7,200 blocks
    is 0.03 for a champion that committed 3,600 blocks ago.
    """

    start: float
    stop: float
    decay_blocks: int

    def __post_init__(self) -> None:
        _check(self.start)
        _check(self.stop)
        if self.stop > self.start:
            raise BrokenRule(f"epsilon must not grow: {self.start} -> {self.stop}", "epsilon")
        if self.decay_blocks <= 0:
            raise BrokenRule(f"decay_blocks must be positive, not {self.decay_blocks}", "epsilon")

    @property
    def end(self) -> float:
        return self.stop

    def at(self, *, committed: Block, now: Block) -> float:
        age = min(max(now - committed, 0), self.decay_blocks)
        return self.start - (self.start - self.stop) * (age / self.decay_blocks)


def _check(value: float) -> None:
    if not 0 <= value < 1:
        raise BrokenRule(f"epsilon must be at least 0 and below 1, not {value}", "epsilon")
