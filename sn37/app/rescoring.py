"""Score again what a receipt says was scored, and compare sample by sample.

Where the samples and the model come from is for the caller to say: every text is held against
its content hash, the weights against their digest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from sn37.domain.canonical import canonical_digest
from sn37.domain.competition import Competition
from sn37.domain.evidence import exact_sum
from sn37.domain.ids import Digest, TaskName
from sn37.domain.models import ModelArtifact
from sn37.domain.receipt import Receipt
from sn37.domain.samples import Sample
from sn37.domain.scoring import BlockLosses, SampleBlock, ScoringJob, TaskBatch, interleave
from sn37.domain.worst_loss import bounded
from sn37.ports.scorer import Scorer

# Of a task's mean loss, between any two devices; docs/decisions/0033 has measured it.
TOLERANCE = 2e-4
# Of the task's mean loss, for a single sample: 50 times as much. Samples differ by 0.0005 nats
# on average, the shortest texts by much more; what is beyond was not this model on this text.
SAMPLE_TOLERANCE = 50 * TOLERANCE
# What says how this host is closed off, and nothing about numbers.
_NO_NUMBERS = frozenset({"sandbox"})


class CannotRescore(ValueError):
    """The receipt contradicts itself, or what was brought is not what it names."""


class MissingSamples(CannotRescore):
    """Rows of the manifest are not among the samples at hand; ``rows`` are their ids."""

    def __init__(self, task: TaskName, rows: Sequence[str], total: int) -> None:
        shown = ", ".join(rows[:5]) + (", ..." if len(rows) > 5 else "")
        super().__init__(
            f"task {task}: {len(rows)} of the {total} rows are missing or have changed since: "
            f"{shown}"
        )
        self.task = task
        self.rows = tuple(rows)


class Agreement(StrEnum):
    """How near the losses of a receipt are to those found now."""

    EQUAL = "equal"  # to the last bit
    WITHIN = "within tolerance"  # as another device, or another version of a library, has them
    BEYOND = "beyond tolerance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two losses of one sample."""

    task: TaskName
    position: int  # in the task's manifest
    row_id: str
    recorded: float
    rescored: float

    @property
    def is_equal(self) -> bool:
        return self.recorded == self.rescored or (
            math.isnan(self.recorded) and math.isnan(self.rescored)
        )

    def is_within(self, mean: float) -> bool:
        """Whether they differ by no more than single samples do whose mean is ``mean``."""
        limit = SAMPLE_TOLERANCE * mean
        return self.is_equal or abs(self.rescored - self.recorded) <= limit < math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task's losses, recorded and found now."""

    task: TaskName
    num_samples: int
    num_equal: int
    recorded: float  # mean loss
    rescored: float

    @property
    def shift(self) -> float:
        """How much larger the mean is now, as a share of the recorded one."""
        if self.num_equal == self.num_samples:
            return 0.0
        return (self.rescored - self.recorded) / self.recorded if self.recorded else math.inf

    @property
    def is_within(self) -> bool:
        return abs(self.shift) <= TOLERANCE  # never for NaN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """Every scored sample of a receipt, in the order of scoring, with both its losses."""

    receipt: Receipt
    pairs: tuple[Pair, ...]
    environment: Mapping[str, str]  # what was scored with now

    @property
    def tasks(self) -> tuple[TaskComparison, ...]:
        """Task by task, in the receipt's order."""
        by_task = {t: [p for p in self.pairs if p.task == t] for t in self.receipt.losses}
        return tuple(_comparison(task, pairs) for task, pairs in by_task.items() if pairs)

    @property
    def first(self) -> Pair | None:
        """The first sample whose losses are not the same number."""
        return next((p for p in self.pairs if not p.is_equal), None)

    @property
    def first_beyond(self) -> Pair | None:
        """The first sample whose losses differ by more than devices do."""
        means = {t.task: t.rescored for t in self.tasks}
        return next((p for p in self.pairs if not p.is_within(means[p.task])), None)

    @property
    def agreement(self) -> Agreement:
        """The means of all tasks within the tolerance, and every sample within its own."""
        if self.first is None:
            return Agreement.EQUAL
        if self.first_beyond is None and all(t.is_within for t in self.tasks):
            return Agreement.WITHIN
        return Agreement.BEYOND

    @property
    def other_surroundings(self) -> Mapping[str, tuple[str, str]]:
        """What the numbers depend on and was another then: (then, now) by name.

        When nothing was, every bit should agree.
        """
        then, now = self.receipt.environment, self.environment
        return {
            name: (then.get(name, "not said"), now.get(name, "not said"))
            for name in sorted({*then, *now} - _NO_NUMBERS)
            if then.get(name) != now.get(name)
        }


def require_manifest(receipt: Receipt, rules: Competition) -> None:
    """Insist on as many rows of each task as the competition draws, and on their digest.

    Raises:
        CannotRescore: It has other tasks than the competition, another number of samples, or a
            manifest that is not its digest's.
    """
    names = [task.name for task in rules.tasks]
    if set(receipt.manifest) != set(names) or set(receipt.losses) != set(names):
        raise CannotRescore(
            f"it has tasks {', '.join(sorted({*receipt.manifest, *receipt.losses}))}, "
            f"competition {rules.id} has {', '.join(sorted(names))}"
        )
    for task in rules.tasks:
        if len(receipt.manifest[task.name]) != task.num_samples:
            raise CannotRescore(
                f"task {task.name}: {len(receipt.manifest[task.name])} rows, "
                f"competition {rules.id} draws {task.num_samples}"
            )
    rows = [[name, *row] for name in names for row in receipt.manifest[name]]
    if canonical_digest([list(row) for row in rows]) != receipt.manifest_digest:
        raise CannotRescore("its manifest is not the one whose digest it has")


def blocks_of(receipt: Receipt, rules: Competition) -> tuple[SampleBlock, ...]:
    """The blocks of samples that a receipt has losses for, in the order of scoring.

    Raises:
        CannotRescore: Its manifest is not to be used (``require_manifest``), or its losses are no
            prefix of a round.
    """
    require_manifest(receipt, rules)
    names = [task.name for task in rules.tasks]
    left = {name: len(receipt.losses[name]) for name in names}
    scored = list[SampleBlock]()
    for block in interleave(tuple((t.name, t.num_samples) for t in rules.tasks)):
        if left[block.task] < block.stop - block.first:
            break
        left[block.task] -= block.stop - block.first
        scored.append(block)
    if any(left.values()) or not scored:
        raise CannotRescore("its losses are not those of a round, nor of the first part of one")
    return tuple(scored)


def batches_of(
    receipt: Receipt, rules: Competition, found: Mapping[TaskName, Iterable[Sample]]
) -> tuple[TaskBatch, ...]:
    """The samples of the manifest, in its order, out of whatever samples were found.

    Only a row with the id and the content hash of the manifest counts.

    Raises:
        MissingSamples: Not all of a task's are there.
    """
    batches = []
    for task in rules.tasks:
        wanted = receipt.manifest[task.name]
        ids = {row for row, _ in wanted}
        known: dict[tuple[str, Digest], Sample] = {
            (s.provenance.row_id, s.content_hash): s
            for s in found.get(task.name, ())
            if s.provenance.row_id in ids
        }
        if missing := [row[0] for row in wanted if row not in known]:
            raise MissingSamples(task.name, missing, len(wanted))
        samples = tuple(known[row] for row in wanted)
        batches.append(TaskBatch(task=task.name, method=task.method, samples=samples))
    return tuple(batches)


async def rescore(
    receipt: Receipt,
    *,
    rules: Competition,
    batches: Sequence[TaskBatch],
    artifact: ModelArtifact,
    tokenizer: PurePath | None,
    scorer: Scorer,
    environment: Callable[[], Mapping[str, str]],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Rescored:
    """Score the model on the receipt's samples, as far as it was scored then.

    Args:
        rules: The competition at the receipt's sync block.
        batches: The samples, see ``batches_of``.
        artifact: The model; any folder whose weights have the receipt's digest.
        tokenizer: Folder of the prescribed tokenizer, ``None`` where the model brings its own.
        environment: What the scorer runs on, known once it runs.
        told: Hears after each block how many of how many are done.

    Raises:
        CannotRescore: The receipt contradicts itself, or has other weights.
        ModelRejected: The model cannot be scored, though the receipt says that it was.
        ScorerUnavailable: This machine cannot score.
    """
    blocks = blocks_of(receipt, rules)
    if artifact.tensor_digest != receipt.tensor_digest:
        raise CannotRescore(
            f"the model has weights {artifact.tensor_digest}, the receipt is for "
            f"{receipt.tensor_digest}"
        )
    job = ScoringJob(
        artifact=artifact,
        constraints=rules.constraints,
        batches=tuple(batches),
        timeout_s=rules.timeout_s,
        tokenizer=tokenizer,
        template=rules.template,
    )
    pairs: list[Pair] = []
    async with aclosing(scorer.score(job)) as stream:
        for done, block in enumerate(blocks, start=1):
            pairs += _pairs(receipt, block, bounded(await anext(stream), rules))
            told(done, len(blocks))
        used = dict(environment())
    return Rescored(receipt=receipt, pairs=tuple(pairs), environment=used)


def _pairs(receipt: Receipt, block: SampleBlock, found: BlockLosses) -> Iterable[Pair]:
    recorded = receipt.losses[block.task][block.first : block.stop]
    rows = receipt.manifest[block.task][block.first : block.stop]
    for offset, ((row_id, _), ours, now) in enumerate(
        zip(rows, recorded, found.losses, strict=True)
    ):
        yield Pair(
            task=block.task,
            position=block.first + offset,
            row_id=row_id,
            recorded=ours,
            rescored=now,
        )


def _comparison(task: TaskName, pairs: Sequence[Pair]) -> TaskComparison:
    return TaskComparison(
        task=task,
        num_samples=len(pairs),
        num_equal=sum(p.is_equal for p in pairs),
        recorded=exact_sum(p.recorded for p in pairs) / len(pairs),
        rescored=exact_sum(p.rescored for p in pairs) / len(pairs),
    )
