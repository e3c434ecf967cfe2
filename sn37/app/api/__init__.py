"""Mining from Python: the commands of ``sn37 miner`` as functions.

    from sn37.app import api

    settings = api.settings(network="simnet", state_dir="my-simnet")
    found = await api.evaluate(settings, "my-model", competition=1)
    print(found.finding)

Every function is a coroutine. ``sn37.app.api.sync`` has a function of the same name and arguments,
for programs without an event loop:

    from sn37.app.api import settings, sync

    print(sync.status(settings(network="finney"), "5F...").stage)

``settings`` takes the flags of the commands. The other functions take settings as the first
argument, do one thing, and return frozen values; none of them prints. ``__all__`` is stable: its
names, arguments and the fields of results change only with a note in CHANGELOG.md.

Only these errors are raised, with one line that says what is wrong and what to do:

* CommandError       it cannot be done in this way
  - UsageError       an argument is wrong
* PortError
  - Unavailable      chain, host, data source or device failed; the same call tries again
    + ModelNotPublic the repository cannot be read yet
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
from sn37.app.mining.publish import PublishReport, PublishRequest, publish_model
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
    """Result of a model's admission checks."""

    rows: tuple[Row, ...]
    refusal: Violation | None  # why a validator would refuse it; ``None``: it would admit it
    artifact: ModelArtifact | None  # if its weights are admitted


def settings(**flags: object) -> Settings:
    """Return settings like those of the commands; what is not given comes from the environment.

    Args:
        flags: Names of flags, with underscores: ``network``, ``netuid``, ``state_dir``,
            ``wallet``, ``wallet_hotkey``, ``device``, ``threads``, ``allow_weak_sandbox``, ...

    Raises:
        UsageError: A value is unknown or wrong.
    """
    return load_settings(flags)


async def competitions(settings: Settings, *, at: int | None = None) -> tuple[Competition, ...]:
    """Return the competitions at a block, by default of the newest stage. Uses no network."""
    schedule = rules_of_network(settings).schedule
    return schedule.at(schedule.stages[-1].from_block if at is None else Block(at))


async def bases(settings: Settings, *, competition: int) -> tuple[Choice, ...]:
    """List models to start from: the champion, others in the competition, those of subnet 9."""
    return await list_bases(Machine(settings), competition)


async def fetch_base(settings: Settings, source: str, *, competition: int, to: Folder) -> Base:
    """Fetch a model to the new folder ``to``, if a validator would admit it.

    Args:
        source: ``champion``, ``subnet9``, ``uid:7``, ``hotkey:5F...``, ``namespace/name@commit``
            or a folder.
    """
    return await _fetch_base(Machine(settings), source_of(source), competition, Path(to))


async def train(settings: Settings, config: Folder, *, progress: Progress | None = None) -> Trained:
    """Train by a TOML file, see ``sn37 miner train --example``, or continue an interrupted run.

    Training runs in a thread, to the end even when the call is cancelled. To be able to stop it,
    run it in its own process.
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
    """Make the checks of a validator on a folder or ``namespace/name@commit``.

    A model that would be refused is not an error; the result has a ``refusal``.

    Args:
        at: Block of the rules; by default the newest rules.
        tokenizer: Folder of the competition's tokenizer; checking a folder does not download it.
        weights: Read the weights.
        loading: Load the model and score a few texts.
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
    """Score a folder or ``namespace/name@commit`` and the champion, as a round would.

    Args:
        at: Block of the round whose samples are used; by default a round that begins now.
        trained: Folder of the run that trained it, whose rows are left out; by default the
            one beside the model.
        told: Called with what is scored, and how many of how many blocks of samples are done.
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
    """Check, upload privately, commit, read back, make public. Repeating it continues.

    Args:
        dry_run: Send nothing.
        replace_champion: Commit even if that gives up a crown, or a seal that has not opened.
        sealed_for: Time for which nobody can read the commitment.
        wait: Wait until a seal opens; otherwise the same call later finishes.
        tell: Called with a line about each step.
        waiting: Called with the reason of a wait, and the number of blocks left, if known.
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
    return await publish_model(Machine(settings), request, tell=tell, waiting=waiting)


async def status(settings: Settings, hotkey: str | None = None) -> MinerStatus:
    """Return the status of a hotkey's commitment; by default of the wallet's hotkey."""
    return await miner_status(Machine(settings), None if hotkey is None else hotkey_of(hotkey))


class _Unheard:
    """Progress that is ignored."""

    def begin(self, *, steps: int) -> None: ...

    def step(self, step: Step) -> None: ...

    def evaluated(self, found: Evaluated) -> None: ...

    def note(self, text: str) -> None: ...


def _path(folder: Folder | None) -> Path | None:
    return None if folder is None else Path(folder)
