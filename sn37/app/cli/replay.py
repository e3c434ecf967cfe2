"""``sn37 replay``: score a receipt's model again and compare the losses."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.errors import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sn37.app.cli.terminal.progress import Told
    from sn37.app.config.settings import Settings
    from sn37.app.replay.report import Signature
    from sn37.app.replay.rescored import Rescored
    from sn37.app.schedule.load import LoadedSchedule
    from sn37.domain.data.samples import Sample
    from sn37.domain.ids import TaskName
    from sn37.domain.records.receipt import Receipt, SignedReceipt
    from sn37.domain.schedule.competition import Competition

_SETTINGS = (
    *("config", "network", "endpoint", "netuid", "state_dir", "device", "dtype", "threads"),
    *("allow_weak_sandbox", "seed"),
)


ReceiptFile = Annotated[
    str, typer.Argument(metavar="RECEIPT", help="File of the receipt; - for standard input.")
]
Model = Annotated[
    Path | None, typer.Option(help="Folder of the model; by default it is downloaded.")
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(help="Folder of the competition's tokenizer; by default it is downloaded."),
]
Texts = Annotated[
    list[Path] | None,
    typer.Option(help="Samples, as sn37 data sample --json prints them; repeatable."),
]
ScheduleName = Annotated[
    str | None,
    typer.Option(help="File or preset of the receipt's schedule; by default the network's."),
]


def replay(
    receipt: ReceiptFile,
    model: Model = None,
    tokenizer: Tokenizer = None,
    texts: Texts = None,
    schedule: ScheduleName = None,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    threads: options.Threads = None,
    allow_weak_sandbox: options.AllowWeakSandbox = None,
    seed: options.Seed = None,
    structure: Annotated[
        bool,
        typer.Option(
            "--structure",
            help="Check signature, schedule and structure only; needs no model and no data set.",
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Score the model of a receipt again on its samples; print the first loss that differs.

    Samples come from --texts, from the state folder (kept by --keep-texts), or from their
    source. Exit code 1 when the losses differ or the signature is wrong.

    sn37 replay receipt.json
    sn37 replay receipt.json --structure
    """
    flags = dict(locals())
    from sn37.app.cli.terminal.progress import counted
    from sn37.app.config.settings import load_settings
    from sn37.app.replay.report import Replayed

    settings = load_settings({name: flags[name] for name in _SETTINGS})
    read, signed = _read(receipt)
    if structure:
        return _check_structure(settings, read, signed, schedule, as_json=as_json)
    with counted("replay", quiet=as_json) as told:
        found = _score_again(settings, read, schedule, model, tokenizer, texts or (), told)
    replayed = Replayed(
        found=found,
        signature=_signature(signed),
        validator=signed.hotkey if signed else None,
    )
    if as_json:
        typer.echo(json.dumps(replayed.document(), indent=2))
    else:
        typer.echo("\n".join(replayed.lines()))
    return 0 if replayed.is_good else 1


def _score_again(
    settings: Settings,
    receipt: Receipt,
    schedule: str | None,
    model: Path | None,
    tokenizer: Path | None,
    texts: Sequence[Path],
    told: Told,
) -> Rescored:
    from sn37.app.replay.inputs import Replay, replay
    from sn37.app.wiring.machine import Machine

    loaded, rules = _rules(schedule, settings, receipt)
    machine = Machine(settings)
    wanted = Replay(
        receipt=receipt,
        loaded=loaded,
        rules=rules,
        tools=machine,
        model=model,
        tokenizer=tokenizer,
        texts=texts,
    )

    def kept() -> Mapping[TaskName, Iterable[Sample]]:
        return {task: pool.samples for task, pool in machine.pools(receipt.round).items()}

    def scored(done: int, total: int) -> None:
        told("blocks of samples scored", done, total)

    return asyncio.run(replay(wanted, kept=kept, told=scored))


def _check_structure(
    settings: Settings,
    receipt: Receipt,
    signed: SignedReceipt | None,
    schedule: str | None,
    *,
    as_json: bool,
) -> int:
    """Print what a receipt shows without its model and samples; return the exit code."""
    from sn37.app.replay.report import Signature, Structure

    loaded, _ = _rules(schedule, settings, receipt)
    found = Structure(
        receipt=receipt,
        signature=_signature(signed),
        validator=signed.hotkey if signed else None,
        schedule=loaded.origin,
    )
    typer.echo(json.dumps(found.document(), indent=2) if as_json else "\n".join(found.lines()))
    return 1 if found.signature is Signature.INVALID else 0


def _rules(
    schedule: str | None, settings: Settings, receipt: Receipt
) -> tuple[LoadedSchedule, Competition]:
    """Return a receipt's schedule and competition, which its losses and manifest must fit."""
    from sn37.app.replay.rescore import CannotRescore, blocks_of

    loaded, round_ = _schedule(schedule, settings, receipt), receipt.round
    rules = loaded.schedule.competition(round_.competition, round_.sync_block)
    if rules is None:
        raise CommandError(
            f"{loaded.origin} has no competition {round_.competition} at block {round_.sync_block}"
        )
    try:
        blocks_of(receipt, rules)
    except CannotRescore as error:
        raise CommandError(f"the receipt contradicts itself: {error}") from error
    return loaded, rules


def _read(name: str) -> tuple[Receipt, SignedReceipt | None]:
    from sn37.app.receipts.files import MAX_BYTES, UnreadableReceipt, read_receipt

    try:
        if name == "-":
            return read_receipt(sys.stdin.buffer.read(MAX_BYTES + 1))
        with Path(name).open("rb") as file:
            return read_receipt(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise CommandError(
            f"{name}: {error.strerror or error}; expected a file that sn37 receipts export wrote"
        ) from error
    except UnreadableReceipt as error:
        raise CommandError(f"{name}: {error}") from error


def _signature(signed: SignedReceipt | None) -> Signature:
    from sn37.app.replay.report import Signature

    if signed is None:
        return Signature.NONE
    if find_spec("bittensor") is None:
        return Signature.UNCHECKED
    from sn37.app.receipts.signing import is_signed
    from sn37.app.wiring.networks import signature_check

    return Signature.VALID if is_signed(signed, signature_check()) else Signature.INVALID


def _schedule(name: str | None, settings: Settings, receipt: Receipt) -> LoadedSchedule:
    from sn37.app.schedule.load import ScheduleError, load_schedule, preset_of

    given = name or preset_of(settings.network)
    try:
        loaded = load_schedule(given)
    except ScheduleError as error:
        raise (UsageError if name else CommandError)(str(error), page="schedules") from error
    if loaded.fingerprint != receipt.schedule_fingerprint:
        raise CommandError(
            f"the receipt follows schedule {receipt.schedule_fingerprint[:16]}, but "
            f"{loaded.origin} is {loaded.fingerprint[:16]}; {_remedy(name, settings, receipt)}"
        )
    return loaded


def _remedy(name: str | None, settings: Settings, receipt: Receipt) -> str:
    """Return which option names the schedule of a receipt."""
    from sn37.app.schedule.load import preset_of, preset_with

    if (preset := preset_with(receipt.schedule_fingerprint)) is not None:
        without = "leave out --schedule" if name else ""
        network = "" if preset_of(settings.network) == preset else f"give --network {preset}"
        return f"that is preset {preset}: {' and '.join(filter(None, (without, network)))}"
    return (
        f"give the receipt's schedule with --schedule FILE, it came with sn37 "
        f"{receipt.code_version}"
    )
