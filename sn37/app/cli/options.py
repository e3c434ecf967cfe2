"""Command-line options that several commands share, named as today's ``btcli`` names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sn37.app.config.number_limits import MAX_BLOCK, MAX_COUNT, MAX_DAYS, MAX_SEED, MAX_THREADS

Config = Annotated[
    Path | None, typer.Option(help="TOML file of settings; flags and SN37_... variables win.")
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        "-n",
        "--subtensor.network",
        help="finney, test, local, a ws:// address, or simnet: a whole network simulated here.",
    ),
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="ADDRESS",
        help="A further ws:// address of the same chain; may be given several times.",
    ),
]
Netuid = Annotated[int | None, typer.Option(min=0, max=65535, help="Number of the subnet.")]
Wallet = Annotated[
    str | None, typer.Option("--wallet", "-w", "--wallet.name", help="Name of the wallet.")
]
WalletHotkey = Annotated[
    str | None,
    typer.Option("--wallet-hotkey", "-H", "--wallet.hotkey", help="Name of its hotkey."),
]
WalletPath = Annotated[
    Path | None, typer.Option("--wallet-path", "--wallet.path", help="Folder of the wallets.")
]
StateDir = Annotated[Path | None, typer.Option(help="Folder that holds everything the run writes.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[
    str | None, typer.Option(help="auto; on simnet and local also bfloat16 or float32.")
]
Offline = Annotated[
    bool | None,
    typer.Option("--offline", help="Follow and score, and never send weights."),
]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MAX_THREADS, help="CPU threads of the scorer.")
]
AllowWeakSandbox = Annotated[
    bool | None,
    typer.Option(
        "--allow-weak-sandbox", help="Score although this host cannot confine models; see doctor."
    ),
]
Competition = Annotated[int, typer.Option(help="Number of the competition in the schedule.")]
RulesAt = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_BLOCK,
        metavar="BLOCK",
        help="By the rules at this block; by default the newest.",
    ),
]
Count = Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="How many samples.")]
Seed = Annotated[
    int | None, typer.Option(min=0, max=MAX_SEED, help="Makes a simnet run repeatable.")
]
Pace = Annotated[
    str | None, typer.Option(help="simnet's time: virtual (as fast as it goes) or real.")
]
Rounds = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_COUNT, help="Stop after so many rounds of each competition."),
]
ScheduleFile = Annotated[
    Path | None,
    typer.Option("--schedule", help="Another schedule; only on simnet and local."),
]
KeepTexts = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_COUNT,
        help="Keep the samples of so many finished rounds of each competition.",
    ),
]
KeepHistory = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_DAYS,
        metavar="DAYS",
        help="Keep losses and receipts for so long; 90 by default.",
    ),
]
Health = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Serve /healthz and /readyz there."),
]
ReleaseKey = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="Public key that releases must be signed by; of several, by one of them.",
    ),
]
InstallDir = Annotated[Path | None, typer.Option(help="Folder that holds the releases.")]
ColdStartFrom = Annotated[
    list[Path] | None,
    typer.Option(
        "--cold-start-from",
        metavar="FOLDER",
        help="Begin with the rounds that another validator exported; may be given several times.",
    ),
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the finished rounds to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
