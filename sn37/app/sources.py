"""Open the data sources that a schedule names."""

from __future__ import annotations

from collections.abc import Callable

from sn37.domain.competition import Freshness, Source
from sn37.domain.schedule import Schedule
from sn37.ports.dataset import DatasetPlugin, LiveDataset, StaticDataset


class Sources:
    """Plug-ins by name; each is loaded when a round first needs it.

    ``find`` returns the plug-in of a name and raises ``LookupError`` when there is none.
    """

    def __init__(self, find: Callable[[str], DatasetPlugin]) -> None:
        self._find = find

    def check(self, schedule: Schedule) -> None:
        """Open every source that the schedule names, so that a round is not the first to.

        Raises:
            LookupError: A plug-in is missing.
            ValueError: One refuses what the schedule says of it.
        """
        for stage in schedule.stages:
            for competition in stage.competitions:
                for task in competition.tasks:
                    if task.source.freshness is Freshness.LIVE:
                        self.live(task.source)
                    else:
                        self.static(task.source)

    def live(self, source: Source) -> LiveDataset:
        """The source, opened with the schedule's parameters.

        Raises:
            LookupError: No plug-in has that name.
            ValueError: It is not live, or refuses its parameters.
        """
        opened = self._open(source, Freshness.LIVE)
        if not isinstance(opened, LiveDataset):
            raise ValueError(f"source {source.name}: the plug-in opens no live source")
        return opened

    def static(self, source: Source) -> StaticDataset:
        """The same for a source whose rows have no time."""
        opened = self._open(source, Freshness.NONE)
        if not isinstance(opened, StaticDataset):
            raise ValueError(f"source {source.name}: the plug-in opens no static source")
        return opened

    def _open(self, source: Source, freshness: Freshness) -> LiveDataset | StaticDataset:
        plugin = self._find(source.name)
        if plugin.freshness is not freshness:
            raise ValueError(
                f"source {source.name} is {plugin.freshness}, the schedule says {freshness}"
            )
        return plugin.open(source.parameters)
