"""``sn37 miner competitions``: list the competitions."""

from __future__ import annotations

import json

import typer

from sn37.app.cli import options


def competitions(
    at: options.RulesAt = None,
    config: options.Config = None,
    network: options.Network = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """List the competitions: limits, tasks, and the margin to win. Needs no network.

    sn37 miner competitions --network simnet
    """
    from sn37.app.config.settings import load_settings
    from sn37.app.schedule.advice import competition_lines
    from sn37.app.schedule.lookup import rules_of_network  # slow to import
    from sn37.domain.canonical import as_json as as_json_value
    from sn37.domain.ids import Block

    settings = load_settings(
        {"config": config, "network": network, "state_dir": state_dir, "schedule": schedule}
    )
    loaded = rules_of_network(settings)
    newest = loaded.schedule.stages[-1]
    block = newest.from_block if at is None else Block(at)
    running = loaded.schedule.at(block)
    if as_json:
        shown = {"block": block, "fingerprint": loaded.fingerprint}
        typer.echo(json.dumps({**shown, "competitions": as_json_value(running)}, indent=2))
        return
    typer.echo(
        f"{loaded.origin}, as of block {block}; a round every "
        f"{loaded.schedule.timing.cadence} blocks"
    )
    for competition in running:
        typer.echo("")
        for line in competition_lines(competition, loaded.summary_at(block, competition)):
            typer.echo(line)
    if not running:
        typer.echo("no competition runs")
