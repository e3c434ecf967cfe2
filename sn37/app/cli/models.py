"""``sn37 models``: list the models on a validator's disk, and why each is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from sn37.app.cli import options

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.domain.disk.disk_inventory import Holding
    from sn37.domain.submission.models import Inventory


def models(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """List the models on disk and those still to be fetched; a validator may be running.

    sn37 models --state-dir STATE
    """
    flags = {k: v for k, v in locals().items() if k != "as_json"}
    from sn37.app.config.settings import load_settings  # slow to import

    settings = load_settings(flags)
    holdings, inventory, block = _read(settings)
    if as_json:
        typer.echo(json.dumps(_as_json(holdings, inventory, block), indent=2))
        return
    for holding in holdings:
        typer.echo(_line(holding))
    if not holdings:
        typer.echo("no model is on disk, and none is to be fetched")
    typer.echo(_summary(holdings, inventory, block))


def _read(settings: Settings) -> tuple[tuple[Holding, ...], Inventory, int]:
    from sn37.app.schedule.lookup import rules_of_network
    from sn37.app.wiring.machine import Machine
    from sn37.domain.disk.disk_inventory import holdings, newest_block

    machine = Machine(settings)
    state = machine.recorded_state()
    loaded = rules_of_network(settings)
    found = asyncio.run(machine.inventory(state))
    return holdings(state, found, loaded.schedule), found, newest_block(state)


def _state(holding: Holding) -> str:
    if holding.size_bytes:
        return "complete" if holding.complete else "partial"
    return "in queue" if holding.position is not None else "waiting"


def _line(holding: Holding) -> str:
    commitment = holding.submission.commitment
    place = "" if holding.position is None else f", place {holding.position}"
    size = _size(holding.size_bytes) if holding.size_bytes else "-"
    return (
        f"competition {commitment.competition}  {_state(holding):<8}  {size:>12}  "
        f"{commitment.hotkey}  {commitment.model.repo}@{commitment.model.revision[:12]}  "
        f"{holding.purpose.value}{place}"
    )


def _size(size_bytes: int) -> str:
    """Format a size in GB, or in MB when it is below 1 GB."""
    number, unit = (size_bytes / 1e9, "GB") if size_bytes >= 1e9 else (size_bytes / 1e6, "MB")
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:,.2f} {unit}"


def _summary(holdings: tuple[Holding, ...], inventory: Inventory, block: int) -> str:
    used_bytes = inventory.other_bytes + sum(h.size_bytes for h in holdings)
    quota = inventory.quota_bytes
    of = f" of {_size(quota)}" if quota is not None else ", without a limit"
    other = inventory.other_bytes
    unknown = f", {_size(other)} of it not of a known model" if other else ""
    return (
        f"{_size(used_bytes)} used{of}{unknown}; {_size(inventory.free_bytes)} free on the disk; "
        f"as of block {block}"
    )


def _as_json(
    holdings: tuple[Holding, ...], inventory: Inventory, block: int
) -> Mapping[str, object]:
    return {
        "block": block,
        "quota_bytes": inventory.quota_bytes,
        "free_bytes": inventory.free_bytes,
        "other_bytes": inventory.other_bytes,
        "models": [
            {
                "hotkey": h.submission.commitment.hotkey,
                "committed_at": h.submission.commitment.block,
                "repo": h.submission.commitment.model.repo,
                "commit": h.submission.commitment.model.revision,
                "competition": h.submission.commitment.competition,
                "size_bytes": h.size_bytes,
                "state": _state(h),
                "kept_for": h.purpose.value,
                "place": h.position,
            }
            for h in holdings
        ],
    }
