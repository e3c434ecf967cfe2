"""Options of ``sn37 data``, turned into a source of the schedule and a request to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sn37.app.config import setting_types
from sn37.app.config import toml_reader as toml_files
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.samples.pool_requests import pool_request
from sn37.app.samples.sources import ChainAndSources, Sources
from sn37.app.samples.window_times import window_times
from sn37.app.schedule.load import ScheduleError, load_schedule, preset_of
from sn37.app.schedule.tables import parameter
from sn37.domain.data.samples import EmptyWindow, PoolRequest, TimeWindow
from sn37.domain.data.sampling import round_window, seed_of
from sn37.domain.ids import Block, CompetitionId, Hotkey, Seed, TaskName
from sn37.domain.schedule.competition import Competition, Freshness, ParameterValue, Source, Task
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.chain import Chain

# Opens a chain that reaches at least a block, and the data sources; read only.
OpenData = Callable[[Block], AbstractAsyncContextManager[ChainAndSources]]

DEFAULT_AGE = timedelta(hours=4)  # of the oldest row, if no schedule gives it
SETTLED = timedelta(minutes=15)  # younger rows are left out, as in a round


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Options of the command line that say what to read."""

    name: str
    parameters: Sequence[str] = ()  # key=value
    schedule: str | None = None  # file or preset; the network's own by default
    since: datetime | None = None
    until: datetime | None = None
    trusted: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A source, with the competition and task that use it, if a schedule names it."""

    source: Source
    schedule: Schedule
    rules: Competition | None = None
    task: Task | None = None

    @property
    def task_name(self) -> TaskName:
        """Name that the draw depends on: of the task, or of a source that no task uses."""
        return self.task.name if self.task else TaskName(self.source.name)


async def find_target(
    asked: Asked,
    settings: Settings,
    sources: Sources,
    *,
    block: Block | None = None,
) -> Target:
    """Return the source as the schedule has it at ``block`` or in its newest stage.

    A source that the schedule does not name gets defaults.

    Raises:
        CommandError: The source is not installed, or the schedule cannot be read.
        UsageError: A parameter cannot be read.
        DatasetUnavailable: The source's plug-in did not answer.
    """
    schedule = _schedule(asked, settings)
    given = given_parameters(asked.parameters)
    stages = [s.competitions for s in reversed(schedule.stages)]
    for rules in schedule.at(block) if block is not None else (c for s in stages for c in s):
        for task in rules.tasks:
            if task.source.name == asked.name:
                parameters = {**task.source.parameters, **given}
                source = replace(task.source, parameters=parameters)
                return Target(source=source, schedule=schedule, rules=rules, task=task)
    try:
        freshness = await sources.freshness(asked.name)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from error
    age_s = int(DEFAULT_AGE.total_seconds()) if freshness is Freshness.LIVE else 0
    source = Source(name=asked.name, freshness=freshness, max_age_s=age_s, parameters=given)
    return Target(source=source, schedule=schedule)


def request_by_time(asked: Asked, source: Source, *, now: datetime) -> PoolRequest:
    """Return a request for the window of the options; by default the last hours.

    Raises:
        UsageError: The window is empty, or no signer is trusted.
    """
    if source.signers_netuid is not None and not asked.trusted:
        raise UsageError(
            f"rows of {source.name} are signed: give --block to trust the chain's signers, or "
            "--trusted HOTKEY"
        )
    until = asked.until or now - SETTLED
    since = asked.since or until - DEFAULT_AGE
    try:
        window = TimeWindow(since=since, until=until)
    except EmptyWindow as error:
        raise UsageError(f"--since must lie before --until: {error}") from error
    return PoolRequest(window=window, trusted=frozenset(map(Hotkey, asked.trusted)) or None)


async def request_at(chain: Chain, target: Target, block: Block) -> tuple[PoolRequest, TimeWindow]:
    """Return a validator's request before a round at ``block``, and the window that then counts.

    Raises:
        CommandError: No competition of the schedule uses the source at ``block``, the chain has
            not reached ``block``, or no row can count.
    """
    if target.rules is None:
        raise CommandError(
            f"no competition uses {target.source.name} at block {block}; give another --block or "
            "--schedule, or --since and --until instead"
        )
    head = (await chain.head()).number
    if block > head:
        raise CommandError(f"block {block} does not exist yet; the newest is {head}")
    timing = target.schedule.timing
    rules, source = target.rules, target.source
    try:
        request = await pool_request(
            chain, sync_block=block, rules=rules, source=source, timing=timing
        )
        times = await window_times(chain, sync_block=block, rules=rules, timing=timing)
        counted = round_window(
            sync_time=await chain.timestamp(await chain.block(block)),
            delay_time=times.delay_time,
            settle_time=times.settle_time,
            max_age_s=source.max_age_s,
        )
    except EmptyWindow as error:
        raise CommandError(f"at block {block} no row can count: {error}") from error
    return request, counted


async def round_seed(chain: Chain, target: Target, block: Block) -> Seed:
    """Return the seed of a real round at ``block``."""
    competition = target.rules.id if target.rules else CompetitionId(0)
    return seed_of(
        netuid=target.schedule.netuid,
        competition=competition,
        task=target.task_name,
        block_hash=(await chain.block(block)).hash,
    )


def moment(text: str) -> datetime:
    """Return a time of the command line; without an offset it is UTC.

    Raises:
        UsageError: The text is not a time.
    """
    try:
        return setting_types.moment(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def given_parameters(texts: Sequence[str]) -> dict[str, ParameterValue]:
    """Return parameters that the command line has as ``key=value``.

    Raises:
        UsageError: One of them cannot be read.
    """
    return dict(map(_parameter, texts))


def _parameter(text: str) -> tuple[str, ParameterValue]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"--parameter {text}: expected key=value")
    try:
        return key, parameter(key, toml_files.parse(f"value = {value}")["value"])
    except (toml_files.NotToml, ValueError):
        return key, value  # text needs no quotes here
    except toml_files.TooMuchToml as error:
        raise UsageError(f"--parameter {key}: {error}; put text in quotes") from error


def _schedule(asked: Asked, settings: Settings) -> Schedule:
    name = asked.schedule or preset_of(settings.network)
    try:
        return load_schedule(name).schedule
    except ScheduleError as error:
        raise CommandError(str(error)) from error
