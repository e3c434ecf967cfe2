"""Draw of samples from a source's rows, as in a round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sn37.app.config.settings import Settings
from sn37.app.data_tools.requests import (
    Asked,
    OpenData,
    Target,
    find_target,
    request_at,
    request_by_time,
    round_seed,
)
from sn37.app.errors import CommandError
from sn37.app.samples.sources import FindSource, Sources
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import PoolRequest, Sample, TimeWindow
from sn37.domain.data.sampling import NotEnoughRows, draw, first_by_rank, pool_digest
from sn37.domain.data.vetting import Collected
from sn37.domain.ids import Block, Seed
from sn37.domain.schedule.competition import Freshness, Source
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A draw, and for a live source its pool."""

    target: Target
    seed: Seed
    samples: tuple[Sample, ...]
    collected: Collected | None = None
    window: TimeWindow | None = None

    def document(self) -> dict[str, JsonValue]:
        """Return everything as JSON, with whole texts."""
        collected, window = self.collected, self.window
        return {
            "source": self.target.source.name,
            "task": self.target.task_name,
            "seed": f"0x{self.seed:064x}",
            "window": [window.since.isoformat(), window.until.isoformat()] if window else None,
            "pool": {
                "rows": len(collected.pool.samples),
                "digest": pool_digest(collected.pool),
                "set_aside": {rows.why: list(rows.row_ids) for rows in collected.set_aside},
            }
            if collected
            else None,
            "samples": [_row(sample) for sample in self.samples],
        }


async def sample(
    asked: Asked,
    settings: Settings,
    *,
    find: FindSource,
    open_data: OpenData,
    count: int,
    block: Block | None,
    seed: Seed | None,
    up_to: bool = False,
) -> Sampled:
    """Draw ``count`` samples. The default seed is that of the round at ``block``, or 0.

    Args:
        up_to: Take fewer if there are fewer, and any number of one signer.
        find: Returns an installed plug-in by name.
        open_data: Opens a chain that reaches a block, and the data sources.

    Raises:
        CommandError: The options are wrong, or the source cannot be used.
        PortError: The chain or the source does not answer, or has too few rows.
    """
    if block is None:
        sources = Sources(find)
        target = await find_target(asked, settings, sources)
        request = request_by_time(asked, target.source, now=datetime.now(UTC))
        seed = seed or Seed(0)
        return await _draw(target, sources, request, request.window, count, seed, up_to)
    async with open_data(block) as (chain, find_plugin):
        sources = Sources(find_plugin)
        target = await find_target(asked, settings, sources, block=block)
        seed = await round_seed(chain, target, block) if seed is None else seed
        request, counted = await request_at(chain, target, block)
        return await _draw(target, sources, request, counted, count, seed, up_to)


async def _draw(
    target: Target,
    sources: Sources,
    request: PoolRequest,
    counted: TimeWindow,
    count: int,
    seed: Seed,
    up_to: bool,
) -> Sampled:
    source = target.source
    try:
        if source.freshness is not Freshness.LIVE:
            samples = await _static(source, sources, count, seed, up_to)
            return Sampled(target=target, seed=seed, samples=samples)
        found = await sources.collect(source, request)
    except (LookupError, ValueError) as error:
        raise CommandError(str(error.args[0])) from error
    collected = Collected(pool=found.pool.within(counted), set_aside=found.set_aside)
    if up_to:
        samples = first_by_rank(collected.pool, count, task=target.task_name, seed=seed)
        return Sampled(
            target=target, seed=seed, samples=samples, collected=collected, window=counted
        )
    try:
        samples = draw(
            collected.pool,
            task=target.task_name,
            count=count,
            seed=seed,
            signer_share=source.signer_share,
            min_signers=source.min_signers,
        )
    except NotEnoughRows as error:
        raise DatasetUnavailable(
            f"data set {source.name}: {error}; between {counted.since.isoformat()} and "
            f"{counted.until.isoformat()} there are {len(collected.pool.samples)} rows"
        ) from error
    return Sampled(target=target, seed=seed, samples=samples, collected=collected, window=counted)


async def _static(
    source: Source, sources: Sources, count: int, seed: Seed, up_to: bool
) -> tuple[Sample, ...]:
    try:
        return await sources.draw(source, count=count, seed=seed)
    except DatasetExhausted as error:
        if not (up_to and 0 < error.available < count):
            raise
        return await sources.draw(source, count=error.available, seed=seed)


def _row(drawn: Sample) -> JsonValue:
    origin = drawn.provenance
    return {
        "row_id": origin.row_id,
        "time": origin.produced_at.isoformat() if origin.produced_at else None,
        "signer": origin.signer,
        "stratum": origin.stratum,
        "content_hash": drawn.content_hash,
        "prompt": drawn.prompt,
        "choices": list(drawn.choices),
        "reference": drawn.reference,
    }
