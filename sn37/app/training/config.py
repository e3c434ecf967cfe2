"""Configuration of a training run: one TOML file, checked before anything else is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from sn37.app.config import toml_lines
from sn37.app.config import toml_reader as toml_files
from sn37.app.config.number_limits import (
    MAX_BLOCK,
    MAX_COUNT,
    MAX_HOURS,
    MAX_MINUTES,
    MAX_THREADS,
    YEARS,
)
from sn37.app.config.setting_types import expanded
from sn37.app.config.toml_tables import Table, explain, keys_of
from sn37.app.errors import UsageError
from sn37.domain.schedule.methods import LEARNABLE_METHODS, Method
from sn37.domain.training import Decay, Lora, Precision, Recipe, Weighting


def _utc(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(f"expected a time from {YEARS[0]} to {YEARS[-1]}, not {moment.year}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Folder = Annotated[Path, Field(strict=False), AfterValidator(expanded)]


def _learnable(method: Method) -> Method:
    if method not in LEARNABLE_METHODS:
        names = " or ".join(sorted(LEARNABLE_METHODS))
        raise ValueError(f"no model can be trained on {method}; expected {names}")
    return method


Learnable = Annotated[Method, Field(strict=False), AfterValidator(_learnable)]


class SourceTable(Table):
    """Rows to train on. For a live source, the rows of a window of time."""

    name: str
    method: Learnable | None = None  # None: that of the competition's task
    # Block at which the window ends, and at which signers are read.
    block: int | None = Field(default=None, ge=0, le=MAX_BLOCK)
    until: Moment | None = None  # or the time at which the window ends
    hours: float = Field(default=24.0, gt=0, le=MAX_HOURS)
    trusted: list[str] = Field(default_factory=list)  # signers, in place of the chain's
    num_samples: int = Field(default=1000, ge=2, le=MAX_COUNT)  # for a source without times
    parameters: dict[str, object] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_end(self) -> SourceTable:
        if self.block is not None and (self.until or self.trusted):
            raise ValueError("block sets window and signers: leave out until and trusted")
        return self


class DataTable(Table):
    """Data of a run; by default the sources of the competition's tasks."""

    held_out_samples: int = Field(default=64, ge=4, le=MAX_COUNT)  # of each task; never trained on
    sources: list[SourceTable] = Field(default_factory=list)


class LoraTable(Table):
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def value(self) -> Lora:
        return Lora(rank=self.rank, alpha=self.alpha, dropout=self.dropout)


class TrainingTable(Table):
    """Parameters of a run; see :class:`sn37.domain.training.Recipe`."""

    epochs: float = Field(default=1.0, gt=0, le=MAX_COUNT)
    steps: int | None = Field(default=None, ge=1, le=MAX_COUNT)  # in place of epochs
    max_minutes: float | None = Field(default=None, gt=0, le=MAX_MINUTES)
    batch_samples: int = Field(default=16, ge=1, le=MAX_COUNT)
    learning_rate: float = Field(default=2e-5, gt=0)
    warmup_steps: int = Field(default=10, ge=0, le=MAX_COUNT)
    decay: Decay = Field(default=Decay.COSINE, strict=False)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    weighting: Weighting = Field(default=Weighting.SAMPLE, strict=False)
    precision: Precision = Field(default=Precision.MIXED, strict=False)
    pack_tokens: int = Field(default=2048, ge=0, le=MAX_COUNT)
    gradient_checkpointing: bool = False
    seed: int = Field(default=0, ge=0)
    # CPU threads; None: all.
    threads: int | None = Field(default=None, ge=1, le=MAX_THREADS)
    checkpoint_steps: int = Field(default=100, ge=1, le=MAX_COUNT)
    evaluate_steps: int = Field(default=100, ge=1, le=MAX_COUNT)
    patience: int = Field(default=5, ge=0, le=MAX_COUNT)
    min_gain: float = Field(default=0.0, ge=0, lt=1)
    lora: LoraTable | None = None

    def recipe(self, num_samples: int) -> Recipe:
        """Return the recipe for this number of training samples."""
        return Recipe(
            steps=self.steps or math.ceil(self.epochs * num_samples / self.batch_samples),
            batch_samples=self.batch_samples,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            decay=self.decay,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            weighting=self.weighting,
            lora=None if self.lora is None else self.lora.value(),
            precision=self.precision,
            pack_tokens=self.pack_tokens,
            gradient_checkpointing=self.gradient_checkpointing,
            seed=self.seed,
            checkpoint_steps=self.checkpoint_steps,
            evaluate_steps=self.evaluate_steps,
            patience=self.patience,
            min_gain=self.min_gain,
            max_seconds=None if self.max_minutes is None else 60 * self.max_minutes,
        )


class TrainConfig(Table):
    """The whole file."""

    competition: int
    base: Folder
    output: Folder
    run: Folder | None = None  # checkpoints, data and plot; by default beside the output
    tokenizer: Folder | None = None  # of the competition, if it prescribes one
    wandb_project: str | None = None
    data: DataTable = Field(default_factory=DataTable)
    training: TrainingTable = Field(default_factory=TrainingTable)

    @property
    def run_folder(self) -> Path:
        """Folder of the files that the run needs to continue."""
        return self.run or run_of(self.output)


def run_of(model: Path) -> Path:
    """Return the run folder of a model, unless its configuration names another."""
    return model.with_name(f"{model.name}.run")


_KEYS = sorted(keys_of(TrainConfig.model_json_schema()))


def load_config(file: Path) -> TrainConfig:
    """Read the file.

    Raises:
        UsageError: The file cannot be read, or a line is wrong; says which and what to write.
    """
    try:
        text = toml_files.read_text(file)
        given = toml_files.parse(text)
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror or error}; expected a TOML file; sn37 miner train --example "
            "prints one"
        ) from error
    except toml_files.UnreadableToml as error:
        where = "" if error.line is None else f", line {error.line}"
        raise UsageError(f"{file}{where}: {error}") from error
    lines = toml_lines.key_lines(text)
    try:
        config = TrainConfig.model_validate(given)
    except ValidationError as error:
        problem = min(error.errors(), key=lambda e: toml_lines.line_of(lines, e["loc"]) or 1)
        place = toml_lines.line_of(lines, problem["loc"]) or 1
        key = ".".join(map(str, problem["loc"]))
        raise UsageError(f"{file}, line {place}: {key}: {explain(problem, _KEYS)}") from error
    for key, folder, other in _overlapping(config):
        at = lines.get((key,)) or lines.get(("output",))
        raise UsageError(
            f"{file}, line {at}: {key}: {folder} must not be or lie in {other}; name another folder"
        )
    return config


def _overlapping(config: TrainConfig) -> Iterator[tuple[str, Path, str]]:
    """Yield the key of each folder that lies in another, which one of the two would change."""
    base, output, run = (f.resolve() for f in (config.base, config.output, config.run_folder))
    for key, folder, name, other in (
        ("run", run, "base", base),
        ("output", output, "base", base),
        ("run", run, "output", output),  # which is replaced as a whole
        ("base", base, "output", output),
    ):
        if folder.is_relative_to(other):
            yield key, folder, f"the {name} {other}"
