"""``sn37 miner``: everything that a miner does, from the base model to the crown."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from sn37.app.cli import base as cli_base
from sn37.app.cli import check as cli_check
from sn37.app.cli import competitions as cli_competitions
from sn37.app.cli import evaluate as cli_evaluate
from sn37.app.cli import publish as cli_publish
from sn37.app.cli import status as cli_status
from sn37.app.cli import train as cli_train
from sn37.app.cli.run import run

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


cli_competitions.register(app)
cli_base.register(app)
cli_check.register(app)
cli_train.register(app)
cli_evaluate.register(app)
cli_publish.register(app)
cli_status.register(app)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(app, args, prog_name="python -m sn37.app.miner")
