"""``sn37 miner publish`` and ``register``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report as print_report
from sn37.app.config.number_limits import MAX_MINUTES
from sn37.app.config.path_checks import is_folder
from sn37.app.errors import CommandError, UsageError
from sn37.domain.ids import BLOCK_SECONDS

if TYPE_CHECKING:
    from rich.console import Console

    from sn37.app.mining.publish import PublishReport

_SETTINGS = (
    "config",
    "network",
    "endpoint",
    "netuid",
    "wallet",
    "wallet_hotkey",
    "wallet_path",
    "state_dir",
    "device",
    "threads",
    "allow_weak_sandbox",
    "schedule",
)
TOLD_EVERY_BLOCKS = 25  # 5 minutes between lines without a terminal


Folder = Annotated[Path, typer.Argument(help="Folder of the model: safetensors, JSON, tokenizer.")]
Repo = Annotated[
    str, typer.Option(metavar="NAMESPACE/NAME", help="Repository to upload the model to.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check, and show text, size and cost; send nothing.")
]
ReplaceChampion = Annotated[
    bool,
    typer.Option(
        "--replace-champion",
        help="Commit even if that gives up a crown, or a seal that has not opened.",
    ),
]
SealedMinutes = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_MINUTES, help="Seal the commitment: nobody can read it for so many minutes."
    ),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Do not wait until a seal opens; repeat the command then.")
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(help="Folder of the competition's tokenizer; by default it is downloaded."),
]
NoLoading = Annotated[
    bool, typer.Option("--no-loading", help="Skip loading the model and scoring samples.")
]


def publish(
    folder: Folder,
    repo: Repo,
    competition: options.Competition,
    dry_run: DryRun = False,
    replace_champion: ReplaceChampion = False,
    sealed_minutes: SealedMinutes = None,
    no_wait: NoWait = False,
    tokenizer: Tokenizer = None,
    no_loading: NoLoading = False,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    wallet_path: options.WalletPath = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    threads: options.Threads = None,
    allow_weak_sandbox: options.AllowWeakSandbox = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a model, upload it privately, commit to it, and make it public.

    If it is interrupted, repeat the command: it continues, and never commits twice.

    sn37 miner publish MODEL --repo NAMESPACE/NAME --competition 1 --dry-run
    """
    flags = dict(locals())
    from rich.console import Console  # these are slow to import

    from sn37.app.config.settings import load_settings
    from sn37.app.mining.publish import PublishRequest, publish_model
    from sn37.app.wiring.machine import Machine

    for where in (folder, tokenizer):
        if where is not None and not is_folder(where):
            raise UsageError(f"{where}: no such folder")
    request = PublishRequest(
        folder=folder,
        repo=repo,
        competition=competition,
        sealed_for=None if sealed_minutes is None else timedelta(minutes=sealed_minutes),
        replace=replace_champion,
        dry_run=dry_run,
        loading=not no_loading,
        tokenizer=tokenizer,
        wait=not no_wait,
    )
    machine = Machine(load_settings({name: flags[name] for name in _SETTINGS}))
    with Countdown(Console(stderr=True, highlight=False)) as countdown:
        publishing = publish_model(machine, request, tell=countdown.tell, waiting=countdown.waiting)
        report = asyncio.run(publishing)
    print_report(_as_json(report), *_lines(report), as_json=as_json)


def register_hotkey(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Register a hotkey on simnet; on a real network use btcli.

    sn37 miner register --network simnet --wallet NAME
    """
    flags = {name: value for name, value in locals().items() if name != "as_json"}
    from sn37.app.config.settings import load_settings
    from sn37.app.wiring.machine import Machine
    from sn37.app.wiring.mining import open_guest  # slow to import

    settings = load_settings(flags)
    if not settings.is_simnet:
        raise UsageError(
            f"--network {settings.network_name}: only simnet is supported; run btcli subnets "
            f"register --netuid {settings.netuid}"
        )
    guest = open_guest(Machine(settings))
    try:
        uid = asyncio.run(guest.register())
    except ValueError as error:
        raise CommandError(str(error)) from error
    finally:
        guest.chain.close()
    hotkey = guest.signer.hotkey
    said = f"{hotkey} has uid {uid} on subnet {settings.netuid} of simnet"
    document = {"hotkey": hotkey, "uid": uid, "netuid": settings.netuid}
    print_report(document, said, as_json=as_json)


class Countdown:
    """Prints one line for each step; on a terminal one line counts blocks down in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._told: tuple[str, int] | None = None  # reason, and step of the last line

    def __enter__(self) -> Countdown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, what: str) -> None:
        """Print what happens next."""
        self._console.print(what, markup=False, soft_wrap=True)

    def waiting(self, why: str, blocks_left: int | None) -> None:
        """Show what is waited for, and for how many blocks."""
        line = f"waiting {_duration(blocks_left)}: {why}"
        if self._status is not None:
            self._status.update(line)
            self._status.start()
            if blocks_left == 0:
                self._status.stop()
            return
        step = 0 if blocks_left is None else -(-blocks_left // TOLD_EVERY_BLOCKS)
        if blocks_left != 0 and self._told != (why, step):
            self._told = (why, step)
            self.tell(line)


def _duration(blocks: int | None) -> str:
    if blocks is None:
        return "until"
    minutes, seconds = divmod(blocks * BLOCK_SECONDS, 60)
    return f"{blocks} blocks, about {minutes}:{seconds:02}"


def _lines(report: PublishReport) -> list[str]:
    preview, artifact, quote = report.preview, report.artifact, report.preview.quote
    fee = "not known" if quote.fee_rao is None else f"{quote.fee_rao / 1e9:.9f} TAO"
    lines = [
        f"hotkey      {report.hotkey}",
        f"model       {artifact.parameters:,} parameters, {artifact.size_bytes:,} bytes, "
        f"model hash {artifact.content_digest}",
    ]
    if (published := report.published) is not None:
        state = "public" if published.public else "private until its commitment opens"
        return [
            *lines,
            f"committed   block {published.committed_at}, competition {report.rules.id}",
            f"repository  {published.model.repo}@{published.model.revision}, {state}",
        ]
    return [
        *lines,
        f"text        {preview.text}",
        "            the zeros stand for the commit hash, known after the upload",
        f"size        {len(preview.text.encode())} of 128 bytes; stored {quote.num_bytes}",
        f"cost        fee {fee}; "
        + (
            "may be sent now"
            if not quote.blocks_left
            else f"{_duration(quote.blocks_left)} to wait"
        ),
        *(f"gives up    {line}" for line in preview.gives_up),
        "nothing was sent" + ("; the commitment is on chain already" if preview.done else ""),
    ]


def _as_json(report: PublishReport) -> dict[str, object]:
    preview, artifact, published = report.preview, report.artifact, report.published
    return {
        "hotkey": report.hotkey,
        "competition": report.rules.id,
        "parameters": artifact.parameters,
        "size_bytes": artifact.size_bytes,
        "model_hash": artifact.content_digest,
        "text": preview.text,
        "text_bytes": len(preview.text.encode()),
        "stored_bytes": preview.quote.num_bytes,
        "fee_rao": preview.quote.fee_rao,
        "blocks_to_wait": preview.quote.blocks_left,
        "stands_already": preview.done,
        "gives_up": list(preview.gives_up),
        "published": published
        and {
            "repo": published.model.repo,
            "commit": published.model.revision,
            "block": published.committed_at,
            "public": published.public,
        },
    }
