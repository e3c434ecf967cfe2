"""Waiting for a device's memory, with made-up readings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, repeat

from sn37.adapters.scoring.device_memory import (
    MAX_POLLS,
    SETTLED_POLLS,
    await_free,
    had_room,
)


def waits(readings: Iterator[int], need_bytes: int) -> int:
    """How often it slept."""
    naps: list[float] = []
    await_free(lambda: next(readings), need_bytes=need_bytes, sleep=naps.append)
    return len(naps)


def test_enough_free_memory_is_not_waited_for() -> None:
    assert waits(repeat(100), 100) == 0


def test_memory_that_comes_back_is_waited_for() -> None:
    assert waits(chain([10, 10, 40, 70, 100], repeat(0)), 100) == 4


def test_memory_that_others_hold_is_not_waited_for_long() -> None:
    assert waits(chain([10, 50], repeat(50)), 100) == SETTLED_POLLS + 1


def test_the_wait_has_an_end() -> None:
    assert waits(count(), 10**9) == MAX_POLLS


def test_a_model_that_had_what_its_size_allows_asked_for_more() -> None:
    assert had_room(free_bytes=60, held_bytes=40, allowed_bytes=100)
    assert not had_room(free_bytes=59, held_bytes=40, allowed_bytes=100)
