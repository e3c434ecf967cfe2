"""Command-line options that several commands share, named as in the current ``btcli``.

All but those in ``_OF_COMMANDS`` are settings: what is not given comes from an environment
variable, a file or the default that ``show_default`` repeats for the help.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption
from typer.models import OptionInfo

from sn37.app.config.number_limits import MAX_BLOCK, MAX_COUNT, MAX_DAYS, MAX_SEED, MAX_THREADS

# Panels of the help.
NETWORK, WALLET, SCORING, SIMNET = "Network", "Wallet", "Scoring", "Simnet"
RECORD, WATCHING, RELEASES = "Record", "Watching", "Releases"


def _one_of(*values: str) -> Callable[[str], list[str]]:
    """Return what completes a value in a shell."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


Config = Annotated[
    Path | None,
    typer.Option(help="TOML file of settings; flags and SN37_... variables override it."),
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        "-n",
        "--subtensor.network",
        help="finney, test, local, a ws:// address, or simnet (a simulated network).",
        rich_help_panel=NETWORK,
        show_default="finney",
        autocompletion=_one_of("finney", "test", "local", "simnet"),
    ),
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="ADDRESS",
        help="Another ws:// address of the same chain; repeatable.",
        rich_help_panel=NETWORK,
    ),
]
Netuid = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Number of the subnet.", rich_help_panel=NETWORK, show_default="37"
    ),
]
Wallet = Annotated[
    str | None,
    typer.Option(
        "--wallet", "-w", "--wallet.name", help="Name of the wallet.", rich_help_panel=WALLET
    ),
]
WalletHotkey = Annotated[
    str | None,
    typer.Option(
        "--wallet-hotkey",
        "-H",
        "--wallet.hotkey",
        help="Name of the wallet's hotkey.",
        rich_help_panel=WALLET,
        show_default="default",
    ),
]
WalletPath = Annotated[
    Path | None,
    typer.Option(
        "--wallet-path",
        "--wallet.path",
        help="Folder of the wallets.",
        rich_help_panel=WALLET,
        show_default="~/.bittensor/wallets",
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder for everything that the run writes.",
        rich_help_panel=RECORD,
        show_default="~/.local/state/sn37/NETWORK-NETUID",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu or cuda.",
        rich_help_panel=SCORING,
        show_default="auto",
        autocompletion=_one_of("auto", "cpu", "cuda"),
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="auto; on simnet and local also bfloat16 or float32.",
        autocompletion=_one_of("auto", "bfloat16", "float32"),
        rich_help_panel=SCORING,
        show_default="auto",
    ),
]
Offline = Annotated[
    bool | None,
    typer.Option(
        "--offline",
        help="Follow the chain and score, but never send weights.",
        rich_help_panel=NETWORK,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_THREADS,
        help="CPU threads of the scorer.",
        rich_help_panel=SCORING,
        show_default="1",
    ),
]
AllowWeakSandbox = Annotated[
    bool | None,
    typer.Option(
        "--allow-weak-sandbox",
        help="Score even if this host cannot confine models; see sn37 doctor.",
        rich_help_panel=SCORING,
    ),
]
Competition = Annotated[int, typer.Option(help="Number of the competition in the schedule.")]
RulesAt = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_BLOCK,
        metavar="BLOCK",
        help="Use the rules at this block; by default the newest rules.",
    ),
]
Count = Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Number of samples.")]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_SEED,
        help="Seed of simnet; the same seed repeats a run.",
        rich_help_panel=SIMNET,
        show_default="0",
    ),
]
Pace = Annotated[
    str | None,
    typer.Option(
        help="Time on simnet: virtual (as fast as possible) or real.",
        rich_help_panel=SIMNET,
        show_default="virtual",
        autocompletion=_one_of("virtual", "real"),
    ),
]
StartTime = Annotated[
    str | None,
    typer.Option(
        metavar="now|TIME",
        help="Time at which simnet's clock starts, for sources that have only present rows.",
        rich_help_panel=SIMNET,
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_COUNT, help="Stop after this many rounds of each competition."),
]
ScheduleFile = Annotated[
    Path | None,
    typer.Option(
        "--schedule", help="File of another schedule; not on finney.", rich_help_panel=NETWORK
    ),
]
KeepTexts = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_COUNT,
        help="Keep the samples of this many finished rounds of each competition.",
        rich_help_panel=RECORD,
        show_default="0",
    ),
]
KeepHistory = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_DAYS,
        metavar="DAYS",
        help="Keep losses and receipts for this many days.",
        rich_help_panel=RECORD,
        show_default="90",
    ),
]
Health = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Address of /healthz, /readyz and /metrics.",
        rich_help_panel=WATCHING,
    ),
]
Leaderboard = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Address of the leaderboard; port 0: any.",
        rich_help_panel=WATCHING,
    ),
]
Wandb = Annotated[
    bool | None,
    typer.Option(
        "--wandb/--no-wandb",
        help="Send finished rounds to wandb; by default not.",
        rich_help_panel=WATCHING,
    ),
]
ReleaseRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Root of the maintainers' keys, which sign releases.",
        rich_help_panel=RELEASES,
    ),
]
InstallDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the installed releases.", rich_help_panel=RELEASES, show_default="/opt/sn37"
    ),
]
ColdStartFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--cold-start-from",
        metavar="FOLDER|ADDRESS",
        help="Begin with the rounds that another validator exported to a folder, or serves at an "
        "https address; repeatable.",
        rich_help_panel=RECORD,
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        help="debug, info, warning or error.",
        rich_help_panel=WATCHING,
        show_default="info",
        autocompletion=_one_of("debug", "info", "warning", "error"),
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", help="Write the finished rounds to this file.", rich_help_panel=WATCHING
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_OF_COMMANDS = (Competition, RulesAt, Count, AsJson)
_SETTINGS = {
    info.help
    for alias in list(globals().values())
    for info in getattr(alias, "__metadata__", ())
    if isinstance(info, OptionInfo) and alias not in _OF_COMMANDS
}


def variable_of(option: TyperOption) -> str | None:
    """Return the environment variable of an option that is a setting."""
    return f"SN37_{str(option.name).upper()}" if option.help in _SETTINGS else None
