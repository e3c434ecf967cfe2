"""``sn37 miner``: everything that a miner does, from the base model to the crown."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from sn37.app.cli.run import add_commands, run

COMMANDS = {
    "competitions": (
        "sn37.app.cli.competitions:competitions",
        "List the competitions: limits, tasks, and the margin to win. Needs no network.",
    ),
    "base": (
        "sn37.app.cli.base:base",
        "List models to start from, or fetch one and verify it as a validator does.",
    ),
    "check": (
        "sn37.app.cli.check:check",
        "Make the checks of a validator on a model. Commits and uploads nothing.",
    ),
    "train": (
        "sn37.app.cli.train:train",
        "Fine-tune a model; repeat the command to continue an interrupted run.",
    ),
    "evaluate": (
        "sn37.app.cli.evaluate:evaluate",
        "Score a model and the champion as a round would, and estimate when it would win.",
    ),
    "publish": (
        "sn37.app.cli.publish:publish",
        "Check a model, upload it privately, commit to it, and make it public.",
    ),
    "register": (
        "sn37.app.cli.publish:register_hotkey",
        "Register a hotkey on simnet; on a real network use btcli.",
    ),
    "status": (
        "sn37.app.cli.status.commitment:status",
        "Print the status of a commitment: on chain, in a queue, scored, champion.",
    ),
}

app = typer.Typer(
    name="miner",
    help="Train a model, check it, publish it, and follow its progress.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Train a model, check it, publish it, and follow its progress."""


add_commands(app, COMMANDS)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(app, args, prog_name="python -m sn37.app.miner")
