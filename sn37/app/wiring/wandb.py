"""wandb: where the rounds of a record are sent, as the client's usual variables say."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.system.clock import SystemClock
from sn37.adapters.telemetry.member_log import Members
from sn37.adapters.telemetry.run_ledger import FileLedger
from sn37.adapters.telemetry.wandb_runs import WandbRuns
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.tracking.recorded_rounds import RecordedRounds
from sn37.app.tracking.sender import RoundSender
from sn37.app.wiring.container import MEMBERS, container_for
from sn37.app.wiring.leaderboard import block_times
from sn37.app.wiring.recorded_network import require_same_network

NO_PACKAGE = "wandb is not installed: run pip install 'sn37[wandb]'"
PROJECT = "finetuning-validators"  # where readers of subnet 37's validators look
_OFFLINE = frozenset({"offline", "dryrun"})
_DISABLED = "disabled"
_MODES = frozenset({"online", "run", "shared", *_OFFLINE, _DISABLED})
_HOST = "https://api.wandb.ai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where rounds go. Each destination has a ledger of its own."""

    project: str
    place: str  # for people, and for the ledger's name
    is_offline: bool


def destination_of(settings: Settings, environment: Mapping[str, str]) -> Destination:
    """Return where rounds go by the client's variables.

    Raises:
        UsageError: ``WANDB_MODE`` is not one of the client's modes, or says that nothing is sent.
    """
    mode = environment.get("WANDB_MODE") or "online"
    if mode not in _MODES:
        raise UsageError(f"WANDB_MODE {mode!r}: expected online, offline or disabled")
    if mode == _DISABLED:
        raise UsageError("WANDB_MODE=disabled: nothing is sent; set it to online or offline")
    default = PROJECT if settings.network == "finney" else f"sn37-{settings.network_name}"
    project = environment.get("WANDB_PROJECT") or re.sub(r"[^A-Za-z0-9]+", "-", default)
    if mode in _OFFLINE:
        return Destination(project=project, place=f"offline/{project}", is_offline=True)
    host = urlsplit(environment.get("WANDB_BASE_URL") or _HOST).netloc
    parts = (host.rpartition("@")[2], environment.get("WANDB_ENTITY"), project)
    return Destination(project=project, place="/".join(filter(None, parts)), is_offline=False)


def open_sender(
    settings: Settings, destination: Destination, tell: Callable[[str], None]
) -> RoundSender:
    """Return the sender of the record in the state folder.

    Raises:
        CommandError: The package is missing, or the record is of another network.
        StateUnreadable, StateUnavailable: The record cannot be read.
    """
    if find_spec("wandb") is None:
        raise CommandError(NO_PACKAGE)
    require_same_network(container_for(settings))
    folder = Path(os.environ.get("WANDB_DIR") or settings.state_dir).expanduser()
    return RoundSender(
        rounds=RecordedRounds(
            SqliteRecordReader(settings.state_file),
            schedule=rules_of_network(settings).schedule,
            times=block_times(settings),
            uids=Members(settings.state_dir / MEMBERS),
        ),
        ledger=FileLedger(_ledger_of(settings, destination)),
        tracker=WandbRuns(
            project=destination.project, folder=folder if destination.is_offline else None
        ),
        clock=SystemClock(),
        tell=tell,
    )


def _ledger_of(settings: Settings, destination: Destination) -> Path:
    name = re.sub(r"[^A-Za-z0-9._]+", "-", destination.place)
    return settings.state_dir / "wandb" / f"sent-{name}.jsonl"


async def follow_until_standard_input_ends(sender: RoundSender) -> None:
    """Send rounds as they finish, until the validator that started this process ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    Thread(target=watch, name="parent", daemon=True).start()
    following = asyncio.ensure_future(sender.follow())
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait([following, waiting], return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        following.result()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
