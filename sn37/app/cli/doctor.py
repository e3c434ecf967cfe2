"""``sn37 doctor``: check whether this machine can run a validator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import typer

from sn37.app.cli.options import AsJson
from sn37.app.errors import CommandError

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


def doctor(as_json: AsJson = False) -> int:
    """Check that this machine has what a validator needs.

    Exit code 1 when a validator would refuse to start here.
    """
    findings = (*_sandbox(), *map(_package, PACKAGES), _device())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            typer.echo(_line(finding))
    return 1 if any(f.needed and not f.present for f in findings) else 0


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
