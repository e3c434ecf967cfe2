"""How often the collector looks, and that it still finds what is lost in a cycle."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from sn37.app.garbage import THRESHOLDS, look_less_often


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_cycles_are_still_found() -> None:
    look_less_often()
    lost = weakref.ref(Cycle())
    kept = [[] for _ in range(2 * THRESHOLDS[0])]  # type: list[list[object]]
    assert lost() is None
    assert len(kept) == 2 * THRESHOLDS[0]
