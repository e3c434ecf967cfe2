"""What ``sn37 upgrade`` works with: the adapters of releases, opened as the settings say."""

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

SCHEMA = VERSION  # of the states that this program writes


def open_source(place: str) -> ReleaseSource:
    """A release at a path or an address."""
    return Source(place)


def open_installation(settings: Settings) -> Installation:
    """The folder of releases."""
    return InstallFolder(settings.install_dir.absolute())


def open_stager(settings: Settings) -> Stager:
    """What judges releases and installs them.

    Raises:
        CommandError: Signatures cannot be checked here, or others could pin a key.
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
    """What brings a release into service.

    Raises:
        UsageError: It is not known where the validator can be asked how it is.
    """
    if settings.health is None:
        raise UsageError(
            "--health: none given, so nobody could tell whether the new release is any good; give "
            "the validator's own HOST:PORT, best in the file of --config"
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
    """The signed document of a release, and the public key that validators name.

    Raises:
        ReleaseRefused: The key cannot be used.
        CommandError: Nothing can be signed here.
    """
    _require_cryptography()
    key = open_key(key_file, password)
    return seal(write_release(release), key), public_key(key)


def _installer(settings: Settings) -> PipInstaller:
    """Programs of other releases get by variables what this one was told by flags."""
    variables = {f"{ENV_PREFIX}STATE_DIR": str(settings.state_dir.absolute())}
    if settings.config is not None:
        variables[f"{ENV_PREFIX}CONFIG"] = str(settings.config.absolute())
    return PipInstaller(state_dir=settings.state_dir.absolute(), settings=variables)


def _require_closed(config: Path | None) -> None:
    """Whoever can write to the settings decides whose releases are taken."""
    if config is None:
        return
    found = config.stat()
    if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o022:
        raise CommandError(
            f"{config}: others may write to it, and so decide whose releases are taken; make it "
            "yours, and chmod go-w it"
        )


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise CommandError(
            "signatures of releases need cryptography: run pip install 'sn37[chain]'"
        )
