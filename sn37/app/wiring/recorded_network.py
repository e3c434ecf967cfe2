"""The network that a recorded state is of."""

from __future__ import annotations

from sn37.app.config.path_checks import is_file, is_there
from sn37.app.config.settings import Settings
from sn37.app.errors import UsageError
from sn37.app.schedule.load import preset_of, preset_with
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.wiring.container import Container


def require_same_network(container: Container) -> None:
    """Check that the recorded state, if any, is of the network that the settings name.

    Raises:
        UsageError: It is of another; says which.
        CommandError: The schedule of the settings cannot be used.
        StateUnreadable, StateUnavailable: The record cannot be read.
    """
    settings = container.settings()
    if not is_there(settings.state_file):
        return
    recorded = _recorded_preset(container, settings)
    if recorded is not None and recorded != preset_of(settings.network):
        raise UsageError(
            f"the state in {settings.state_dir} is of {recorded}, not of {settings.network_name}: "
            f"give --network {recorded}"
        )


def _recorded_preset(container: Container, settings: Settings) -> str | None:
    """Return the preset that the state was recorded under; ``None`` if it is not known.

    The newest statement names its schedule. Where no statement does, or it names a schedule that
    this version does not have, simnet's chain beside the state shows a simulated network.
    """
    fingerprint = container.read_fingerprint()(settings.state_file)
    if fingerprint is not None:
        if fingerprint == rules_of_network(settings).fingerprint:
            return preset_of(settings.network)  # also with a copy of a preset in --schedule
        if (preset := preset_with(fingerprint)) is not None:
            return preset
    return "simnet" if is_file(settings.simnet_chain_file, "simnet's chain") else None
