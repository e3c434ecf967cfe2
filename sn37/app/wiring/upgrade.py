"""Adapters of releases for ``sn37 upgrade``, opened by the settings."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import typer

from sn37.adapters.releases.document import read_release, write_release
from sn37.adapters.releases.folder import InstallFolder
from sn37.adapters.releases.installer import PipInstaller
from sn37.adapters.releases.sealing import open_key, public_key, seal, unseal
from sn37.adapters.releases.service import ManagedService
from sn37.adapters.releases.source import Source
from sn37.adapters.sqlite.schema import VERSION
from sn37.adapters.sqlite.schema_version import schema_version
from sn37.app.config.setting_types import host_and_port
from sn37.app.config.settings import ENV_PREFIX, Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.load import preset_of
from sn37.app.upgrade.health_gate import Gate
from sn37.app.upgrade.stage import Stager
from sn37.app.upgrade.switch import Switcher
from sn37.domain.release.release import Release
from sn37.ports.releases import Installation, ReleaseSource

SCHEMA = VERSION  # of the state that this program writes


def open_source(place: str) -> ReleaseSource:
    """Return the source of a release at a path or an address."""
    return Source(place)


def open_installation(settings: Settings) -> Installation:
    """Return the folder of releases."""
    return InstallFolder(settings.install_dir.absolute())


def open_stager(settings: Settings) -> Stager:
    """Return the stager, which checks and installs releases.

    Raises:
        CommandError: Signatures cannot be checked here, or other users could change the keys.
    """
    _require_cryptography()
    _require_closed(settings.config)
    return Stager(
        installation=open_installation(settings),
        installer=_installer(settings),
        unseal=lambda sealed: read_release(unseal(sealed, settings.release_key)),
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


def signed(release: Release, key_file: Path, password: Callable[[], bytes]) -> tuple[bytes, str]:
    """Return the signed document of a release, and the public key for validators' settings.

    Raises:
        ReleaseRefused: The key cannot be used.
        CommandError: A package for signing is missing.
    """
    _require_cryptography()
    key = open_key(key_file, password)
    return seal(write_release(release), key), public_key(key)


def _installer(settings: Settings) -> PipInstaller:
    """Return the installer; it passes this program's flags on to other releases as variables."""
    variables = {f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir.absolute())}
    if settings.config is not None:
        variables[f"{ENV_PREFIX}CONFIG"] = str(settings.config.absolute())
    return PipInstaller(state_dir=settings.state_dir.absolute(), settings=variables)


def _require_closed(config: Path | None) -> None:
    """Refuse a settings file that other users can write: they could add keys for releases."""
    if config is None:
        return
    found = config.stat()
    if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o022:
        raise CommandError(
            f"{config}: others may write to it, and could add keys for releases; chown it to your "
            "user, and chmod go-w it"
        )


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise CommandError(
            "signatures of releases need cryptography: run pip install 'sn37[chain]'"
        )
