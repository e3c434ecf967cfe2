"""Readers of a growing feed draw alike; the fake source stands for those that ship."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.domain.data.samples import Sample
from sn37.domain.ids import Hotkey
from sn37.testing.fakes import FakeLiveDataset
from sn37.testing.growing_feed import GrowingFeedContract


class TestFakeLiveDataset(GrowingFeedContract):
    def dataset_of(self, samples: Sequence[Sample]) -> FakeLiveDataset:
        return FakeLiveDataset(rows=list(samples))

    def signers(self) -> tuple[Hotkey, ...]:
        return tuple(map(Hotkey, ("v1", "v2", "v3", "v4", "v5")))
