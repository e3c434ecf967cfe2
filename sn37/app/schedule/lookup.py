"""The rules of a network, for commands on machines that do not score."""

from __future__ import annotations

from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.load import LoadedSchedule, ScheduleError, load_schedule, preset_of
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.schedule.competition import Competition


def rules_of_network(settings: Settings) -> LoadedSchedule:
    """The schedule that the settings name, or the network's; data sets need not be installed.

    Raises:
        CommandError: It cannot be used; says where and why.
    """
    source = settings.schedule or preset_of(settings.network)
    try:
        return load_schedule(source, known_sources=None)
    except ScheduleError as error:
        raise CommandError(str(error)) from error


def competition_of(loaded: LoadedSchedule, number: int, *, at: int | None = None) -> Competition:
    """One competition as it is at a block, or by default as the schedule last has it.

    Raises:
        UsageError: There is none of that number, then or ever; says which there are.
    """
    stages = loaded.schedule.stages
    running = (
        [loaded.schedule.at(Block(at))] if at is not None else [s.competitions for s in stages]
    )
    found = [c for competitions in running for c in competitions if c.id == CompetitionId(number)]
    if not found:
        there = sorted({c.id for competitions in running for c in competitions})
        when = "" if at is None else f" at block {at}"
        raise UsageError(
            f"competition {number}: {loaded.origin} has none of that number{when}, only "
            f"{', '.join(map(str, there)) or 'none'}"
        )
    return found[-1]


def running_competition(
    loaded: LoadedSchedule, number: int, block: Block, settings: Settings
) -> Competition:
    """The competition as it is at a block of the chain.

    Raises:
        CommandError: Nothing runs then, as on the chain of another network.
        UsageError: Others do.
    """
    running = loaded.schedule.at(block)
    where = f"at block {block}, of network {settings.network}"
    if not running:
        raise CommandError(
            f"{loaded.origin} has no competition {where}; is --network or --endpoint that of "
            "another chain?"
        )
    found = next((c for c in running if c.id == number), None)
    if found is None:
        raise UsageError(
            f"competition {number}: does not run {where}, only "
            f"{', '.join(str(c.id) for c in running)}"
        )
    return found
