"""Contract checks of an installed data source that need no test data.

``sn37.testing.dataset_contract`` checks more, over recorded rows; a plug-in's own tests run it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

from sn37.app.data_tools.other_process import AskElsewhere, answers_elsewhere
from sn37.app.data_tools.reader import Answer, Reader, answer_of
from sn37.app.samples.plugin_calls import DEFECT, defect
from sn37.app.samples.plugins import dataset_plugin
from sn37.app.samples.sources import DEADLINE_S, Sources
from sn37.domain.check_line import Check, Grade
from sn37.domain.data.samples import Pool, PoolRequest, TimeWindow
from sn37.domain.data.vetting import ContractBroken, vet
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

GROWTH = 0.01  # share of rows that a feed may have gained between two reads
UNKNOWN = "no_such_parameter"
SEEDS = tuple(map(Seed, (1, 2**255, 3)))


async def check_source(
    source: Source,
    request: PoolRequest,
    ask: AskElsewhere,
    *,
    count: int,
    deadline_s: float = DEADLINE_S,
) -> AsyncIterator[Check]:
    """Make the checks in turn; stop at a failure that makes the rest pointless.

    Args:
        ask: Reads the source in other processes.
    """
    try:
        plugin = dataset_plugin(source.name)
    except LookupError as error:
        yield failed("installed", str(error.args[0]), "install the package, or fix its factory")
        return
    yield ok("installed", f"a {plugin.freshness} source")
    checks = [_opened(plugin, source), _unknown(plugin, source), *_wrong(plugin, source)]
    for check in checks:
        yield check
    if checks[0].grade is Grade.FAILED:
        return
    reader = Reader(source=source, deadline_s=deadline_s)
    is_live = source.freshness is Freshness.LIVE
    async for check in _live(reader, request, ask) if is_live else _static(reader, count, ask):
        yield check


def ok(name: str, detail: str) -> Check:
    return Check(name=name, grade=Grade.OK, detail=one_line(detail))


def failed(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, grade=Grade.FAILED, detail=one_line(detail), remedy=remedy)


def warned(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, grade=Grade.WARNING, detail=one_line(detail), remedy=remedy)


def _opened(plugin: DatasetPlugin, source: Source) -> Check:
    try:
        sources = Sources(lambda _: plugin)
        opened = (sources.live if source.freshness is Freshness.LIVE else sources.static)(source)
    except ValueError as error:
        return failed("opens", str(error), "give its parameters with --parameter key=value")
    return ok("opens", type(opened).__name__)


def _unknown(plugin: DatasetPlugin, source: Source) -> Check:
    return _refused(plugin, source, "unknown parameter", UNKNOWN, 1)


def _wrong(plugin: DatasetPlugin, source: Source) -> list[Check]:
    return [
        _refused(plugin, source, f"wrong {name}", name, 3 if isinstance(value, str) else "wrong")
        for name, value in source.parameters.items()
    ]


def _refused(
    plugin: DatasetPlugin, source: Source, check: str, name: str, value: ParameterValue
) -> Check:
    try:
        plugin.open({**source.parameters, name: value})
    except ValueError as error:
        if name in str(error):
            return ok(check, f"refused: {error}")
        return failed(check, f"message without its name: {error}", f"name {name} in the message")
    except Exception as error:  # noqa: BLE001 - not our code
        return failed(check, defect(source.name, error), "raise a ValueError that names it")
    return failed(check, f"{name} = {value!r} was accepted", "raise a ValueError that names it")


async def _live(reader: Reader, request: PoolRequest, ask: AskElsewhere) -> AsyncIterator[Check]:
    before = random.getstate()
    try:
        pool = await reader.collect(request)
        collected = vet(pool, request)
    except (DatasetUnavailable, ContractBroken) as error:
        yield _unread(error)
        return
    rows = collected.pool.samples
    if not rows:
        yield failed("rows", "none in the window", "widen it with --since and --until")
        return
    yield ok("rows", f"{len(rows):,} between {request.window.since} and {request.window.until}")
    aside = "; ".join(f"{len(s.row_ids):,} with {s.why}" for s in collected.set_aside)
    if aside:
        yield warned("usable", f"set aside: {aside}", "leave such rows out")
    else:
        yield ok("usable", "no row had to be set aside")
    ids = [s.provenance.row_id for s in pool.samples]
    yield _said("order", ids == sorted(ids), "rows are sorted by row id", "sort them by row id")
    left_alone = random.getstate() == before
    yield _said("randomness", left_alone, "the global generator is left alone", "use a Random")
    async for check in _again(reader, request, pool, ask):
        yield check


async def _again(
    reader: Reader, request: PoolRequest, pool: Pool, ask: AskElsewhere
) -> AsyncIterator[Check]:
    here = answer_of(pool.samples)
    try:
        yield _same("same again", here, await reader.rows(request))
        times = sorted(s.provenance.produced_at for s in pool.samples if s.provenance.produced_at)
        middle = times[len(times) // 2]
        if request.window.since < middle:
            whole = request.window
            parts = [
                await reader.collect(replace(request, window=window))
                for window in (
                    TimeWindow(since=whole.since, until=middle),
                    TimeWindow(since=middle, until=whole.until),
                )
            ]
            split = answer_of([s for part in parts for s in part.samples])
            yield _same("half-open window", here, sorted(split))
        nobody = await reader.collect(replace(request, trusted=frozenset[Hotkey]()))
        signed = [s for s in nobody.samples if s.provenance.signer is not None]
        yield _said(
            "trust", not signed, "without trusted signers no signed row", "filter by trusted"
        )
        for name, answer in await answers_elsewhere(reader, ask, request=request):
            yield _same(name, here, answer)
    except DatasetUnavailable as error:
        yield failed("reads again", str(error), "answer every request in the same way")


async def _static(reader: Reader, count: int, ask: AskElsewhere) -> AsyncIterator[Check]:
    before = random.getstate()
    try:
        drawn = [await reader.draw(count, seed) for seed in SEEDS]
        yield ok("rows", f"{count} distinct rows for each of {len(SEEDS)} seeds")
        yield _same("same again", drawn[0], await reader.draw(count, SEEDS[0]))
        differs = any(answer != drawn[0] for answer in drawn)
        yield _said("seed", differs, "the seed decides the draw", "draw by the seed alone")
        left_alone = random.getstate() == before
        yield _said("randomness", left_alone, "the global generator is left alone", "use a Random")
        for name, answer in await answers_elsewhere(reader, ask, count=count, seed=SEEDS[0]):
            yield _same(name, drawn[0], answer)
    except (DatasetUnavailable, DatasetExhausted) as error:
        yield _unread(error)


def _unread(error: Exception) -> Check:
    """Return the failure to read any row; a source that is down gives its own advice."""
    is_down = isinstance(error, DatasetUnavailable) and DEFECT not in str(error)
    remedy = "see docs/datasets.md for what it may raise and return"
    if is_down:
        remedy = "do what the source says, or try again later"
    return failed("rows", str(error).rstrip(". "), remedy)


def _said(name: str, holds: bool, claim: str, remedy: str) -> Check:
    return ok(name, claim) if holds else failed(name, f"not true: {claim}", remedy)


def _same(name: str, here: Answer, there: Answer) -> Check:
    """Compare two answers; a small difference passes, because a feed may grow between reads."""
    if here == there:
        return ok(name, f"the same {len(here):,} rows")
    num_different = len({*map(tuple, here)} ^ {*map(tuple, there)})
    detail = f"{num_different:,} of {len(here):,} rows differ"
    if num_different == 0:
        return failed(name, "the same rows in another order", "order them by row id")
    if num_different <= GROWTH * len(here):
        return warned(name, detail, "expected of a feed that grew in between")
    return failed(name, detail, "equal requests over equal rows must give equal pools")
