"""``sn37 receipts``: export the signed rounds of a validator."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report
from sn37.app.config.number_limits import MAX_BLOCK

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings

app = typer.Typer(
    name="receipts",
    help="Export the signed rounds of a validator, and compare two.",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write the rounds to.")]
Since = Annotated[
    int,
    typer.Option(min=0, max=MAX_BLOCK, metavar="BLOCK", help="Leave out rounds before this block."),
]


@app.callback()
def _receipts() -> None:
    """Export the signed rounds of a validator, and compare two."""


@app.command()
def export(
    folder: Folder,
    since: Since = 0,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Write every finished round with its signed receipts; a validator may be running.

    Rounds that are there already stay as they are, so the same command adds only the new ones.
    An index names them all, so that any web server can offer the folder. Another validator can
    begin with them: sn37 validator --cold-start-from.

    sn37 receipts export FOLDER --since 3786611
    """
    flags = {n: v for n, v in locals().items() if n not in ("folder", "since", "as_json")}
    from sn37.app.config.path_checks import require_folder_or_nothing
    from sn37.app.config.settings import load_settings

    require_folder_or_nothing(folder, "FOLDER")

    new, there, unsigned = asyncio.run(_export(load_settings(flags), folder, since))
    told = f"; {unsigned} left out: no statement (made by an older version, or removed)"
    said = f"{folder}: {new} rounds written, {there} were there{told if unsigned else ''}"
    document = {"folder": str(folder), "written": new, "were_there": there, "left_out": unsigned}
    report(document, said, as_json=as_json)


@app.command()
def overlap(
    ours: Annotated[Path, typer.Argument(metavar="OURS", help="Document of a receipt.")],
    theirs: Annotated[
        Path, typer.Argument(metavar="THEIRS", help="Document of another validator's receipt.")
    ],
    as_json: options.AsJson = False,
) -> None:
    """Print how many samples of a round two validators share, from their receipts' manifests.

    sn37 receipts overlap ours.json theirs.json
    """
    import json
    from dataclasses import asdict

    from sn37.app.receipts.overlap import compare
    from sn37.domain.printable import one_line

    round_, found = compare(ours, theirs)
    if as_json:
        tasks = [{**asdict(o), "share": o.share} for o in found]
        competition, block = round_.competition, round_.sync_block
        document = {"competition": competition, "sync_block": block, "tasks": tasks}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(str(round_))
    for o in found:
        typer.echo(
            f"{o.share:7.2%}  {one_line(o.task)}: {o.num_shared} samples shared of "
            f"{o.num_ours} and {o.num_theirs}"
        )


async def _export(settings: Settings, folder: Path, since: int) -> tuple[int, int, int]:
    from sn37.app.errors import CommandError
    from sn37.app.receipts.export import export_rounds
    from sn37.app.wiring.container import container_for  # slow to import
    from sn37.app.wiring.recorded_network import require_same_network

    container = container_for(settings)
    require_same_network(container)
    with tempfile.TemporaryDirectory(prefix="sn37-export-") as scratch:
        copy = Path(scratch, "state.sqlite")  # a consistent view while a validator writes
        container.back_up_state()(container.state_file(), copy)
        store = container.open_state(copy)
        try:
            counts = await export_rounds(store, folder, container.write_round(), since=since)
            container.write_index()(folder)
            return counts
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror or error}") from error
        finally:
            await store.close()
