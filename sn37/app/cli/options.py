"""Command-line options that several commands share, named as in the current ``btcli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sn37.app.config.number_limits import MAX_BLOCK, MAX_COUNT, MAX_DAYS, MAX_SEED, MAX_THREADS

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
    ),
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="ADDRESS",
        help="Another ws:// address of the same chain; repeatable.",
    ),
]
Netuid = Annotated[int | None, typer.Option(min=0, max=65535, help="Number of the subnet.")]
Wallet = Annotated[
    str | None, typer.Option("--wallet", "-w", "--wallet.name", help="Name of the wallet.")
]
WalletHotkey = Annotated[
    str | None,
    typer.Option("--wallet-hotkey", "-H", "--wallet.hotkey", help="Name of the wallet's hotkey."),
]
WalletPath = Annotated[
    Path | None, typer.Option("--wallet-path", "--wallet.path", help="Folder of the wallets.")
]
StateDir = Annotated[Path | None, typer.Option(help="Folder for everything that the run writes.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[
    str | None, typer.Option(help="auto; on simnet and local also bfloat16 or float32.")
]
Offline = Annotated[
    bool | None,
    typer.Option("--offline", help="Follow the chain and score, but never send weights."),
]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MAX_THREADS, help="CPU threads of the scorer.")
]
AllowWeakSandbox = Annotated[
    bool | None,
    typer.Option(
        "--allow-weak-sandbox",
        help="Score even if this host cannot confine models; see sn37 doctor.",
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
    typer.Option(min=0, max=MAX_SEED, help="Seed of simnet; the same seed repeats a run."),
]
Pace = Annotated[
    str | None, typer.Option(help="Time on simnet: virtual (as fast as possible) or real.")
]
StartTime = Annotated[
    str | None,
    typer.Option(
        metavar="now|TIME",
        help="Time at which simnet's clock starts, for sources that have only present rows.",
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_COUNT, help="Stop after this many rounds of each competition."),
]
ScheduleFile = Annotated[
    Path | None,
    typer.Option("--schedule", help="File of another schedule; not on finney."),
]
KeepTexts = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_COUNT,
        help="Keep the samples of this many finished rounds of each competition.",
    ),
]
KeepHistory = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_DAYS,
        metavar="DAYS",
        help="Keep losses and receipts for this many days; by default 90.",
    ),
]
Health = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Address of the pages /healthz and /readyz."),
]
Leaderboard = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Address of the leaderboard; port 0: any."),
]
ReleaseRoot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Root of the maintainers' keys, which sign releases."),
]
InstallDir = Annotated[Path | None, typer.Option(help="Folder of the installed releases.")]
ColdStartFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--cold-start-from",
        metavar="FOLDER|ADDRESS",
        help="Begin with the rounds that another validator exported to a folder, or serves at an "
        "https address; repeatable.",
    ),
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the finished rounds to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
