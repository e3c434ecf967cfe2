"""``sn37 audit``: derive every decision of a state again."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sn37.app import options

if TYPE_CHECKING:
    from sn37.app.audit import AuditResult
    from sn37.app.settings import Settings


def register(parent: typer.Typer) -> None:
    """Add ``audit`` to the console script."""
    parent.command()(audit)


def audit(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Derive every verdict, crown, standing and weight of a state from its receipts.

    A validator may be running. Exit code 1 when something does not follow.
    """
    flags = {name: value for name, value in locals().items() if name != "as_json"}
    from sn37.app.settings import load_settings
    from sn37.domain.canonical import as_json as as_json_value

    result = asyncio.run(_audit(load_settings(flags)))
    if as_json:
        typer.echo(json.dumps(as_json_value(result), indent=2))
    else:
        for difference in result.differences:
            typer.echo(str(difference))
        for gone in result.forgotten:
            typer.echo(
                f"competition {gone.competition}: audited from after round {gone.newest} on; of "
                f"the {gone.num_rounds:,} rounds up to it only what was left on "
                f"{gone.at.isoformat(timespec='seconds')}, when the rest was removed"
            )
        told = f"{len(result.differences)} differences" if result.differences else "all follows"
        typer.echo(
            f"{result.rounds} rounds, {result.receipts} receipts, {result.weights} rows of "
            f"weights: {told}"
        )
    return 1 if result.differences else 0


async def _audit(settings: Settings) -> AuditResult:
    from dependency_injector import providers

    from sn37.app.container import Container  # what it needs takes a second to import
    from sn37.app.networks import signature_check
    from sn37.app.session import schedule_of

    container = Container(
        settings=providers.Object(settings), loaded=providers.Object(schedule_of(settings))
    )
    verify = signature_check()
    with tempfile.TemporaryDirectory(prefix="sn37-audit-") as folder:
        copy = Path(folder, "state.sqlite")  # one view of it, whatever a validator writes
        container.back_up_state()(container.state_file(), copy)
        store = container.open_state(copy)
        try:
            return await container.auditor(store=store, verify=verify).run()
        finally:
            await store.close()
