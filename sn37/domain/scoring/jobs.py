"""Scoring jobs and their results. Lower is better."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from sn37.domain.data.batches import SampleBlock, TaskBatch, interleave
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.submission.models import ModelArtifact


class Implementation(StrEnum):
    """The two independent programs that compute losses."""

    OURS = "ours"
    PLAIN = "plain"  # the libraries' own model in float32, one sample at a time


class ControlKind(StrEnum):
    """Kind of a control, see ``sn37.domain.scoring.controls``."""

    SUBSTITUTED = "substituted"
    SHUFFLED = "shuffled"
    LETTERS = "letters"


@dataclass(frozen=True, slots=True)
class ControlLoss:
    """A model's loss on a control, over all tokens, and the control's entropy."""

    kind: ControlKind
    entropy_bits: float
    measured_bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringJob:
    """One model, and everything its losses depend on.

    ``tokenizer`` is the folder of the prescribed tokenizer, or ``None`` to use the model's
    own and give losses in bits per byte. ``template`` is jinja text, or ``None`` for the
    model's own. The first ``skip_blocks`` blocks were scored before a restart and are not scored
    again. Controls are scored between the samples, see ``sn37.domain.scoring.controls``.

    ``question_key`` decides how questions are asked, see ``sn37.domain.scoring.choices``. ``None``:
    it follows from ``batches``. A job with a part of another's samples has that one's key.

    Tasks whose answers are generated have ``budgets``, the most tokens of an answer; ``stop`` are
    texts that end one.
    """

    artifact: ModelArtifact
    constraints: ModelConstraints
    batches: tuple[TaskBatch, ...]
    timeout_s: float  # computing time to load and score; for the stages see ``deadlines_of``
    tokenizer: PurePath | None = None
    template: str | None = None
    skip_blocks: int = 0
    implementation: Implementation = Implementation.OURS
    question_key: Digest | None = None
    budgets: Mapping[TaskName, int] = field(default_factory=dict)
    stop: tuple[str, ...] = ()

    def blocks(self) -> tuple[SampleBlock, ...]:
        """Return the blocks in the order of scoring, skipped ones included."""
        return interleave(tuple((b.task, len(b.samples)) for b in self.batches))


def job_under(
    rules: Competition,
    *,
    artifact: ModelArtifact,
    batches: tuple[TaskBatch, ...],
    tokenizer: PurePath | None,
) -> ScoringJob:
    """Return the job that scores a model by a competition's rules.

    Args:
        tokenizer: Folder of the prescribed tokenizer, ``None`` if the model brings its own.
    """
    return ScoringJob(
        artifact=artifact,
        constraints=rules.constraints,
        batches=batches,
        timeout_s=rules.timeout_s,
        tokenizer=tokenizer,
        template=rules.template,
        budgets=rules.answer_budgets,
        stop=rules.stop,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLosses:
    """Losses of one block of samples, in sample order.

    Texts have nats per token under a prescribed tokenizer, bits per byte otherwise. For questions
    with options, 1 is the loss of guessing. A scorer may yield NaN or infinity; ``worst_loss`` says
    what these count for.
    """

    block: SampleBlock
    losses: tuple[float, ...]
    tokens: int  # scored tokens of all samples of the block
    seconds: float  # wall-clock time, for the operator only
    # Controls of the block, in order; they do not count in any score. Blocks that a version
    # without controls scored have none.
    controls: tuple[ControlLoss, ...] = ()
    # Questions that were answered rightly; ``None`` where samples are not questions with options.
    num_right: int | None = None
    answers: AnswerSignals | None = None  # of generated answers

    def __post_init__(self) -> None:
        if len(self.losses) != self.block.stop - self.block.first:
            raise ValueError(f"{len(self.losses)} losses for {self.block}")
        if self.num_right is not None and not 0 <= self.num_right <= len(self.losses):
            raise ValueError(f"{self.num_right} right answers in {self.block}")
        if self.answers is not None and self.answers.num_answers != len(self.losses):
            raise ValueError(f"signals of {self.answers.num_answers} answers in {self.block}")


def as_float32(losses: Iterable[float]) -> Sequence[float]:
    """Round losses to float32: every validator measures, stores and compares these."""
    return array("f", losses)
