"""The console script ``sn37``. Its start imports neither torch nor bittensor."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import sn37
from sn37.app.cli import audit as cli_audit
from sn37.app.cli import chain as cli_chain
from sn37.app.cli import champions as cli_champions
from sn37.app.cli import check as cli_check
from sn37.app.cli import data as cli_data
from sn37.app.cli import doctor as cli_doctor
from sn37.app.cli import miner
from sn37.app.cli import models as cli_models
from sn37.app.cli import receipts as cli_receipts
from sn37.app.cli import replay as cli_replay
from sn37.app.cli import schedule as cli_schedule
from sn37.app.cli import simulate as cli_simulate
from sn37.app.cli import state as cli_state
from sn37.app.cli.releases import signing as cli_signing
from sn37.app.cli.releases import upgrade as cli_upgrade
from sn37.app.cli.run import run
from sn37.app.interrupts import leave

app = typer.Typer(
    name="sn37",
    help="Subnet 37: fine-tuning competitions on Bittensor.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_schedule.app)
app.add_typer(cli_chain.app)
app.add_typer(cli_state.app)
app.add_typer(cli_receipts.app)
app.add_typer(cli_data.app)
app.add_typer(miner.app)
app.add_typer(cli_upgrade.app)
app.add_typer(cli_signing.app)
cli_simulate.register(app)
cli_check.register(app)
cli_models.register(app)
cli_champions.register(app)

Main = Callable[[Sequence[str]], int]


def _forwarded(name: str, target: str, summary: str) -> None:
    """Add a command that passes its arguments to ``target`` ("module:function"), imported late."""

    @app.command(
        name,
        help=summary,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def forward(context: typer.Context) -> int:
        main: Main = pkgutil.resolve_name(target)
        return main(context.args)


_forwarded(
    "validator", "sn37.app.cli.validator:main", "Follow the chain, score models, set weights."
)
cli_doctor.register(app)
cli_audit.register(app)
cli_replay.register(app)


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
    """Subnet 37: fine-tuning competitions on Bittensor."""


def main() -> None:
    """Entry point of the console script."""
    leave(run(app, sys.argv[1:] or ["--help"], prog_name="sn37"))
