"""``sn37 wandb``: the finished rounds of a validator, sent to wandb."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from sn37.app.cli import options
from sn37.app.errors import UsageError

Follow = Annotated[
    bool, typer.Option("--follow", help="Continue with each round that finishes, until Ctrl-C.")
]
# The validator starts this command beside itself, and ends it by closing its standard input.
Beside = Annotated[bool, typer.Option("--beside", hidden=True)]


def wandb(
    follow: Follow = False,
    beside: Beside = False,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Send the finished rounds that wandb lacks; a validator may be running.

    WANDB_API_KEY, WANDB_MODE=offline, WANDB_PROJECT, WANDB_ENTITY, WANDB_BASE_URL and WANDB_DIR
    mean what they mean to the client.

    sn37 wandb --network simnet
    sn37 wandb --follow
    """
    if as_json and (follow or beside):
        raise UsageError("--json reports one sending: leave out --follow")
    flags = {k: v for k, v in locals().items() if k not in ("follow", "beside", "as_json")}
    from sn37.app.config.settings import load_settings
    from sn37.app.wiring.wandb import (  # slow to import
        destination_of,
        follow_until_standard_input_ends,
        open_sender,
    )

    settings = load_settings(flags)
    destination = destination_of(settings, os.environ)
    sender = open_sender(settings, destination, _tell)
    if beside:
        _tell(f"sending to {destination.place}")
        asyncio.run(follow_until_standard_input_ends(sender))
    elif follow:
        _tell(f"sending to {destination.place}")
        asyncio.run(sender.follow())
    else:
        num_sent = asyncio.run(sender.send())
        if as_json:
            typer.echo(json.dumps({"place": destination.place, "rounds_sent": num_sent}))
            return
        what = "nothing to send"
        if num_sent:
            what = f"{num_sent:,} {'round' if num_sent == 1 else 'rounds'} sent"
        typer.echo(f"{destination.place}: {what}")


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}", err=True)
