"""Contract checks of an installed data source that need no test data.

``sn37.testing.dataset_contract`` checks more, over recorded rows; a plug-in's own tests run it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace

from sn37.app.data_tools.reader import ENVIRONMENTS, Reader, Rows, rows_of
from sn37.app.samples.installed import Answer, InstalledPlugin
from sn37.app.samples.plugin_calls import DEFECT
from sn37.app.samples.plugin_reads import OpeningFailed
from sn37.app.samples.sources import DEADLINE_S, Sources
from sn37.domain.check_line import Check, Grade
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import PoolRequest, Sample, TimeWindow
from sn37.domain.data.vetting import ContractBroken, vet
from sn37.domain.ids import Hotkey, Seed, TaskName
from sn37.domain.printable import one_line
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.choices import unaskable
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

GROWTH = 0.01  # share of rows that a feed may have gained between two reads
UNKNOWN = "no_such_parameter"
SEEDS = tuple(map(Seed, (1, 2**255, 3)))


async def check_source(
    source: Source,
    request: PoolRequest,
    find: Callable[[str], InstalledPlugin],
    *,
    count: int,
    deadline_s: float = DEADLINE_S,
) -> AsyncIterator[Check]:
    """Make the checks in turn; stop at a failure that makes the rest pointless.

    Args:
        find: Returns an installed plug-in by name, or raises ``LookupError``.
    """
    try:
        freshness, said = await Sources(find, deadline_s=deadline_s).describe(source.name)
        reader = Reader(plugin=find(source.name), source=source, deadline_s=deadline_s)
    except (LookupError, DatasetUnavailable) as error:
        yield failed("installed", str(error.args[0]), "install the package, or fix its factory")
        return
    yield ok("installed", f"a {freshness} source")
    opened = await _opened(reader)
    yield opened
    if opened.grade is Grade.FAILED:
        return  # its parameters would be refused in every further check
    for title, name, value in _wrong(source):
        yield await _refused(reader, title, name, value)
    usual = None if said is None else said.method
    is_live = source.freshness is Freshness.LIVE
    found = _live(reader, request, usual) if is_live else _static(reader, count, usual)
    async for check in found:
        yield check


def ok(name: str, detail: str) -> Check:
    return Check(name=name, grade=Grade.OK, detail=one_line(detail))


def failed(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, grade=Grade.FAILED, detail=one_line(detail), remedy=remedy)


def warned(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, grade=Grade.WARNING, detail=one_line(detail), remedy=remedy)


async def _opened(reader: Reader) -> Check:
    try:
        opened = await reader.open(reader.source.parameters)
    except (LookupError, ValueError, DatasetUnavailable) as error:
        return failed("opens", str(error), "give its parameters with --parameter key=value")
    return ok("opens", opened)


def _wrong(source: Source) -> list[tuple[str, str, ParameterValue]]:
    """Return checks with parameters that must be refused: title, name and value of each."""
    return [("unknown parameter", UNKNOWN, 1)] + [
        (f"wrong {name}", name, 3 if isinstance(value, str) else "wrong")
        for name, value in source.parameters.items()
    ]


async def _refused(reader: Reader, check: str, name: str, value: ParameterValue) -> Check:
    remedy = "raise a ValueError that names it"
    try:
        await reader.open({**reader.source.parameters, name: value})
    except (OpeningFailed, DatasetUnavailable) as error:
        return failed(check, str(error), remedy)
    except ValueError as error:
        if name in str(error):
            return ok(check, f"refused: {error}")
        return failed(check, f"message without its name: {error}", f"name {name} in the message")
    return failed(check, f"{name} = {value!r} was accepted", remedy)


async def _live(reader: Reader, request: PoolRequest, usual: Method | None) -> AsyncIterator[Check]:
    try:
        answer = await reader.collect(request)
        collected = vet(answer.collected.pool, request)
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
    for check in _options(rows, usual):
        yield check
    ids = [s.provenance.row_id for s in answer.samples]
    yield _said("order", ids == sorted(ids), "rows are sorted by row id", "sort them by row id")
    yield _randomness(answer)
    async for check in _again(reader, request, answer.samples):
        yield check


async def _again(
    reader: Reader, request: PoolRequest, samples: Sequence[Sample]
) -> AsyncIterator[Check]:
    here = rows_of(samples)
    try:
        yield _same("same again", here, await reader.rows(request))
        times = sorted(s.provenance.produced_at for s in samples if s.provenance.produced_at)
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
            split = rows_of([s for part in parts for s in part.samples])
            yield _same("half-open window", here, sorted(split))
        nobody = await reader.collect(replace(request, trusted=frozenset[Hotkey]()))
        signed = [s for s in nobody.samples if s.provenance.signer is not None]
        yield _said(
            "trust", not signed, "without trusted signers no signed row", "filter by trusted"
        )
        for environment in ENVIRONMENTS:
            there = await reader.within(environment).rows(request)
            yield _same(f"in time zone {environment['TZ']}", here, there)
    except DatasetUnavailable as error:
        yield failed("reads again", str(error), "answer every request in the same way")


async def _static(reader: Reader, count: int, usual: Method | None) -> AsyncIterator[Check]:
    try:
        answers = [await reader.draw(count, seed) for seed in SEEDS]
        drawn = [rows_of(answer.samples) for answer in answers]
        yield ok("rows", f"{count} distinct rows for each of {len(SEEDS)} seeds")
        for check in _options(answers[0].samples, usual):
            yield check
        again = await reader.draw(count, SEEDS[0])
        yield _same("same again", drawn[0], rows_of(again.samples))
        differs = any(rows != drawn[0] for rows in drawn)
        yield _said("seed", differs, "the seed decides the draw", "draw by the seed alone")
        yield _randomness(again)
        for environment in ENVIRONMENTS:
            there = await reader.within(environment).draw(count, SEEDS[0])
            yield _same(f"in time zone {environment['TZ']}", drawn[0], rows_of(there.samples))
    except (DatasetUnavailable, DatasetExhausted) as error:
        yield _unread(error)


def _options(samples: Sequence[Sample], usual: Method | None) -> Iterator[Check]:
    """Check the options of samples whose plug-in says that a method of choices scores them."""
    if usual is None or not usual.traits.is_choice:
        return
    batch = TaskBatch(task=TaskName("check"), method=usual, samples=tuple(samples))
    if why := unaskable(batch):
        yield failed("options", why, "return samples with choices, or name another method")
    else:
        yield ok("options", "every row is a question with options")


def _unread(error: Exception) -> Check:
    """Return the failure to read any row; a source that is down gives its own advice."""
    is_down = isinstance(error, DatasetUnavailable) and DEFECT not in str(error)
    remedy = "see docs/datasets.md for what it may raise and return"
    if is_down:
        remedy = "do what the source says, or try again later"
    return failed("rows", str(error).rstrip(". "), remedy)


def _randomness(answer: Answer) -> Check:
    left_alone = answer.complete.left_random_alone
    return _said("randomness", left_alone, "the global generator is left alone", "use a Random")


def _said(name: str, holds: bool, claim: str, remedy: str) -> Check:
    return ok(name, claim) if holds else failed(name, f"not true: {claim}", remedy)


def _same(name: str, here: Rows, there: Rows) -> Check:
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
