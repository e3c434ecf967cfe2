"""The checks of a schedule on this machine, and of its chain: those of start and check-ups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from sn37.app.config.settings import Settings
from sn37.app.doctor.topics import WALLET
from sn37.app.errors import CommandError
from sn37.app.samples import plugins
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.schedule.readiness import require_ready, schedule_checks
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.check_line import Check, Grade
from sn37.domain.schedule.competition import Source
from sn37.ports.dataset import Description
from sn37.ports.errors import SignerUnusable

Note = Callable[[Source, Description], None]


def checks_of(
    loaded: LoadedSchedule, *, is_simulated: bool, note: Note = lambda _, __: None
) -> AsyncIterator[Check]:
    """Return the checks of a schedule; each data set is opened in a process of its own.

    Args:
        is_simulated: True if it would run on a simulated network, which has a source of its own.
        note: Called with what a plug-in says of a source.
    """
    sources = Sources(installed_plugin)

    async def opened(source: Source) -> Description | None:
        if (description := await sources.open(source)) is not None:
            note(source, description)
        return description

    return schedule_checks(
        loaded.schedule,
        opened,
        installed=plugins.dataset_names(),
        simulated=[plugins.SIMNET_SOURCE] if is_simulated else (),
    )


def checks_of_network(settings: Settings, note: Note = lambda _, __: None) -> AsyncIterator[Check]:
    """Return the checks of the schedule that the settings name, or of the network's.

    Args:
        note: See ``checks_of``.

    Raises:
        CommandError: The schedule cannot be used; says where and why.
    """
    return checks_of(rules_of_network(settings), is_simulated=settings.is_simnet, note=note)


def checks_on_chain(
    settings: Settings, *, is_wallet_needed: bool
) -> tuple[Check | None, Callable[[], AsyncIterator[Check]]]:
    """Open the hotkey; return a line about it, and what checks the chain with it.

    Args:
        is_wallet_needed: False if no line is wanted for settings without a wallet.
    """
    from sn37.app.wiring.networks import open_checkup, open_signer  # slow to import

    signer, wallet = None, None
    if is_wallet_needed or settings.wallet is not None:
        try:
            signer = open_signer(settings)
        except (CommandError, SignerUnusable) as error:
            wallet = WALLET.failed(str(error))
        else:
            wallet = WALLET.ok(f"hotkey {signer.hotkey} can be opened")
    return wallet, lambda: open_checkup(settings, signer).run()


async def require_checks(loaded: LoadedSchedule, *, is_simulated: bool) -> Sequence[Check]:
    """Make the checks of a schedule, and return those that warn.

    Raises:
        CommandError: Some failed; it has all of them, each with its remedy.
    """
    found = [check async for check in checks_of(loaded, is_simulated=is_simulated)]
    require_ready(found, loaded.origin)
    return [check for check in found if check.grade is Grade.WARNING]
