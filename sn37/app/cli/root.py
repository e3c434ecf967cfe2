"""The console script ``sn37``. Its start imports no command but the one that is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import sn37
from sn37.app.cli.run import add_commands, run
from sn37.app.cli.terminal.help_pages import HelpGroup
from sn37.app.interrupts import leave

COMMANDS = {
    "check": (
        "sn37.app.cli.check:check",
        "Make the checks of a validator on a model. Commits and uploads nothing.",
    ),
    "models": (
        "sn37.app.cli.models:models",
        "List the models on disk and those still to be fetched; a validator may be running.",
    ),
    "champions": (
        "sn37.app.cli.pages.champions:champions",
        "List all champions with dates, scores and gains; a validator may be running.",
    ),
    "standings": (
        "sn37.app.cli.pages.standings:standings",
        "Print each competition's champion, score, gain and standings.",
    ),
    "leaderboard": (
        "sn37.app.cli.pages.leaderboard:leaderboard",
        "Serve pages on a validator's record: who leads, since when, by how much; read-only.",
    ),
    "wandb": (
        "sn37.app.cli.pages.wandb:wandb",
        "Send the finished rounds that wandb lacks; a validator may be running.",
    ),
    "validator": (
        "sn37.app.cli.validator:validator",
        "Follow the chain, score models, set weights.",
    ),
    "status": (
        "sn37.app.cli.status.validator:status",
        "Print what the validator does now, or the status of a hotkey's submissions.",
    ),
    "doctor": (
        "sn37.app.cli.doctor:doctor",
        "Check that this machine has what a validator needs.",
    ),
    "audit": (
        "sn37.app.cli.audit:audit",
        "Derive every recorded verdict, crown, standing and weight again from the receipts.",
    ),
    "replay": (
        "sn37.app.cli.replay:replay",
        "Score the model of a receipt again on its samples; print the first loss that differs.",
    ),
    "schedule": (
        "sn37.app.cli.schedule:app",
        "Check, print and compare schedules of competitions.",
    ),
    "chain": ("sn37.app.cli.chain:app", "Read the chain; nothing is ever sent."),
    "state": ("sn37.app.cli.state:app", "Check, copy and maintain a validator's database."),
    "receipts": (
        "sn37.app.cli.receipts:app",
        "Export the signed rounds of a validator, and compare two.",
    ),
    "data": (
        "sn37.app.cli.data:app",
        "Show samples of data sources, and check a source that you wrote.",
    ),
    "miner": (
        "sn37.app.cli.miner:app",
        "Train a model, check it, publish it, and follow its progress.",
    ),
    "upgrade": (
        "sn37.app.cli.releases.upgrade:app",
        "Install signed releases, switch to one, and return.",
    ),
    "release": (
        "sn37.app.cli.releases.signing:app",
        "For maintainers: sign releases, and publish what is signed.",
    ),
    "simulate": (
        "sn37.app.cli.simulate:app",
        "Measure the winner rule by simulation; sn37 docs winner explains the figures.",
    ),
    "docs": (
        "sn37.app.cli.pages.docs:docs",
        "List the installed documents, or show one.",
    ),
}

# Panels of the help, in this order; a command without one is below them.
PANELS = {
    name: title
    for title, names in {
        "Mine": ("miner", "check", "data"),
        "Validate": ("validator", "doctor", "status", "models", "wandb", "state", "upgrade"),
        "Who leads, and why": (
            "champions",
            "standings",
            "leaderboard",
            "wandb",
            "audit",
            "replay",
            "receipts",
        ),
        "Rules and chain": ("schedule", "chain", "simulate"),
        "Documents and releases": ("docs", "release"),
    }.items()
    for name in names
}


class RootGroup(HelpGroup):
    """The program's commands, by what they are for."""

    panels = PANELS


app = typer.Typer(name="sn37", cls=RootGroup, add_completion=True, pretty_exceptions_enable=False)
add_commands(app, COMMANDS)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sn37 {sn37.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Subnet 37: fine-tuning competitions on Bittensor.

    Each command has a help page with examples: sn37 COMMAND -h. The documents are installed with
    the program: sn37 docs.

    sn37 validator --network simnet --rounds 2
    sn37 miner competitions
    sn37 docs validator
    """


def main() -> None:
    """Entry point of the console script."""
    leave(run(app, sys.argv[1:] or ["--help"], prog_name="sn37"))
