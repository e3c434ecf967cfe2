"""Data sources that a schedule names, opened and checked."""

from __future__ import annotations

from collections.abc import Callable

from sn37.app.samples.plugin_calls import PluginCalls, defect
from sn37.domain.data.repeats import repeats
from sn37.domain.data.samples import PoolRequest, Sample
from sn37.domain.data.vetting import Collected, outliers, vet, vet_draw
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, Source
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain
from sn37.ports.dataset import DatasetPlugin, LiveDataset, Quarantine, StaticDataset
from sn37.ports.errors import DatasetExhausted

FindSource = Callable[[str], DatasetPlugin]  # the plug-in of a name; raises ``LookupError``
ChainAndSources = tuple[Chain, FindSource]  # opened together, for reading
DEADLINE_S = 300.0  # for a read; half of the time between the lead and the sync block


class Sources:
    """Plug-ins by name; each is loaded when a round first needs it.

    ``find`` returns the plug-in of a name, or raises ``LookupError``. The results of all plug-ins
    are checked here.
    """

    def __init__(self, find: FindSource, *, deadline_s: float = DEADLINE_S) -> None:
        self._find = find
        self._calls = PluginCalls(deadline_s=deadline_s)

    async def collect(self, source: Source, request: PoolRequest) -> Collected:
        """Return the rows of a live source that may be drawn, and those set aside.

        Raises:
            DatasetUnavailable: The source did not answer, or the plug-in broke its contract.
        """
        dataset = self.live(source)

        async def read() -> Collected:
            collected = vet(await dataset.collect(request), request)
            if not collected.pool.is_distinct:
                found = repeats(collected.pool.samples, salt=request.salt)
                collected = collected.without(found)
            if source.max_deviations is not None:
                rows = collected.pool.samples
                found = outliers(rows, max_deviations=source.max_deviations)
                collected = collected.without(found)
            if isinstance(dataset, Quarantine):
                collected = collected.without(dataset.quarantine(collected.pool.samples))
            return collected

        return await self._calls.call(source.name, read)

    async def draw(self, source: Source, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """Draw samples from a static source.

        Raises:
            DatasetUnavailable: As ``collect``.
            DatasetExhausted: There are fewer than ``count`` rows.
        """
        dataset = self.static(source)

        async def read() -> tuple[Sample, ...]:
            return vet_draw(await dataset.draw(count=count, seed=seed), count)

        return await self._calls.call(source.name, read, answers=(DatasetExhausted,))

    def check(self, schedule: Schedule, *, but: str | None = None) -> None:
        """Open every source of the schedule, to find errors before the first round.

        Args:
            but: Name of a source that is not opened.

        Raises:
            LookupError: A plug-in is missing.
            ValueError: A plug-in refuses its parameters in the schedule.
        """
        for stage in schedule.stages:
            for competition in stage.competitions:
                for task in competition.tasks:
                    if task.source.name == but:
                        continue
                    if task.source.freshness is Freshness.LIVE:
                        self.live(task.source)
                    else:
                        self.static(task.source)

    def live(self, source: Source) -> LiveDataset:
        """Return the live source, opened with the schedule's parameters.

        Raises:
            LookupError: No plug-in has that name.
            ValueError: The source is not live, or refuses its parameters.
        """
        opened = self._open(source, Freshness.LIVE)
        if not isinstance(opened, LiveDataset):
            raise ValueError(f"source {source.name}: the plug-in does not open a live source")
        return opened

    def static(self, source: Source) -> StaticDataset:
        """Return the static source, whose rows have no time; see ``live``."""
        opened = self._open(source, Freshness.NONE)
        if not isinstance(opened, StaticDataset):
            raise ValueError(f"source {source.name}: the plug-in does not open a static source")
        return opened

    def _open(self, source: Source, freshness: Freshness) -> LiveDataset | StaticDataset:
        plugin = self._find(source.name)
        if plugin.freshness is not freshness:
            raise ValueError(
                f"source {source.name} is {plugin.freshness}, but the schedule says {freshness}"
            )
        try:
            return plugin.open(source.parameters)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(defect(source.name, error)) from error
