"""Mining from Python: what ``sn37 miner`` does, as functions.

    from sn37.app import api

    settings = api.settings(network="simnet", state_dir="my-simnet")
    found = await api.evaluate(settings, "my-model", competition=1)
    print(found.finding)

Every function is a coroutine and has a twin of the same name and arguments in
``sn37.app.api.sync``, for programs without an event loop:

    from sn37.app.api import settings, sync

    print(sync.status(settings(network="finney"), "5F...").stage)

``settings`` takes what the commands take as flags. The other functions take it first, do one
thing, and return frozen values; none of them prints. ``__all__`` is what stays: names, arguments
and the fields of what is returned change only with a note in CHANGELOG.md.

Errors are one line that says what is wrong and what to do, and nothing is raised besides:

* CommandError       it cannot be done like this
  - UsageError       an argument is wrong
* PortError
  - Unavailable      chain, host, data source or device do not serve now; the same call tries again
    + ModelNotPublic the repository cannot be read, yet
  - Rejected         the answer is no
    + ModelRejected  a validator would refuse the model; ``reason`` is the code
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sn37.app.config.settings import Settings, load_settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.admission_check import Row
from sn37.app.mining.base_sources import hotkey_of, source_of
from sn37.app.mining.bases import Base, Choice, list_bases
from sn37.app.mining.bases import fetch_base as _fetch_base
from sn37.app.mining.check_target import check_named
from sn37.app.mining.evaluate import EvaluateRequest, source_of_model
from sn37.app.mining.evaluate import evaluate as _evaluate
from sn37.app.mining.evaluation import Evaluation
from sn37.app.mining.publish import PublishReport, PublishRequest
from sn37.app.mining.publish import publish as _publish
from sn37.app.mining.status import MinerStatus, miner_status
from sn37.app.schedule.lookup import competition_of, rules_of_network
from sn37.app.training.config import load_config
from sn37.app.training.run import Progress, Trained
from sn37.app.training.run import train as _train
from sn37.app.wiring.machine import Machine
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.training import Evaluated, Step
from sn37.ports.errors import ModelNotPublic, ModelRejected, PortError, Rejected, Unavailable

__all__ = [
    "Base",
    "Checked",
    "Choice",
    "CommandError",
    "Competition",
    "Evaluation",
    "MinerStatus",
    "ModelNotPublic",
    "ModelRejected",
    "PortError",
    "Progress",
    "PublishReport",
    "Rejected",
    "Settings",
    "Trained",
    "Unavailable",
    "UsageError",
    "bases",
    "check",
    "competitions",
    "evaluate",
    "fetch_base",
    "publish",
    "settings",
    "status",
    "train",
]

Folder = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The admission of a model, check by check."""

    rows: tuple[Row, ...]
    refusal: Violation | None  # why a validator would refuse it; ``None``: it would not
    artifact: ModelArtifact | None  # once its weights are admitted


def settings(**flags: object) -> Settings:
    """Settings as the commands have them: what is not given comes from the environment.

    Args:
        flags: Named as the flags are, with underscores: ``network``, ``netuid``, ``state_dir``,
            ``wallet``, ``wallet_hotkey``, ``device``, ``threads``, ``allow_weak_sandbox``, ...

    Raises:
        UsageError: A value is unknown or wrong.
    """
    return load_settings(flags)


async def competitions(settings: Settings, *, at: int | None = None) -> tuple[Competition, ...]:
    """The competitions at a block, or as the schedule last has them. Asks nobody."""
    schedule = rules_of_network(settings).schedule
    return schedule.at(schedule.stages[-1].from_block if at is None else Block(at))


async def bases(settings: Settings, *, competition: int) -> tuple[Choice, ...]:
    """Models to start from: the champion, the others that compete, those of subnet 9."""
    return await list_bases(Machine(settings), competition)


async def fetch_base(settings: Settings, source: str, *, competition: int, to: Folder) -> Base:
    """Bring a model to the new folder ``to``, once a validator would admit it.

    Args:
        source: ``champion``, ``subnet9``, ``uid:7``, ``hotkey:5F...``, ``namespace/name@commit``
            or a folder.
    """
    return await _fetch_base(Machine(settings), source_of(source), competition, Path(to))


async def train(settings: Settings, config: Folder, *, progress: Progress | None = None) -> Trained:
    """Train by a TOML file, see ``sn37 miner train --example``, or go on with an interrupted run.

    It runs in a thread, and to the end also when the call is cancelled; whoever has to stop it
    gives it a process of its own.
    """
    asked = load_config(Path(config))
    return await asyncio.to_thread(_train, asked, Machine(settings), progress or _Unheard())


async def check(
    settings: Settings,
    model: Folder,
    *,
    competition: int,
    at: int | None = None,
    tokenizer: Folder | None = None,
    weights: bool = True,
    loading: bool = True,
) -> Checked:
    """Say what a validator would say of a folder or ``namespace/name@commit``.

    A model that would be refused is no error, but a ``refusal``.

    Args:
        at: By the rules at this block; by default the newest.
        tokenizer: Folder of the competition's; a folder's check asks no host for it.
        weights: Whether to read the weights.
        loading: Whether to load the model and score a few texts.
    """
    rules = competition_of(rules_of_network(settings), competition, at=at)
    examined, rows = await check_named(
        os.fspath(model),
        rules,
        Machine(settings),
        tokenizer=_path(tokenizer),
        weights=weights,
        loading=loading,
    )
    return Checked(rows=rows, refusal=examined.refusal, artifact=examined.artifact)


async def evaluate(
    settings: Settings,
    model: Folder,
    *,
    competition: int,
    at: int | None = None,
    tokenizer: Folder | None = None,
    trained: Folder | None = None,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Evaluation:
    """Score a folder or ``namespace/name@commit`` beside the champion, as a round would.

    Args:
        at: On the samples of the round at this block; by default of one that begins now.
        trained: Folder of the run that trained it, whose rows are not drawn; by default the
            one beside the model.
        told: Hears what is scored, and how many of how many blocks of samples are done.
    """
    request = EvaluateRequest(
        source=source_of_model(os.fspath(model)),
        competition=competition,
        at=None if at is None else Block(at),
        tokenizer=_path(tokenizer),
        trained=_path(trained),
    )
    return await _evaluate(Machine(settings), request, told=told)


async def publish(
    settings: Settings,
    folder: Folder,
    repo: str,
    *,
    competition: int,
    dry_run: bool = False,
    replace_champion: bool = False,
    sealed_for: timedelta | None = None,
    tokenizer: Folder | None = None,
    loading: bool = True,
    wait: bool = True,
    tell: Callable[[str], None] = lambda line: None,
    waiting: Callable[[str, int | None], None] = lambda why, blocks: None,
) -> PublishReport:
    """Check, upload privately, commit, read back, make public. Repeating it goes on.

    Args:
        dry_run: Send nothing.
        replace_champion: Give up a crown, or a seal that has not opened.
        sealed_for: Nobody can read the commitment for so long.
        wait: For a seal to open; without, the same call later finishes.
        tell: Hears in a line what happens next.
        waiting: Hears why it waits, and how many blocks are left, where that is known.
    """
    request = PublishRequest(
        folder=Path(folder),
        repo=repo,
        competition=competition,
        sealed_for=sealed_for,
        replace=replace_champion,
        dry_run=dry_run,
        loading=loading,
        tokenizer=_path(tokenizer),
        wait=wait,
    )
    return await _publish(Machine(settings), request, tell=tell, waiting=waiting)


async def status(settings: Settings, hotkey: str | None = None) -> MinerStatus:
    """What has become of a hotkey's commitment; by default of that of the wallet."""
    return await miner_status(Machine(settings), None if hotkey is None else hotkey_of(hotkey))


class _Unheard:
    """Progress that nobody follows."""

    def begin(self, *, steps: int) -> None: ...

    def step(self, step: Step) -> None: ...

    def evaluated(self, found: Evaluated) -> None: ...

    def note(self, text: str) -> None: ...


def _path(folder: Folder | None) -> Path | None:
    return None if folder is None else Path(folder)
