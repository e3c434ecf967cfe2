"""Port: sources of evaluation samples.

A contributor implements ``LiveDataset`` or ``StaticDataset`` and registers a
``DatasetPlugin`` under the entry-point group ``sn37.datasets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.domain.schedule.methods import Method


@runtime_checkable
class LiveDataset(Protocol):
    """A source that keeps producing rows, such as another subnet.

    It is read before the seed of a round exists; ``domain.sampling.draw`` chooses from the
    frozen pool afterwards.
    """

    async def collect(self, request: PoolRequest) -> Pool:
        """Return every well-formed row of the window that a trusted hotkey signed, once.

        Returns the complete window or raises; never returns part of it. Equal requests over an
        unchanged source give equal pools, ordered by row id.

        Raises:
            DatasetUnavailable: The source did not answer, or not completely.
        """
        ...


@runtime_checkable
class Quarantine(Protocol):
    """Optional second interface of a live source: it may reject well-formed rows."""

    def quarantine(self, samples: tuple[Sample, ...]) -> Mapping[str, str]:
        """Return the rows to leave out of the pool: row id to reason.

        A pure function of ``samples``, which are ordered by row id. A few rows more or fewer
        must hardly change the result, because the pools of validators differ by a few rows:
        compare with a median, never with a maximum.
        """
        ...


@runtime_checkable
class StaticDataset(Protocol):
    """A source that does not change: a pinned revision, or a generator."""

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """Return exactly ``count`` distinct samples, the same everywhere for one seed.

        Raises:
            DatasetUnavailable: A row could not be read; no other row replaces it.
            DatasetExhausted: The source holds fewer than ``count`` rows.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Parameters that fix what a source reads, for a schedule; and a line about it."""

    parameters: Mapping[str, str]
    told: str


@runtime_checkable
class Pinnable(Protocol):
    """Optional second interface of a plug-in whose source has a ``revision``."""

    async def pin(self, parameters: Mapping[str, ParameterValue]) -> Pin:
        """Return what is there today, which all validators then read.

        Args:
            parameters: Those of the schedule; ``revision`` may be a branch or missing.

        Raises:
            ValueError: A parameter is unknown or out of range; the message names it.
            DatasetUnavailable: It could not be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDescription:
    """A parameter of a source, for people."""

    name: str
    takes: str  # such as "integer, at least 1, default 10"
    is_required: bool
    default: ParameterValue | None = None  # ``None`` also if a schedule cannot contain it


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Facts about a source for an author of schedules."""

    method: Method  # by which models are usually scored on its samples
    parameters: tuple[ParameterDescription, ...] = ()
    packages: tuple[str, ...] = ()  # that reading imports, beyond the plug-in's own dependencies
    install: str = ""  # what ``pip install`` needs to install them


@runtime_checkable
class Described(Protocol):
    """Optional third interface of a plug-in, for ``sn37 schedule new`` and a validator's start."""

    def describe(self) -> Description:
        """Return the usual method, the parameters and the packages; does no I/O."""
        ...


class DatasetPlugin(Protocol):
    """Plug-in that a factory returns when it is called without arguments."""

    @property
    def freshness(self) -> Freshness:
        """Kind of source: live plug-ins open a ``LiveDataset``, others a ``StaticDataset``."""
        ...

    def open(self, parameters: Mapping[str, ParameterValue]) -> LiveDataset | StaticDataset:
        """Return the source with the schedule's parameters; does no I/O yet.

        Raises:
            ValueError: A parameter is unknown, missing or out of range; the message names it.
        """
        ...
