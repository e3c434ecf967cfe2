"""``sn37 doctor``: check whether this machine can run a validator, and of which network."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from sn37.app.cli import options
from sn37.app.errors import UsageError
from sn37.domain.check_line import Check, Grade

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings


def doctor(
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    wallet_path: options.WalletPath = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Check that this machine has what a validator needs.

    With --network, or a network in the file of --config, it also measures the device and checks
    everything that a validator of that network uses: data sets, disk, accounts, wallet, chain.
    Nothing is sent. Exit code 1 when a validator could not run; sn37 docs doctor explains
    each line.

    sn37 doctor --network simnet
    sn37 doctor --config FILE --json
    """
    flags = {n: value for n, value in locals().items() if n != "as_json"}
    checks = asyncio.run(_examined(_settings(flags), shown=not as_json))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    return 1 if any(check.grade is Grade.FAILED for check in checks) else 0


def _settings(flags: dict[str, object]) -> Settings | None:
    """Return the settings of a network; ``None`` if none was named.

    Raises:
        UsageError: An option has a wrong value, or needs a network.
    """
    if flags["network"] is None and flags["config"] is None:
        for name, value in flags.items():
            if value not in (None, []):
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{flag} {value}: name the network that it is for with --network")
        return None
    from sn37.app.config.settings import load_settings  # slow to import

    return load_settings(flags)


async def _examined(settings: Settings | None, *, shown: bool) -> list[Check]:
    from sn37.app.doctor.examination import examine
    from sn37.app.wiring.doctor import examinations_of  # slow to import

    checks = list[Check]()
    async for check in examine(examinations_of(settings)):
        checks.append(check)
        if shown:
            typer.echo(check.line)
    return checks
