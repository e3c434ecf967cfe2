"""Reader of a data set as its plug-in gives it, before a validator sorts and sets aside rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sn37.app.samples.installed import Answer, InstalledPlugin
from sn37.app.samples.plugin_calls import PluginCalls
from sn37.app.samples.plugin_messages import Order
from sn37.domain.data.samples import PoolRequest, Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import ParameterValue, Source

# Other processes have another hash seed, locale and time zone.
ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/Los_Angeles"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
)

Rows = list[list[str]]  # row id, content hash, signer and time of each sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads a source, each time in a new process; all methods raise as ``InstalledPlugin.ask``."""

    plugin: InstalledPlugin
    source: Source
    deadline_s: float

    def within(self, environment: Mapping[str, str]) -> Reader:
        """Return a reader whose processes have other variables."""
        return replace(self, plugin=replace(self.plugin, environment=environment))

    async def open(self, parameters: Mapping[str, ParameterValue]) -> str:
        """Open the source with ``parameters``; return the type of what the plug-in opens."""
        source = replace(self.source, parameters=parameters)
        return (await self._ask(Order(name=source.name, source=source))).complete.opened

    async def collect(self, request: PoolRequest) -> Answer:
        """Return the pool of a live source, unchecked."""
        order = Order(name=self.source.name, source=self.source, request=request, is_vetted=False)
        return await self._ask(order)

    async def rows(self, request: PoolRequest) -> Rows:
        """Return the rows of the pool in a form for comparison."""
        return rows_of((await self.collect(request)).samples)

    async def draw(self, count: int, seed: Seed) -> Answer:
        """Return a draw from a static source."""
        order = Order(name=self.source.name, source=self.source, count=count, seed=seed)
        return await self._ask(order)

    async def _ask(self, order: Order) -> Answer:
        return await self.plugin.ask(order, PluginCalls(deadline_s=self.deadline_s))


def rows_of(samples: Iterable[Sample]) -> Rows:
    """Return the part of the samples that two readers must agree on."""
    return [
        [
            s.provenance.row_id,
            s.content_hash,
            s.provenance.signer or "",
            str(s.provenance.produced_at and s.provenance.produced_at.timestamp()),
        ]
        for s in samples
    ]
