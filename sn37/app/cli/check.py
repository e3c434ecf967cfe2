"""``sn37 check``: make a validator's admission checks before committing to a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.ending import warn_of_ending
from sn37.app.config.path_checks import is_folder
from sn37.app.errors import UsageError
from sn37.domain.submission.admission import AdmissionStep

if TYPE_CHECKING:
    from sn37.app.mining.admission_check import Row
    from sn37.domain.schedule.competition import Competition
    from sn37.domain.submission.admission import Examined

_SETTINGS = (
    "config",
    "network",
    "state_dir",
    "device",
    "threads",
    "allow_weak_sandbox",
    "schedule",
)


Target = Annotated[
    str,
    typer.Argument(
        metavar="REPO@COMMIT|FOLDER", help="A commit on the Hugging Face Hub, or a folder."
    ),
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(help="Folder of the competition's tokenizer; used when checking a folder."),
]
NoWeights = Annotated[
    bool, typer.Option("--no-weights", help="Stop before the weights are read or downloaded.")
]
NoLoading = Annotated[
    bool, typer.Option("--no-loading", help="Do not load the model and score samples.")
]


def check(
    target: Target,
    competition: options.Competition,
    at: options.RulesAt = None,
    tokenizer: Tokenizer = None,
    no_weights: NoWeights = False,
    no_loading: NoLoading = False,
    config: options.Config = None,
    network: options.Network = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    threads: options.Threads = None,
    allow_weak_sandbox: options.AllowWeakSandbox = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Make the checks of a validator on a model. Commits and uploads nothing.

    Exit code 1 when a validator would refuse the model.

    sn37 check MODEL --competition 1
    sn37 check NAMESPACE/NAME@COMMIT --competition 1 --no-weights
    """
    flags = dict(locals())
    from sn37.app.config.settings import load_settings
    from sn37.app.mining.check_target import check_named  # slow to import
    from sn37.app.schedule.lookup import competition_of, rules_of_network
    from sn37.app.wiring.machine import Machine

    settings = load_settings({name: flags[name] for name in _SETTINGS})
    loaded = rules_of_network(settings)
    rules = competition_of(loaded, competition, at=at)
    if tokenizer is not None and not is_folder(tokenizer, "--tokenizer"):
        raise UsageError(f"--tokenizer {tokenizer}: no such folder")
    found = check_named(
        target,
        rules,
        Machine(settings),
        tokenizer=tokenizer,
        weights=not no_weights,
        loading=not no_loading,
    )
    examined, rows = asyncio.run(found)
    if at is None:
        warn_of_ending(loaded, competition)
    if as_json:
        typer.echo(json.dumps(_as_json(target, rules, examined, rows), indent=2))
    else:
        typer.echo("\n".join([*map(_line, rows), _summary(rules, examined)]))
    return 1 if examined.refusal else 0


def _line(row: Row) -> str:
    line = f"{row.status.value:<12} {row.step.value:<11}"
    if row.reason is not None:
        return f"{line} {row.reason.value}: {row.detail}"
    return f"{line} {row.step.what}{f': {row.detail}' if row.detail else ''}"


def _summary(rules: Competition, examined: Examined) -> str:
    where = f"competition {rules.id} ({rules.name})"
    if examined.refusal is not None:
        reason = examined.refusal.reason
        return f"a validator would refuse it in {where}; {reason.value}: {reason.meaning}"
    if (artifact := examined.artifact) is None:
        return f"no problem found for {where} by the checks that were made"
    facts = (
        f"{artifact.parameters:,} parameters, {artifact.size_bytes:,} bytes, "
        f"{artifact.architecture}, model hash {artifact.content_digest}"
    )
    if AdmissionStep.LOADING not in examined.passed:
        return f"no problem found for {where} by the checks that were made: {facts}"
    return f"a validator would admit it to {where}: {facts}"


def _as_json(
    target: str, rules: Competition, examined: Examined, rows: tuple[Row, ...]
) -> Mapping[str, object]:
    artifact = examined.artifact
    return {
        "target": target,
        "competition": rules.id,
        "refused": examined.refusal is not None,
        "checks": [
            {
                "check": row.step.value,
                "what": row.step.what,
                "status": row.status.value,
                "reason": row.reason,
                "detail": row.detail,
            }
            for row in rows
        ],
        "model": artifact
        and {
            "parameters": artifact.parameters,
            "size_bytes": artifact.size_bytes,
            "architecture": artifact.architecture,
            "model_hash": artifact.content_digest,
            "tensor_digest": artifact.tensor_digest,
        },
    }
