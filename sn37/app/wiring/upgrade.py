"""Adapters of releases for ``sn37 upgrade``, opened by the settings."""

from __future__ import annotations

import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sn37.adapters.releases.folder import InstallFolder
from sn37.adapters.releases.installer import PipInstaller
from sn37.adapters.releases.service import ManagedService
from sn37.adapters.releases.source import Source
from sn37.adapters.sqlite.schema_version import schema_version
from sn37.app.config.setting_types import host_and_port
from sn37.app.config.settings import ENV_PREFIX, Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.load import preset_of
from sn37.app.upgrade.health_gate import Gate
from sn37.app.upgrade.stage import Stager
from sn37.app.upgrade.switch import Switcher
from sn37.app.wiring.release import require_tuf
from sn37.ports.releases import Installation, ReleaseSource

if TYPE_CHECKING:
    from sn37.adapters.releases.trust import Trust


def open_source(settings: Settings, place: str) -> ReleaseSource:
    """Return the source of a release at a path or an address.

    Raises:
        CommandError: Signatures cannot be checked here, or other users could change the keys.
    """
    return Source(place, _open_trust(settings).fetch)


def open_installation(settings: Settings) -> Installation:
    """Return the folder of releases."""
    return InstallFolder(settings.install_dir.absolute())


def open_stager(settings: Settings) -> Stager:
    """Return the stager, which checks and installs releases."""
    return Stager(
        installation=open_installation(settings),
        installer=_installer(settings),
        vouched=lambda document: _open_trust(settings).read(document),
        schema_of=schema_version,
        state_file=settings.state_file.absolute(),
        schedule=preset_of(settings.network),
        now=lambda: datetime.now(UTC),
    )


def open_switcher(
    settings: Settings, *, manager: str, unit: str, settle_s: float, deadline_s: float
) -> Switcher:
    """Return the switcher between releases.

    Raises:
        UsageError: The address of the validator's health pages is not given.
    """
    if settings.health is None:
        raise UsageError(
            "--health is missing, so the new release could not be judged; give the validator's "
            "own HOST:PORT, best in the file of --config"
        )
    service = ManagedService(manager=manager, unit=unit, health=host_and_port(settings.health))
    return Switcher(
        installation=open_installation(settings),
        installer=_installer(settings),
        service=service,
        gate=Gate(
            service=service,
            settle_s=settle_s,
            deadline_s=deadline_s,
            monotonic=time.monotonic,
            sleep=time.sleep,
            tell=typer.echo,
        ),
        state_file=settings.state_file.absolute(),
        schema_of=schema_version,
        tell=typer.echo,
    )


def _installer(settings: Settings) -> PipInstaller:
    """Return the installer; it passes this program's flags on to other releases as variables."""
    variables = {f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir.absolute())}
    if settings.config is not None:
        variables[f"{ENV_PREFIX}CONFIG"] = str(settings.config.absolute())
    return PipInstaller(state_dir=settings.state_dir.absolute(), settings=variables)


def _open_trust(settings: Settings) -> Trust:
    require_tuf()
    if settings.release_root is None:
        raise CommandError(
            "no root to check releases with; set release_root to the maintainers' root.json",
            page="validator",
        )
    for file in (settings.config, settings.release_root):
        _require_closed(file)
    try:
        root = settings.release_root.read_bytes()
    except OSError as error:
        raise CommandError(f"{settings.release_root}: {error.strerror or error}") from error
    from sn37.adapters.releases.trust import Trust

    return Trust(root, settings.install_dir.absolute() / "trust")


def _require_closed(file: Path | None) -> None:
    """Refuse a file that other users can write: they could add keys for releases."""
    if file is None or not file.exists():
        return
    found = file.stat()
    if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o022:
        raise CommandError(
            f"{file}: others may write to it, and could add keys for releases; chown it to your "
            "user, and chmod go-w it"
        )
