"""Port: sources of evaluation samples.

A contributor implements ``LiveDataset`` or ``StaticDataset`` and registers a
``DatasetPlugin`` under the entry-point group ``sn37.datasets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue


@runtime_checkable
class LiveDataset(Protocol):
    """A source that keeps producing rows, such as another subnet.

    It is read before the seed of a round exists; ``domain.sampling.draw`` chooses from the
    frozen pool afterwards.
    """

    async def collect(self, request: PoolRequest) -> Pool:
        """Every well-formed row of the window, signed by a trusted hotkey, once.

        Complete or not at all: part of a window is never returned. Equal requests over an
        unchanged source give equal pools, ordered by row id.

        Raises:
            DatasetUnavailable: The source did not answer, or not completely.
        """
        ...


@runtime_checkable
class Quarantine(Protocol):
    """What a live source may offer too: a judgement of rows that are well-formed."""

    def quarantine(self, samples: tuple[Sample, ...]) -> Mapping[str, str]:
        """The rows to keep out of the pool: why, by row id.

        A pure function of ``samples``, which are ordered by row id. It must hardly notice a
        few rows more or fewer, because validators differ by some: measure against a median,
        never against a maximum.
        """
        ...


@runtime_checkable
class StaticDataset(Protocol):
    """A source that does not change: a pinned revision, or a generator."""

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """Exactly ``count`` distinct samples, the same everywhere for one seed.

        Raises:
            DatasetUnavailable: A row could not be read; none is replaced.
            DatasetExhausted: The source holds fewer than ``count`` rows.
        """
        ...


class DatasetPlugin(Protocol):
    """What a plug-in's factory, called without arguments, returns."""

    @property
    def freshness(self) -> Freshness:
        """Live plug-ins open a ``LiveDataset``, others a ``StaticDataset``."""
        ...

    def open(self, parameters: Mapping[str, ParameterValue]) -> LiveDataset | StaticDataset:
        """The source with the schedule's parameters; no I/O yet.

        Raises:
            ValueError: A parameter is unknown, missing or out of range; the message names it.
        """
        ...
