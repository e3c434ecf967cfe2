"""Rows that a model is trained on, with warnings about some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from sn37.app.errors import CommandError, UsageError
from sn37.app.samples.pool_requests import trusted_at
from sn37.app.samples.sources import Sources
from sn37.app.schedule.tables import parameter
from sn37.app.training.config import DataTable, SourceTable
from sn37.app.training.training_tools import TrainingTools
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import PoolRequest, Sample, TimeWindow
from sn37.domain.ids import BLOCK_SECONDS, Block, Hotkey, Seed, TaskName
from sn37.domain.schedule.competition import Competition, Freshness, Source
from sn37.domain.schedule.methods import LEARNABLE_METHODS, Method
from sn37.domain.tasks.instruction_task import is_instruction_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one source, for a task of the competition or else under the source's name."""

    batch: TaskBatch
    notes: tuple[str, ...] = ()


async def read_rows(
    data: DataTable, tools: TrainingTools, rules: Competition, *, seed: int
) -> tuple[Rows, ...]:
    """Return every source's rows, read as a validator reads them, in the order of the table.

    The window of a live source may end at any time. Even the newest rows are allowed, because a
    round takes only rows that are younger than the models it scores.

    Raises:
        CommandError, UsageError: The table is wrong, or a source cannot be used.
        PortError: The chain or a source does not answer, or has too few rows.
    """
    choices = data.sources or default_sources(rules)
    return tuple([await _read(choice, tools, rules, seed) for choice in choices])


def default_sources(rules: Competition) -> Sequence[SourceTable]:
    """Return the sources of the competition's tasks that a model can be trained on, each once.

    Raises:
        CommandError: No task has such a source.
    """
    names = dict.fromkeys(t.source.name for t in rules.tasks if t.method in LEARNABLE_METHODS)
    if not names:
        raise CommandError(
            f"no task of competition {rules.id} can be trained on; name data.sources"
        )
    return [SourceTable(name=name) for name in names]


async def _read(choice: SourceTable, tools: TrainingTools, rules: Competition, seed: int) -> Rows:
    source, batch = await _source(choice, tools, rules)
    if source.freshness is Freshness.LIVE:
        samples, window, now = await _live(choice, source, tools)
        since, until = (t.isoformat(timespec="seconds") for t in (window.since, window.until))
        notes = [f"{source.name}: {len(samples)} rows from {since} to {until}"]
        # Rows of simnet come from a preview that ends with the window.
        if not tools.settings.is_simnet and (
            warning := overlap_note(source, window, rules, now=now)
        ):
            notes.append(warning)
    else:
        samples = await _static(choice, tools, source, seed)
        notes = [f"{source.name}: {len(samples)} rows", _static_note(source)]
    if any(is_instruction_task(sample.reference) for sample in samples):
        raise UsageError(
            f"data.sources {source.name}: its references are rules for an answer, not a text to "
            "learn; remove the source"
        )
    learnable = tuple(s for s in samples if s.reference)
    return Rows(batch=replace(batch, samples=learnable), notes=tuple(notes))


def _static_note(source: Source) -> str:
    return (
        f"warning: {source.name} has the same rows in every round, so an evaluation may draw "
        "rows of this training; its score is then better than on new text"
    )


def overlap_note(
    source: Source, window: TimeWindow, rules: Competition, *, now: datetime
) -> str | None:
    """Return a warning if a round that begins now would draw from the window's rows."""
    if all(task.source.name != source.name for task in rules.tasks):
        return None
    age_s = min(source.max_age_s, rules.delay_blocks * BLOCK_SECONDS)
    drawn_since = now - timedelta(seconds=age_s)
    if window.until <= drawn_since:
        return None
    return (
        f"warning: an evaluation now draws rows since {drawn_since.isoformat(timespec='seconds')}, "
        "and this training uses some of them: sn37 miner evaluate leaves those out; rounds after "
        "a commitment have newer rows"
    )


async def _source(
    choice: SourceTable, tools: TrainingTools, rules: Competition
) -> tuple[Source, TaskBatch]:
    """Return the source, as the competition defines it if it does, and its task, still empty."""
    try:
        given = {key: parameter(key, value) for key, value in choice.parameters.items()}
    except ValueError as error:
        raise UsageError(f"data.sources {choice.name}: {error}") from error
    for task in rules.tasks:
        if task.source.name == choice.name and task.method in LEARNABLE_METHODS:
            parameters = MappingProxyType({**task.source.parameters, **given})
            batch = TaskBatch(task=task.name, method=task.method, samples=())
            return replace(task.source, parameters=parameters), batch
    try:
        freshness = await Sources(tools.installed_plugin).freshness(choice.name)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from error
    age_s = int(3600 * choice.hours) or 1
    source = Source(
        name=choice.name,
        freshness=freshness,
        max_age_s=age_s if freshness is Freshness.LIVE else 0,
        parameters=given,
    )
    method = choice.method or Method.REFERENCE_LOSS
    return source, TaskBatch(task=TaskName(choice.name), method=method, samples=())


async def _live(
    choice: SourceTable, source: Source, tools: TrainingTools
) -> tuple[tuple[Sample, ...], TimeWindow, datetime]:
    """Return the window's rows, the window, and the current time."""
    length = timedelta(hours=choice.hours)
    if choice.block is None and (choice.trusted or source.signers_netuid is None):
        now = datetime.now(UTC)
        window = _window(choice.until or now, length)
        trusted = frozenset(map(Hotkey, choice.trusted)) or None
        request = PoolRequest(window=window, trusted=trusted)
        return await _collect(Sources(tools.installed_plugin), source, request), window, now
    if choice.block is None and tools.settings.is_simnet:
        raise UsageError(
            f"data.sources {source.name}: simnet needs the block at which the window ends, for "
            "example block = 900"
        )
    async with tools.data(Block(choice.block or 0)) as (chain, find_plugin):
        head = await chain.head()
        if (choice.block or 0) > head.number:
            raise UsageError(
                f"data.sources {source.name}: block {choice.block} does not exist yet; the newest "
                f"is {head.number}"
            )
        at = head if choice.block is None else await chain.block(Block(choice.block))
        window = _window(choice.until or await chain.timestamp(at), length)
        request = PoolRequest(window=window, trusted=await trusted_at(chain, source, at))
        now = await chain.timestamp(head)
        return await _collect(Sources(find_plugin), source, request), window, now


def _window(until: datetime, length: timedelta) -> TimeWindow:
    return TimeWindow(since=until - length, until=until)


async def _collect(sources: Sources, source: Source, request: PoolRequest) -> tuple[Sample, ...]:
    try:
        return (await sources.collect(source, request)).pool.within(request.window).samples
    except (LookupError, ValueError) as error:
        raise CommandError(str(error.args[0])) from error


async def _static(
    choice: SourceTable, tools: TrainingTools, source: Source, seed: int
) -> tuple[Sample, ...]:
    sources = Sources(tools.installed_plugin)
    try:
        return await sources.draw(source, count=choice.num_samples, seed=Seed(seed))
    except (LookupError, ValueError) as error:
        raise CommandError(str(error.args[0])) from error
