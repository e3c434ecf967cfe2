"""Fine-tuning: the settings of a run, its order of samples, and when it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePath

from sn37.domain.data.batches import TaskBatch
from sn37.domain.schedule.model_limits import ModelConstraints


class Precision(StrEnum):
    """Number formats of weights and products during training."""

    FLOAT32 = "float32"
    MIXED = "mixed"  # weights in float32, products in bfloat16
    BFLOAT16 = "bfloat16"  # everything: half the memory, but small steps are rounded away


class Weighting(StrEnum):
    """Unit that has equal weight in the training loss."""

    SAMPLE = "sample"  # every sample, as in a validator's score
    TOKEN = "token"  # every scored token


class Decay(StrEnum):
    """Learning rate after the warm-up."""

    COSINE = "cosine"  # down to a tenth of the peak at the last step
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters on all linear layers except the head (Hu et al., arXiv 2106.09685)."""

    rank: int
    alpha: int  # the adapter's product is scaled by alpha / rank
    dropout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings that decide a run's weights, besides the base, the data and the machine.

    ``pack_tokens`` and ``gradient_checkpointing`` change speed and memory, not the result.
    """

    steps: int
    batch_samples: int  # per step of the optimizer
    learning_rate: float  # peak value
    warmup_steps: int = 0
    decay: Decay = Decay.COSINE
    weight_decay: float = 0.0  # of matrices; biases and norms have none
    clip_norm: float = 1.0  # largest norm of a step's gradient
    weighting: Weighting = Weighting.SAMPLE
    lora: Lora | None = None  # None trains all weights
    precision: Precision = Precision.FLOAT32
    pack_tokens: int = 2048  # per forward pass; 0 gives each sample its own pass
    gradient_checkpointing: bool = False
    seed: int = 0
    checkpoint_steps: int = 100
    evaluate_steps: int = 100
    patience: int = 0  # evaluations without gain after which training ends; 0: never
    min_gain: float = 0.0  # share of the best score that counts as a gain
    max_seconds: float | None = None  # of training, without evaluations

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.decay is Decay.CONSTANT:
            return self.learning_rate
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))

    def is_evaluated(self, step: int) -> bool:
        """True if the weights after ``step`` steps are scored."""
        return step % self.evaluate_steps == 0 or step >= self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One run: base model, data, recipe, and the folder with its checkpoints.

    ``tokenizer`` and ``template`` are as in :class:`sn37.domain.scoring.jobs.ScoringJob`.
    """

    base: PurePath
    run: PurePath  # folder of checkpoints
    batches: tuple[TaskBatch, ...]
    recipe: Recipe
    constraints: ModelConstraints
    fingerprint: str  # of everything that must not change between two starts of the same run
    tokenizer: PurePath | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the optimizer."""

    number: int  # from 1
    loss: float  # mean over the samples of the step, in the unit of the competition
    learning_rate: float
    tokens: int  # scored tokens
    seconds: float  # duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Score of the weights after a step, computed as by a validator; step 0 is the base."""

    step: int
    score: float


class Order:
    """Order of the samples in training: every sample once per epoch.

    The order depends on the seed only, so a resumed run needs only its step number.
    """

    def __init__(self, *, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError("no sample to train on")
        self._count = count
        self._seed = seed
        self._epoch = -1
        self._ranked: Sequence[int] = ()

    def batch(self, step: int, size: int) -> tuple[int, ...]:
        """Return the indices of a step's samples; steps count from 0."""
        return tuple(self._at(place) for place in range(step * size, (step + 1) * size))

    def _at(self, place: int) -> int:
        epoch, rest = divmod(place, self._count)
        if epoch != self._epoch:
            self._epoch = epoch
            self._ranked = sorted(range(self._count), key=lambda n: _rank(self._seed, epoch, n))
        return self._ranked[rest]


def best_of(evaluations: Sequence[Evaluated]) -> Evaluated | None:
    """Return the best trained weights, if any; the base and NaN do not count."""
    trained = [e for e in evaluations if e.step > 0 and math.isfinite(e.score)]
    return min(trained, key=lambda e: (e.score, e.step), default=None)


def is_stalled(evaluations: Sequence[Evaluated], recipe: Recipe) -> bool:
    """True if the last ``patience`` evaluations did not improve on the earlier ones."""
    if not recipe.patience or len(evaluations) <= recipe.patience:
        return False
    before, since = evaluations[: -recipe.patience], evaluations[-recipe.patience :]
    best = min((e.score for e in before if math.isfinite(e.score)), default=math.inf)
    goal = best if math.isinf(best) else best - recipe.min_gain * abs(best)
    return not any(e.score < goal for e in since)


def _rank(seed: int, epoch: int, number: int) -> bytes:
    return sha256(f"sn37/train/1|{seed}|{epoch}|{number}".encode()).digest()
