"""The checks of a schedule on this machine, with its installed data sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sn37.app.config.settings import Settings
from sn37.app.samples import plugins
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.schedule.readiness import require_ready, schedule_checks
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.check_line import Check, Grade


def checks_of(loaded: LoadedSchedule, *, is_simulated: bool) -> AsyncIterator[Check]:
    """Return the checks of a schedule; each data set is opened in a process of its own.

    Args:
        is_simulated: True if it would run on a simulated network, which has a source of its own.
    """
    return schedule_checks(
        loaded.schedule,
        Sources(installed_plugin).open,
        installed=plugins.dataset_names(),
        simulated=[plugins.SIMNET_SOURCE] if is_simulated else (),
    )


def checks_of_network(settings: Settings) -> AsyncIterator[Check]:
    """Return the checks of the schedule that the settings name, or of the network's.

    Raises:
        CommandError: The schedule cannot be used; says where and why.
    """
    return checks_of(rules_of_network(settings), is_simulated=settings.is_simnet)


async def require_checks(loaded: LoadedSchedule, *, is_simulated: bool) -> Sequence[Check]:
    """Make the checks of a schedule, and return those that warn.

    Raises:
        CommandError: Some failed; it has all of them, each with its remedy.
    """
    found = [check async for check in checks_of(loaded, is_simulated=is_simulated)]
    require_ready(found, loaded.origin)
    return [check for check in found if check.grade is Grade.WARNING]
