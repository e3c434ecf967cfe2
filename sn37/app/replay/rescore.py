"""Scores the model of a receipt again, and compares the losses sample by sample.

The caller gives samples and model, from anywhere: every text is checked against its content
hash, the weights against their digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import PurePath

from sn37.app.replay.rescored import Pair, Rescored
from sn37.domain.canonical import canonical_digest
from sn37.domain.data.batches import BLOCK_SAMPLES, SampleBlock, TaskBatch, interleave
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss, job_under
from sn37.domain.scoring.worst_loss import bounded
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.scorer import Scorer


class CannotRescore(ValueError):
    """The receipt contradicts itself, or a given input is not the one that it names."""


class MissingSamples(CannotRescore):
    """Rows of the manifest are not among the given samples; ``rows`` are their ids."""

    def __init__(self, task: TaskName, rows: Sequence[str], total: int) -> None:
        shown = ", ".join(rows[:5]) + (", ..." if len(rows) > 5 else "")
        super().__init__(
            f"task {task}: {len(rows)} of the {total} rows are missing or have changed since: "
            f"{shown}"
        )
        self.task = task
        self.rows = tuple(rows)


def require_manifest(receipt: Receipt, rules: Competition) -> None:
    """Check the number of rows of each task against the competition, and their digest.

    Raises:
        CannotRescore: The receipt has other tasks than the competition, another number of
            samples, or a manifest that does not match its digest.
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
        raise CannotRescore("its manifest does not match its digest")


def blocks_of(receipt: Receipt, rules: Competition) -> tuple[SampleBlock, ...]:
    """Return the blocks of samples that a receipt has losses for, in the order of scoring.

    Raises:
        CannotRescore: The manifest is wrong (``require_manifest``), or the losses are not a prefix
            of a round's.
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
    """Return the samples of the manifest, in its order, taken from the given samples.

    Only a row with the id and the content hash of the manifest counts.

    Raises:
        MissingSamples: Some of a task's samples are missing.
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
    """Score the model on the samples that it was scored on then.

    Args:
        rules: The competition at the receipt's sync block.
        batches: The samples, see ``batches_of``.
        artifact: The model; any folder whose weights have the receipt's digest.
        tokenizer: Folder of the prescribed tokenizer, ``None`` if the model brings its own.
        environment: Returns the scorer's environment, which is known once it runs.
        told: Called after each block with how many of how many are done.

    Raises:
        CannotRescore: The receipt contradicts itself, or has other weights.
        ModelRejected: The model cannot be scored, though the receipt says that it was.
        ScorerUnavailable: This machine cannot score.
    """
    blocks = blocks_of(receipt, rules)
    if artifact.tensor_digest != receipt.tensor_digest:
        raise CannotRescore(
            f"the model has weights {artifact.tensor_digest}, but the receipt is for "
            f"{receipt.tensor_digest}"
        )
    job = job_under(rules, artifact=artifact, batches=tuple(batches), tokenizer=tokenizer)
    pairs: list[Pair] = []
    found: list[ControlLoss] = []
    right: list[tuple[int, int]] = []
    async with aclosing(scorer.score(job)) as stream:
        for done, block in enumerate(blocks, start=1):
            scored = bounded(await anext(stream), rules)
            pairs += _pairs(receipt, block, scored)
            found += scored.controls
            right += _right(receipt, block, scored)
            told(done, len(blocks))
        used = dict(environment())
    return Rescored(
        receipt=receipt,
        pairs=tuple(pairs),
        environment=used,
        controls=_controls(receipt, found),
        num_right=tuple(right),
    )


def _right(receipt: Receipt, block: SampleBlock, scored: BlockLosses) -> Sequence[tuple[int, int]]:
    """Return the right answers then and now, if the receipt has them.

    Generated answers change with the device, so theirs are left out.
    """
    is_told = block.task in receipt.num_right and block.task not in receipt.answers
    if not is_told or scored.num_right is None:
        return ()
    return ((receipt.num_right[block.task][block.first // BLOCK_SAMPLES], scored.num_right),)


def _controls(
    receipt: Receipt, found: Sequence[ControlLoss]
) -> tuple[tuple[ControlLoss, ControlLoss], ...]:
    """Pair the controls; raises ``CannotRescore`` when the receipt has another number of them."""
    if receipt.controls is None:
        return ()
    if len(receipt.controls) != len(found):
        raise CannotRescore(
            f"it has {len(receipt.controls)} controls, but its samples have {len(found)}"
        )
    return tuple(zip(receipt.controls, found, strict=True))


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
