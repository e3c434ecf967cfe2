"""Data sources that a schedule names, opened and checked."""

from __future__ import annotations

from collections.abc import Callable

from sn37.app.samples.installed import InstalledPlugin
from sn37.app.samples.plugin_calls import PluginCalls
from sn37.app.samples.plugin_messages import Order
from sn37.app.samples.plugin_reads import (
    collect,
    description_of,
    draw,
    open_live,
    open_source,
    open_static,
)
from sn37.domain.data.samples import PoolRequest, Sample
from sn37.domain.data.vetting import Collected
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, Source
from sn37.ports.chain import Chain
from sn37.ports.dataset import DatasetPlugin, Description, Pin, Pinnable
from sn37.ports.errors import DatasetExhausted

# The plug-in of a name, an object of this program or an installed one; raises ``LookupError``.
FindSource = Callable[[str], DatasetPlugin | InstalledPlugin]
ChainAndSources = tuple[Chain, FindSource]  # opened together, for reading
DEADLINE_S = 300.0  # for a read; half of the time between the lead and the sync block
PIN_DEADLINE_S = 4000.0  # for pinning, which may read thousands of footers


class Sources:
    """Plug-ins by name; each is opened again for every read.

    Installed plug-ins run in a process of their own, objects of this program in a thread. ``find``
    returns the plug-in of a name, or raises ``LookupError``. All results are checked.
    """

    def __init__(self, find: FindSource, *, deadline_s: float = DEADLINE_S) -> None:
        self._find = find
        self._calls = PluginCalls(deadline_s=deadline_s)

    async def collect(self, source: Source, request: PoolRequest) -> Collected:
        """Return the rows of a live source that may be drawn, and those set aside.

        Raises:
            LookupError: No plug-in has that name, or it cannot be imported.
            ValueError: The source is not live, or refuses its parameters.
            DatasetUnavailable: The source did not answer, or the plug-in broke its contract.
        """
        plugin = self._find(source.name)
        if isinstance(plugin, InstalledPlugin):
            order = Order(name=source.name, source=source, request=request)
            return (await plugin.ask(order, self._calls)).collected
        dataset = open_live(plugin, source)
        return await self._calls.call(source.name, lambda: collect(dataset, source, request))

    async def draw(self, source: Source, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """Draw samples from a static source.

        Raises:
            LookupError, ValueError, DatasetUnavailable: As ``collect``.
            DatasetExhausted: There are fewer than ``count`` rows.
        """
        plugin = self._find(source.name)
        if isinstance(plugin, InstalledPlugin):
            order = Order(name=source.name, source=source, count=count, seed=seed)
            return (await plugin.ask(order, self._calls)).samples
        dataset = open_static(plugin, source)
        return await self._calls.call(
            source.name,
            lambda: draw(dataset, count=count, seed=seed),
            answers=(DatasetExhausted,),
        )

    async def describe(self, name: str) -> tuple[Freshness, Description | None]:
        """Return the kind of a source, and what its plug-in says of it.

        Raises:
            LookupError, DatasetUnavailable: As ``freshness``.
        """
        plugin = self._find(name)
        if isinstance(plugin, InstalledPlugin):
            complete = (await plugin.ask(Order(name=name), self._calls)).complete
            return complete.freshness, complete.description
        return plugin.freshness, description_of(plugin)

    async def pin(self, source: Source) -> Pin | None:
        """Return what is there today, for a schedule; ``None`` if the plug-in cannot pin.

        Raises:
            LookupError: The plug-in is missing, or cannot be imported.
            ValueError: It refuses its parameters.
            DatasetUnavailable: The source could not be read, or the plug-in has a defect.
        """
        plugin = self._find(source.name)
        if isinstance(plugin, InstalledPlugin):
            order = Order(name=source.name, source=source, is_pin=True)
            return (await plugin.ask(order, self._calls)).complete.pin
        return await plugin.pin(source.parameters) if isinstance(plugin, Pinnable) else None

    async def open(self, source: Source) -> Description | None:
        """Open a source, to find errors before the first round; return what its plug-in says.

        Raises:
            LookupError: The plug-in is missing, or cannot be imported.
            ValueError: It is of another kind, or refuses its parameters in the schedule.
            DatasetUnavailable: It did not answer.
        """
        plugin = self._find(source.name)
        if isinstance(plugin, InstalledPlugin):
            opened = await plugin.ask(Order(name=source.name, source=source), self._calls)
            return opened.complete.description
        open_source(plugin, source)
        return description_of(plugin)

    async def freshness(self, name: str) -> Freshness:
        """Return the kind of a source.

        Raises:
            LookupError: No plug-in has that name, or it cannot be imported.
            DatasetUnavailable: The plug-in did not answer.
        """
        freshness, _ = await self.describe(name)
        return freshness
