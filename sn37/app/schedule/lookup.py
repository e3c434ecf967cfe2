"""Rules of a network, for commands on machines that do not score."""

from __future__ import annotations

from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.load import LoadedSchedule, ScheduleError, load_schedule, preset_of
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.schedule.competition import Competition


def rules_of_network(settings: Settings) -> LoadedSchedule:
    """Load the schedule of the settings or the network; data sets need not be installed.

    Raises:
        CommandError: The schedule cannot be used; says where and why.
    """
    source = settings.schedule or preset_of(settings.network)
    try:
        return load_schedule(source)
    except ScheduleError as error:
        raise CommandError(str(error), page="schedules") from error


def competition_of(loaded: LoadedSchedule, number: int, *, at: int | None = None) -> Competition:
    """Return a competition at a block, by default as the newest stage with it has it.

    Raises:
        UsageError: The number does not exist, at that block or at all; lists those that do.
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
            f"competition {number}: not in {loaded.origin}{when}; its competitions: "
            f"{', '.join(map(str, there)) or 'none'}"
        )
    return found[-1]


def ending(loaded: LoadedSchedule, number: int) -> str | None:
    """Return a note on a competition that the newest stage no longer has, else ``None``."""
    stages = loaded.schedule.stages
    having = [n for n, s in enumerate(stages, 1) if any(c.id == number for c in s.competitions)]
    if not having or having[-1] == len(stages):
        return None
    later = ", ".join(str(c.id) for c in stages[-1].competitions)
    return (
        f"competition {number} ends at block {stages[having[-1]].from_block} of {loaded.origin}; "
        f"its newest stage has {later}"
    )


def running_competition(
    loaded: LoadedSchedule, number: int, block: Block, settings: Settings
) -> Competition:
    """Return the competition at a block of the chain.

    Raises:
        CommandError: No competition runs at that block, as on the chain of another network.
        UsageError: Only others run.
    """
    running = loaded.schedule.at(block)
    where = f"at block {block}, of network {settings.network_name}"
    if not running:
        raise CommandError(
            f"{loaded.origin} has no competition {where}; is --network or --endpoint that of "
            "another chain?"
        )
    found = next((c for c in running if c.id == number), None)
    if found is None:
        raise UsageError(
            f"competition {number}: does not run {where}; running: "
            f"{', '.join(str(c.id) for c in running)}"
        )
    return found
