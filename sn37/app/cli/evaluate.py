"""``sn37 miner evaluate``: score a model against the champion before committing to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.config.number_limits import MAX_BLOCK
from sn37.domain.round.evidence import LOG_LEVEL, NOT_PROVEN
from sn37.domain.round.state import right_answers

if TYPE_CHECKING:
    from sn37.app.mining.evaluation import Duel, Evaluation
    from sn37.domain.round.rounds_to_crown import Outlook
    from sn37.domain.round.state import TaskScore

_SETTINGS = (
    *("config", "network", "endpoint", "netuid", "state_dir", "device", "dtype", "threads"),
    *("allow_weak_sandbox", "schedule"),
)


Model = Annotated[
    str, typer.Argument(metavar="FOLDER|REPO@COMMIT", help="A folder, or a public commit.")
]
At = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_BLOCK,
        metavar="BLOCK",
        help="Score on the samples of the round at this block; by default of a round now.",
    ),
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(help="Folder of the competition's tokenizer; by default it is downloaded."),
]
Trained = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Run folder of sn37 miner train; its rows are left out; by default FOLDER.run.",
    ),
]


def evaluate(
    model: Model,
    competition: options.Competition,
    at: At = None,
    tokenizer: Tokenizer = None,
    trained: Trained = None,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    threads: options.Threads = None,
    allow_weak_sandbox: options.AllowWeakSandbox = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Score a model and the champion as a round would, and estimate when it would win.

    Exit code 1 when a validator would refuse the model. Commits and uploads nothing.

    sn37 miner evaluate MODEL --competition 1
    """
    flags = dict(locals())
    from sn37.app.cli.terminal.progress import counted
    from sn37.app.config.settings import load_settings
    from sn37.app.mining.evaluate import EvaluateRequest, source_of_model
    from sn37.app.mining.evaluate import evaluate as run
    from sn37.app.wiring.machine import Machine
    from sn37.domain.ids import Block

    settings = load_settings({name: flags[name] for name in _SETTINGS})
    request = EvaluateRequest(
        source=source_of_model(model),
        competition=competition,
        at=None if at is None else Block(at),
        tokenizer=tokenizer,
        trained=trained,
    )
    with counted("evaluate", quiet=as_json) as told:
        found = asyncio.run(run(Machine(settings), request, told=told))
    if as_json:
        typer.echo(json.dumps({"model": model, **_as_json(found)}, indent=2))
    else:
        for line in _lines(found):
            typer.echo(line)
    return 1 if found.refusal else 0


def _lines(found: Evaluation) -> Iterator[str]:
    if (artifact := found.artifact) is not None:
        yield (
            f"model       {artifact.parameters:,} parameters, {artifact.size_bytes:,} bytes, "
            f"model hash {artifact.content_digest}"
        )
    if found.num_samples:
        drawn = f"drawn by the hash of block {found.block}"
        yield f"samples     {found.num_samples}, {drawn}{_period(found)}"
        if found.num_left_out:
            yield f"            {found.num_left_out} rows of its training data were left out"
    if (score := found.score) is not None:
        yield f"score       {score:.4f}{_by_task(found.tasks)}; lower is better"
        yield from _answers(found.tasks)
        if found.scoring_s > found.rules.timeout_s:
            yield (
                f"            took {found.scoring_s:.0f} s here; validators allow "
                f"{found.rules.timeout_s:.0f} s on their machines"
            )
    if (duel := found.duel) is not None:
        yield from _duel_lines(duel)
    yield f"finding     {found.finding}"
    if found.first_round is not None:
        yield f"            if committed now, its first round is at block {found.first_round}"


def _duel_lines(duel: Duel) -> Iterator[str]:
    model = duel.champion.model
    yield f"champion    {duel.champion_score:.4f}{_by_task(duel.champion_tasks)}"
    yield from _answers(duel.champion_tasks)
    yield f"            {model.repo}@{model.revision}, by {duel.known_from}"
    yield (
        f"gain        {duel.rate.relative_gain:+.2%} over the champion, standard error "
        f"{duel.rate.relative_error:.2%}"
    )
    so_far = "none" if duel.log_e == NOT_PROVEN else f"ln E = {duel.log_e:.1f}"
    yield f"evidence    {so_far}; a crown takes ln E = {LOG_LEVEL:.1f}"
    yield "outlook     day     epsilon    rounds until the crown"
    for day in duel.days:
        when = "today" if day.in_days == 0 else f"+{day.in_days}"
        yield f"            {when:<8} {day.epsilon:>6.2%}    {_rounds(day.outlook)}"


def _rounds(found: Outlook) -> str:
    shown = ["never" if n is None else f"{n}" for n in (found.rounds, found.soonest, found.latest)]
    return shown[0] if len(set(shown)) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _period(found: Evaluation) -> str:
    if found.period is None:
        return ""
    since, until = found.period
    return f", rows from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _by_task(tasks: tuple[TaskScore, ...]) -> str:
    if len(tasks) < 2:
        return ""
    return f" ({', '.join(f'{t.task} {t.raw:.4f}' for t in tasks)})"


def _answers(tasks: tuple[TaskScore, ...]) -> Iterator[str]:
    if shown := right_answers(tasks):
        yield f"            {shown}"


def _as_json(found: Evaluation) -> dict[str, object]:
    artifact, refusal, duel = found.artifact, found.refusal, found.duel
    return {
        "competition": found.rules.id,
        "block": found.block,
        "refused": refusal and {"reason": refusal.reason, "detail": refusal.detail},
        "model_hash": artifact and artifact.content_digest,
        "tensor_digest": artifact and artifact.tensor_digest,
        "same_as_champion": found.same_as is not None,
        "num_samples": found.num_samples,
        "num_left_out": found.num_left_out,
        "score": found.score,
        "tasks": _tasks(found.tasks),
        "scoring_s": found.scoring_s,
        "first_round": found.first_round,
        "champion": duel and _duel_as_json(duel),
        "finding": found.finding,
    }


def _duel_as_json(duel: Duel) -> dict[str, object]:
    return {
        "hotkey": duel.champion.hotkey,
        "model": f"{duel.champion.model.repo}@{duel.champion.model.revision}",
        "known_from": duel.known_from,
        "score": duel.champion_score,
        "tasks": _tasks(duel.champion_tasks),
        "margin": duel.rate.relative_gain,
        "standard_error": duel.rate.relative_error,
        "log_e": None if duel.log_e == NOT_PROVEN else duel.log_e,
        "log_e_needed": LOG_LEVEL,
        "raced_out": duel.is_hopeless,
        "near_duplicate": duel.is_near_duplicate,
        "epsilon": duel.epsilon,
        "rounds": _outlook(duel.outlook),
        "days": [
            {"in_days": d.in_days, "epsilon": d.epsilon, "rounds": _outlook(d.outlook)}
            for d in duel.days
        ],
    }


def _outlook(found: Outlook) -> dict[str, int | None]:
    return {"expected": found.rounds, "soonest": found.soonest, "latest": found.latest}


def _tasks(tasks: tuple[TaskScore, ...]) -> list[dict[str, object]]:
    return [
        {
            "task": t.task,
            "raw": t.raw,
            "normalized": t.normalized,
            "weighted": t.weighted,
            "accuracy": t.accuracy,
        }
        for t in tasks
    ]
