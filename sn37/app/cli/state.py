"""``sn37 state``: check, copy and maintain a validator's database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report
from sn37.domain.round.state import ColdStart

if TYPE_CHECKING:
    from sn37.app.wiring.container import Container

app = typer.Typer(
    name="state", help="Check, copy and maintain a validator's database.", no_args_is_help=True
)

_BEGAN_WITH = {
    ColdStart.RECEIPTS: "rounds adopted from receipts",
    ColdStart.MANIFESTS: "rounds judged again on the samples",
    ColdStart.NOTHING: "no earlier rounds",
    ColdStart.FIRST: "no earlier rounds, because no validator had set weights yet",
}

Copy = Annotated[Path, typer.Argument(metavar="COPY", help="File of the copy.")]


@app.command()
def verify(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Read and check every record, and count them; a validator may be running.

    A network that is named must be that of the records.

    sn37 state verify --state-dir STATE
    """
    container = _container(dict(locals()))
    if "network" in container.settings().model_fields_set:
        from sn37.app.wiring.recorded_network import require_same_network  # slow to import

        require_same_network(container)
    contents = container.verify_state()(container.state_file())
    if as_json:
        typer.echo(json.dumps(asdict(contents), indent=2))
        return
    typer.echo(
        f"{container.state_file()}: sound, version {contents.version}, "
        f"{contents.size_bytes / 1e6:,.1f} MB, newest round {contents.newest_round or 'none'}"
    )
    if (began := contents.beginning) is not None:
        source = f" of {began.source}" if began.source else ""
        num_rounds = began.num_rounds_rescored
        again = f", {num_rounds} rounds scored again" if num_rounds else ""
        typer.echo(f"began at block {began.block} with {_BEGAN_WITH[began.way]}{source}{again}")
    for table, count in contents.rows.items():
        typer.echo(f"{count:>9,}  {table}")
    for competition, (count, block, at) in contents.forgotten.items():
        typer.echo(
            f"competition {competition}: history of {count:,} rounds up to block {block} was "
            f"removed, last on {at}"
        )


@app.command()
def backup(
    copy: Copy,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a checked copy of the database; a validator may be running.

    sn37 state backup copy.sqlite
    """
    container = _container(dict(locals()))
    contents = container.back_up_state()(container.state_file(), copy)
    said = f"{copy}: {contents.size_bytes / 1e6:,.1f} MB, checked"
    report({"copy": str(copy), **asdict(contents)}, said, as_json=as_json)


@app.command()
def restore(
    copy: Copy,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Replace the database by a copy; the old database is kept under another name.

    sn37 state restore copy.sqlite
    """
    container = _container(dict(locals()))
    file = container.state_file()
    aside = container.restore_state()(copy, file)
    kept = f"; the old database is {aside}" if aside else ""
    old = str(aside) if aside else None
    document = {"database": str(file), "copy": str(copy), "old_database": old}
    report(document, f"{file}: restored from {copy}{kept}", as_json=as_json)


@app.command()
def migrate(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Migrate the database to this version of sn37, as the validator does when it starts.

    sn37 state migrate --state-dir STATE
    """
    container = _container(dict(locals()))
    file = container.state_file()
    contents = container.migrate_state()(file)
    said = f"{file}: version {contents.version}, checked"
    report({"database": str(file), **asdict(contents)}, said, as_json=as_json)


@app.command()
def compact(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Free the space of removed texts of finished rounds; stop the validator first.

    sn37 state compact --state-dir STATE
    """
    container = _container(dict(locals()))
    file = container.state_file()
    before, after = container.compact_state()(file)
    said = f"{file}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} now"
    document = {"database": str(file), "bytes_before": before, "bytes_now": after}
    report(document, said, as_json=as_json)


def _container(flags: dict[str, object]) -> Container:
    from sn37.app.config.settings import Settings, load_settings
    from sn37.app.wiring.container import container_for  # slow to import

    given = {name: value for name, value in flags.items() if name in Settings.model_fields}
    return container_for(load_settings(given))
