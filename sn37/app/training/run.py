"""Training of a model on rows of the data sources, scored on the way as a validator scores."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Protocol

from sn37.app.config.path_checks import is_folder, is_there
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.lookup import competition_of, rules_of_network
from sn37.app.training.config import TrainConfig
from sn37.app.training.held_out import admitted, held_out_score
from sn37.app.training.rows import read_rows
from sn37.app.training.split import Split, freeze, frozen, split
from sn37.app.training.training_tools import TrainingTools
from sn37.domain.canonical import as_json, canonical_digest
from sn37.domain.ids import Digest
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.training import Evaluated, Step, TrainingJob, best_of
from sn37.durable import rename_whole
from sn37.ports.errors import TrainerUnavailable
from sn37.ports.scorer import Scorer

PLOT = "loss.png"


class Listener(Protocol):
    """Receiver of training events."""

    def step(self, step: Step) -> None:
        """Handle one finished step; called also for steps before a restart."""
        ...

    def evaluated(self, found: Evaluated) -> None:
        """Handle a score of the weights."""
        ...


class Progress(Listener, Protocol):
    """Receiver of training events and of messages to people."""

    def begin(self, *, steps: int) -> None:
        """Handle the start or continuation of training."""
        ...

    def note(self, text: str) -> None:
        """Show a message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Result of a finished run."""

    folder: Path
    step: int
    score: float  # the validator's, on held-out samples; lower is better
    base_score: float
    evaluations: Sequence[Evaluated]
    tensor_digest: Digest


def prepare(config: TrainConfig, tools: TrainingTools, progress: Progress) -> Split:
    """Read a run's rows, unless they are read already. Blocks; see ``train``."""
    rules = competition_of(rules_of_network(tools.settings), config.competition)
    data = frozen(config.run_folder) or asyncio.run(_read(config, tools, rules))
    if data.asked != _asked(config):
        raise UsageError(
            f"{config.run_folder} has rows of another competition or [data] table; remove it, or "
            "name another folder as run"
        )
    for note in data.notes:
        progress.note(note)
    return data


def train(config: TrainConfig, tools: TrainingTools, progress: Progress) -> Trained:
    """Train, or continue an interrupted run. Blocks.

    The best of the scored weights become ``config.output``.

    Raises:
        CommandError, UsageError: The configuration asks for something impossible.
        PortError: A source, the device or the base failed; the message says which.
    """
    rules = competition_of(rules_of_network(tools.settings), config.competition)
    if not is_folder(config.base, "base"):
        raise UsageError(f"base {config.base}: no such folder; sn37 miner base fetches one")
    if is_there(config.output, "output") and not is_there(config.run_folder, "run"):
        raise UsageError(f"output {config.output} exists already; name another folder")
    base = admitted(tools, config.base, rules, "base")
    tokenizer = asyncio.run(_tokenizer(config, tools, rules))
    data = prepare(config, tools, progress)
    with asyncio.Runner() as runner:
        job = _job(config, tools.settings, rules, data, base, tokenizer)
        scorer = tools.scorer(allow_weak_sandbox=True)
        with ExitStack() as stack:
            stack.callback(lambda: runner.run(scorer.aclose()))
            listeners: list[Listener] = [progress]
            if config.wandb_project is not None and is_first_process():
                sent = tools.wandb(
                    config.wandb_project, config.run_folder, fingerprint=job.fingerprint
                )
                stack.callback(sent.close)
                listeners.append(sent)
            progress.begin(steps=job.recipe.steps)
            return _Session(config, tools, job, rules, data, scorer, runner, listeners).run()


def is_first_process() -> bool:
    """True in the one process of ``accelerate launch`` that writes, and without it."""
    return os.environ.get("RANK", "0") == "0"


class _Session:
    """One start of the command."""

    def __init__(
        self,
        config: TrainConfig,
        tools: TrainingTools,
        job: TrainingJob,
        rules: Competition,
        data: Split,
        scorer: Scorer,
        runner: asyncio.Runner,
        listeners: Sequence[Listener],
    ) -> None:
        self._config = config
        self._tools = tools
        self._job = job
        self._rules = rules
        self._data = data
        self._scorer = scorer
        self._runner = runner
        self._listeners = listeners
        self._steps: list[Step] = []
        self._evaluations: list[Evaluated] = []

    def run(self) -> Trained:
        trainer = self._tools.trainer(threads=self._config.training.threads)
        evaluations = trainer.train(self._job, judge=self._judge, on_step=self._on_step)
        self._draw(evaluations)
        best = best_of(evaluations)
        if best is None:
            raise TrainerUnavailable(
                "every score of the weights was NaN or infinite; lower learning_rate"
            )
        model = Path(trainer.model_folder(self._job, best.step))
        artifact = admitted(self._tools, model, self._rules, "the trained model")
        if is_first_process():
            _publish(model, self._config.output)
        return Trained(
            folder=self._config.output,
            step=best.step,
            score=best.score,
            base_score=evaluations[0].score,
            evaluations=evaluations,
            tensor_digest=artifact.tensor_digest,
        )

    def _on_step(self, step: Step) -> None:
        self._steps.append(step)
        for listener in self._listeners:
            listener.step(step)

    def _judge(self, folder: PurePath, step: int) -> float:
        """Admit and score the weights exactly as a validator does; return the score."""
        what = "base" if step == 0 else f"the model after {step} steps"
        artifact = admitted(self._tools, Path(folder), self._rules, what)
        score = self._runner.run(
            held_out_score(self._scorer, artifact, self._job, self._rules, self._data)
        )
        found = Evaluated(step=step, score=score)
        self._evaluations.append(found)
        for listener in self._listeners:
            listener.evaluated(found)
        self._draw(self._evaluations)
        return score

    def _draw(self, evaluations: Sequence[Evaluated]) -> None:
        file = self._config.run_folder / PLOT
        try:
            self._tools.draw_losses(file, self._steps, evaluations)
        except OSError as error:
            raise TrainerUnavailable(f"{file}: {error.strerror or error}") from error


async def _tokenizer(
    config: TrainConfig, tools: TrainingTools, rules: Competition
) -> PurePath | None:
    """Return the folder of the competition's tokenizer, if it prescribes one."""
    if rules.tokenizer is None:
        return None
    if config.tokenizer is not None:
        if not is_folder(config.tokenizer, "tokenizer"):
            raise UsageError(f"tokenizer {config.tokenizer}: no such folder")
        return config.tokenizer
    found = await tools.prescribed_tokenizer(rules.tokenizer, online=True)
    if found is None:
        raise CommandError(
            f"the competition's tokenizer {rules.tokenizer.repo} is not here: add tokenizer = "
            '"FOLDER"'
        )
    return found


async def _read(config: TrainConfig, tools: TrainingTools, rules: Competition) -> Split:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise CommandError(
            "several processes need the rows on disk: run the same command once with --data-only, "
            "without accelerate"
        )
    rows = await read_rows(config.data, tools, rules, seed=config.training.seed)
    notes = tuple(note for r in rows for note in r.notes)
    found = split(
        [r.batch for r in rows],
        held_out=config.data.held_out_samples,
        scored=[task.name for task in rules.tasks],
    )
    if not found.held_out:
        raise CommandError(
            "too few rows of the competition's tasks to hold any out: "
            f"{'; '.join(notes)}; ask for more rows, or name a source that the competition uses"
        )
    found = replace(found, asked=_asked(config), notes=notes)
    freeze(found, config.run_folder)
    return found


def _asked(config: TrainConfig) -> Digest:
    """Return a digest of everything that determines the rows of a run."""
    return Digest(
        sha256(f"{config.competition}|{config.data.model_dump_json()}".encode()).hexdigest()
    )


def _job(
    config: TrainConfig,
    settings: Settings,
    rules: Competition,
    data: Split,
    base: ModelArtifact,
    tokenizer: PurePath | None,
) -> TrainingJob:
    recipe = config.training.recipe(data.num_training)
    asked = {
        "base": base.content_digest,
        "data": data.digest,
        "recipe": as_json(recipe),
        "dtype": settings.scorer_dtype,
        "rules": as_json([rules.constraints, rules.tasks, rules.tokenizer, rules.template]),
    }
    return TrainingJob(
        base=config.base.absolute(),
        run=config.run_folder.absolute(),
        batches=data.training,
        recipe=recipe,
        constraints=rules.constraints,
        fingerprint=canonical_digest(asked),
        tokenizer=tokenizer,
        template=rules.template,
    )


def _publish(model: Path, output: Path) -> None:
    """Copy the model to the output folder, whole or not at all."""
    scratch = output.with_name(f"{output.name}.part")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(model, scratch)
        if output.exists():
            shutil.rmtree(output)
        rename_whole(scratch, output)
    except OSError as error:
        raise TrainerUnavailable(f"{output}: {error.strerror or error}") from error
