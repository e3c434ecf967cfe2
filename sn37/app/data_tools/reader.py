"""Reader of a data set as its plug-in gives it, before a validator sorts and sets aside rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sn37.app.samples.plugin_calls import PluginCalls
from sn37.app.samples.plugins import dataset_plugin
from sn37.app.samples.sources import Sources
from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Source

Answer = list[list[str]]  # row id, content hash, signer and time of each sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Opens the source again for each call."""

    source: Source
    deadline_s: float

    async def collect(self, request: PoolRequest) -> Pool:
        """Return the pool of a live source, unchecked.

        Raises:
            DatasetUnavailable: The source did not answer, or has a defect.
        """
        dataset = Sources(dataset_plugin).live(self.source)
        calls = PluginCalls(deadline_s=self.deadline_s)
        return await calls.call(self.source.name, lambda: dataset.collect(request))

    async def rows(self, request: PoolRequest) -> Answer:
        """Return the rows of the pool in a form for comparison."""
        return answer_of((await self.collect(request)).samples)

    async def draw(self, count: int, seed: Seed) -> Answer:
        """Return a draw from a static source, in a form for comparison.

        Raises:
            DatasetUnavailable, DatasetExhausted: See ``Sources``.
        """
        sources = Sources(dataset_plugin, deadline_s=self.deadline_s)
        return answer_of(await sources.draw(self.source, count=count, seed=seed))


def answer_of(samples: Iterable[Sample]) -> Answer:
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
