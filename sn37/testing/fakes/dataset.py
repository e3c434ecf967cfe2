"""Sources of samples and a plug-in, all in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.ports.errors import DatasetExhausted
from sn37.testing.builders import CHAIN_START, some_samples

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, LiveDataset, StaticDataset


@dataclass(slots=True)
class FakeLiveDataset:
    """Live source of rows that tests add; by default one a minute from ``CHAIN_START`` on."""

    rows: list[Sample] = field(
        default_factory=lambda: list(some_samples(100, since=CHAIN_START, every_s=60))
    )
    failures: list[Exception] = field(default_factory=list)  # raised once each
    requests: list[PoolRequest] = field(default_factory=list)

    async def collect(self, request: PoolRequest) -> Pool:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        rows = Pool(tuple(sorted(self.rows, key=lambda s: s.provenance.row_id)))
        return Pool(
            tuple(
                s
                for s in rows.within(request.window).samples
                if request.trusted is None or s.provenance.signer in request.trusted
            )
        )


@dataclass(slots=True)
class FakeStaticDataset:
    """Static source; a draw ranks its rows by a hash keyed with the seed."""

    rows: tuple[Sample, ...] = field(default_factory=lambda: some_samples(1000))
    failures: list[Exception] = field(default_factory=list)  # raised once each
    draws: list[tuple[int, Seed]] = field(default_factory=list)  # count and seed

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        self.draws.append((count, seed))
        if self.failures:
            raise self.failures.pop(0)
        if count > len(self.rows):
            raise DatasetExhausted(requested=count, available=len(self.rows))

        def rank(sample: Sample) -> bytes:
            return sha256(f"{seed} {sample.provenance.row_id}".encode()).digest()

        return tuple(sorted(self.rows, key=rank)[:count])


@dataclass(slots=True)
class FakePlugin:
    """Plug-in that opens one given source; accepts only the parameters in ``known``."""

    source: FakeLiveDataset | FakeStaticDataset = field(default_factory=FakeStaticDataset)
    known: frozenset[str] = frozenset()
    opened: list[Mapping[str, ParameterValue]] = field(default_factory=list)

    @property
    def freshness(self) -> Freshness:
        return Freshness.LIVE if isinstance(self.source, FakeLiveDataset) else Freshness.NONE

    def open(self, parameters: Mapping[str, ParameterValue]) -> FakeLiveDataset | FakeStaticDataset:
        for name in parameters:
            if name not in self.known:
                raise ValueError(f"unknown parameter {name}")
        self.opened.append(dict(parameters))
        return self.source


if TYPE_CHECKING:
    _live: LiveDataset = FakeLiveDataset()
    _static: StaticDataset = FakeStaticDataset()
    _plugin: DatasetPlugin = FakePlugin()
