"""``sn37 leaderboard``: pages on a validator's record."""

from __future__ import annotations

from pathlib import Path
from socket import socket
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.errors import CommandError, UsageError

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.app.leaderboard.leaderboard import Leaderboard

Listen = Annotated[str, typer.Option(metavar="HOST:PORT", help="Address to serve at; port 0: any.")]
Static = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write the whole site as files to this folder, and end."),
]
Rate = Annotated[
    float,
    typer.Option(min=0.1, help="Requests a second that one client may make, over time."),
]
OthersDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--others",
        metavar="DIR",
        help="Rounds that another validator exported, to compare with; repeatable.",
    ),
]
# The validator starts this command beside itself with a socket that listens already.
Beside = Annotated[int | None, typer.Option(hidden=True, help="Socket of the validator.")]

_OWN = ("listen", "rate", "static", "others", "beside")  # options of this command alone


def leaderboard(
    listen: Listen = "127.0.0.1:8037",
    rate: Rate = 10.0,
    static: Static = None,
    others: OthersDirs = None,
    beside: Beside = None,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    wallet_path: options.WalletPath = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
) -> None:
    """Serve pages on a validator's record: who leads, since when, by how much; read-only.

    Runs beside the validator in a process of its own. Stops on Ctrl-C and SIGTERM.

    sn37 leaderboard --listen 127.0.0.1:8037
    sn37 leaderboard --static SITE --wallet NAME
    """
    flags = {k: v for k, v in locals().items() if k not in _OWN}
    from sn37.app.config.path_checks import require_folders
    from sn37.app.config.setting_types import host_and_port
    from sn37.app.config.settings import load_settings  # slow to import
    from sn37.app.wiring.leaderboard import open_leaderboard
    from sn37.app.wiring.leaderboard_process import require_leaderboard

    try:
        host, port = host_and_port(listen)
    except ValueError as error:
        raise UsageError(f"--listen {error}") from error
    settings = load_settings(flags)
    require_leaderboard()
    require_folders(others or (), "--others")
    board = open_leaderboard(settings, others or ())
    if static is not None:
        _write(board, static, settings)
        return
    from sn37.app.web.application import web_application
    from sn37.app.web.serving import end_with_standard_input, serve
    from sn37.app.wiring.leaderboard_process import address_of, listener

    stopping = Event()
    with listener(host, port, "--listen") if beside is None else socket(fileno=beside) as bound:
        board.read_history()
        if beside is None:
            typer.echo(address_of(host, bound), err=True)
        else:
            end_with_standard_input()
        app = web_application(board, rate=rate, burst=round(20 * rate), is_stopping=stopping.is_set)
        serve(app, bound, stopping)


def _write(board: Leaderboard, folder: Path, settings: Settings) -> None:
    from sn37.app.web.static_site import NotOurFolderError, write_site
    from sn37.app.wiring.networks import open_signer

    signer = None if settings.wallet is None else open_signer(settings)
    board.read_history()
    try:
        written = write_site(board, folder, signer)
    except NotOurFolderError as error:
        raise CommandError(f"--static {error}") from error
    signed = "signed" if written.is_signed else "not signed; name a wallet with --wallet to sign"
    typer.echo(
        f"{folder}: {written.num_files:,} files, {written.size_bytes / 1e6:,.1f} MB, {signed}"
    )
