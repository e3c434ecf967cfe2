"""``sn37 doctor``: check whether this machine can run a validator, and a network's schedule."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import typer

from sn37.app.cli import options
from sn37.app.errors import CommandError, UsageError
from sn37.domain.check_line import Check, Grade

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "bittensor")
DRIVER = Path("/dev/nvidiactl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of output. ``lost`` (what does not work) and ``fix`` are empty when it is there."""

    name: str
    present: bool
    needed: bool  # without it the validator refuses to start
    detail: str = ""
    lost: str = ""
    fix: str = ""


def doctor(
    network: options.Network = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Check that this machine has what a validator needs.

    With --network it also checks the data sets and tasks of that network's schedule, or of the
    file that --schedule names. Exit code 1 when a validator would refuse to start here.
    """
    if schedule is not None and network is None:
        raise UsageError(f"--schedule {schedule}: name the network that follows it with --network")
    findings = (*_sandbox(), *map(_package, PACKAGES), _device())
    checks = _schedule(network, schedule) if network is not None else []
    if as_json:
        rows = [asdict(found) for found in (*findings, *map(_as_finding, checks))]
        typer.echo(json.dumps(rows, indent=1))
    else:
        for line in (*map(_line, findings), *(check.line for check in checks)):
            typer.echo(line)
    is_unfit = any(f.needed and not f.present for f in (*findings, *map(_as_finding, checks)))
    return 1 if is_unfit else 0


def _schedule(network: str, schedule: Path | None) -> Sequence[Check]:
    from sn37.app.config.settings import load_settings  # slow to import
    from sn37.app.wiring.start_checks import checks_of_network

    async def found() -> Sequence[Check]:
        settings = load_settings({"network": network, "schedule": schedule})
        return [check async for check in checks_of_network(settings)]

    return asyncio.run(found())


def _as_finding(check: Check) -> Finding:
    present = check.grade is not Grade.FAILED
    return Finding(
        name=check.name,
        present=present,
        needed=True,
        detail=check.detail if present else "",
        lost="" if present else check.detail,
        fix=check.remedy,
    )


def _sandbox() -> Sequence[Finding]:
    from sn37.app.wiring.container import Container  # slow to import

    try:
        sandbox = Container().host_sandbox()
    except OSError as error:
        raise CommandError(str(error)) from error
    return [
        Finding(
            name=f"sandbox: {row.layer}",
            present=row.present,
            needed=row.essential,
            detail=f"version {sandbox.landlock_abi}" if row.layer == "landlock" else "",
            lost=row.lost,
            fix=f"{row.fix}; or --allow-weak-sandbox" if row.essential else row.fix,
        )
        for row in sandbox.rows()
    ]


def _package(name: str) -> Finding:
    """Look for a package without importing it."""
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "of unknown version"
    return Finding(
        name=name,
        present=find_spec(name) is not None,
        needed=True,
        detail=found,
        lost="the validator does not start",
        fix="pip install 'sn37[validator]'",
    )


def _device() -> Finding:
    return Finding(
        name="device: cuda",
        present=DRIVER.exists(),
        needed=False,
        detail=str(DRIVER),
        lost="models are scored on the CPU, which is fast enough only for those of simnet",
        fix="install NVIDIA's driver; in a container, pass the GPU through",
    )


def _line(finding: Finding) -> str:
    if finding.present:
        return f"ok       {finding.name} {finding.detail}".rstrip()
    state = "MISSING" if finding.needed else "missing"
    return f"{state}  {finding.name}: {finding.lost}; to fix it: {finding.fix}"
