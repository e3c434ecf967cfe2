"""``sn37 miner base``: list or fetch a model to start training from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.ending import warn_of_ending

if TYPE_CHECKING:
    from sn37.app.mining.bases import Base, Choice

_SETTINGS = ("config", "network", "endpoint", "netuid", "state_dir", "schedule")


def base(
    competition: options.Competition,
    source: Annotated[
        str | None,
        typer.Argument(
            help="champion, subnet9, uid:NUMBER, hotkey:ADDRESS, NAMESPACE/NAME@COMMIT or a "
            "folder. Without SOURCE, the available models are listed."
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder to write the model to.")] = Path("base"),
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """List models to start from, or fetch one and verify it as a validator does.

    sn37 miner base --competition 1
    sn37 miner base champion --competition 1 --to base
    """
    flags = dict(locals())
    from sn37.app.config.settings import load_settings
    from sn37.app.mining.base_sources import source_of
    from sn37.app.mining.bases import (  # slow to import
        fetch_base,
        list_bases,
    )
    from sn37.app.schedule.lookup import rules_of_network
    from sn37.app.wiring.machine import Machine

    machine = Machine(load_settings({name: flags[name] for name in _SETTINGS}))
    if source is None:
        choices = asyncio.run(list_bases(machine, competition))
        warn_of_ending(rules_of_network(machine.settings), competition)
        _show_choices(choices, as_json=as_json)
    else:
        found = asyncio.run(fetch_base(machine, source_of(source), competition, to))
        warn_of_ending(rules_of_network(machine.settings), competition)
        _show_base(found, as_json=as_json)


def _show_choices(choices: tuple[Choice, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(choice) for choice in choices], indent=2))
        return
    for choice in choices:
        typer.echo(f"{choice.source}\n    {choice.model}  {choice.what}, {_named(choice.licence)}")
    if not choices:
        typer.echo("no miner has committed to a model of this competition")


def _show_base(base: Base, *, as_json: bool) -> None:
    from sn37.domain.submission.licences import Terms

    if base.terms is Terms.FORBIDDING:
        typer.echo(
            f"warning: {_named(base.licence)} forbids publishing or earning with models derived "
            "from this one; ask its owner, or start from another model",
            err=True,
        )
    artifact = base.artifact
    if as_json:
        found = {
            "folder": str(base.folder),
            "origin": base.origin,
            "model": base.model,
            "licence": base.licence,
            "terms": base.terms.value,
            "parameters": artifact.parameters,
            "size_bytes": artifact.size_bytes,
            "architecture": artifact.architecture,
            "model_hash": artifact.content_digest,
        }
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{base.folder}: {base.model or base.origin}, {base.origin}, verified")
    typer.echo(
        f"{artifact.parameters:,} parameters, {artifact.size_bytes:,} bytes, "
        f"{artifact.architecture}, {_named(base.licence)}"
    )
    if base.terms is Terms.UNKNOWN:
        typer.echo("its licence is not known here: read in its repository what you may do with it")


def _named(licence: str | None) -> str:
    return f"licence {licence}" if licence else "no licence named"
