"""Reads of an opened plug-in's source, under the rules for every source's rows."""

from __future__ import annotations

from sn37.app.samples.plugin_calls import defect
from sn37.domain.data.repeats import repeats
from sn37.domain.data.samples import PoolRequest, Sample
from sn37.domain.data.vetting import Collected, outliers, vet, vet_draw
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, Source
from sn37.ports.dataset import (
    DatasetPlugin,
    Described,
    Description,
    LiveDataset,
    Quarantine,
    StaticDataset,
)


class OpeningFailed(ValueError):
    """A plug-in raised something else than a ``ValueError`` when it was opened."""


def open_live(plugin: DatasetPlugin, source: Source) -> LiveDataset:
    """Return the live source, opened with the schedule's parameters.

    Raises:
        ValueError: The source is not live, or refuses its parameters.
        OpeningFailed: The plug-in has a defect.
    """
    opened = _open(plugin, source, Freshness.LIVE)
    if not isinstance(opened, LiveDataset):
        raise ValueError(f"source {source.name}: the plug-in does not open a live source")
    return opened


def open_static(plugin: DatasetPlugin, source: Source) -> StaticDataset:
    """Return the static source, whose rows have no time; see ``open_live``."""
    opened = _open(plugin, source, Freshness.NONE)
    if not isinstance(opened, StaticDataset):
        raise ValueError(f"source {source.name}: the plug-in does not open a static source")
    return opened


def open_source(plugin: DatasetPlugin, source: Source) -> LiveDataset | StaticDataset:
    """Return the source, of the kind that the schedule gives; see ``open_live``."""
    is_live = source.freshness is Freshness.LIVE
    return open_live(plugin, source) if is_live else open_static(plugin, source)


def description_of(plugin: DatasetPlugin) -> Description | None:
    """Return what a plug-in says of itself; ``None`` if it says nothing."""
    return plugin.describe() if isinstance(plugin, Described) else None


async def collect(dataset: LiveDataset, source: Source, request: PoolRequest) -> Collected:
    """Return the rows that may be drawn, and those set aside.

    Raises:
        ContractBroken, Exception: The rows break the contract; or whatever the plug-in raises.
    """
    collected = vet(await dataset.collect(request), request)
    if not collected.pool.is_distinct:
        collected = collected.without(repeats(collected.pool.samples, salt=request.salt))
    if source.max_deviations is not None:
        rows = collected.pool.samples
        collected = collected.without(outliers(rows, max_deviations=source.max_deviations))
    if isinstance(dataset, Quarantine):
        collected = collected.without(dataset.quarantine(collected.pool.samples))
    return collected


async def draw(dataset: StaticDataset, *, count: int, seed: Seed) -> tuple[Sample, ...]:
    """Draw samples; raises as ``collect``, and ``DatasetExhausted``."""
    return vet_draw(await dataset.draw(count=count, seed=seed), count)


def _open(
    plugin: DatasetPlugin, source: Source, freshness: Freshness
) -> LiveDataset | StaticDataset:
    if plugin.freshness is not freshness:
        raise ValueError(
            f"source {source.name} is {plugin.freshness}, but the schedule says {freshness}"
        )
    try:
        return plugin.open(source.parameters)
    except ValueError:
        raise
    except Exception as error:
        raise OpeningFailed(defect(source.name, error)) from error
