"""Second opinion: some of an entry's losses, computed by an independent program.

Eight of the round's samples, and four of each task whose answers are generated, are scored by the
libraries' own model in float32, one sample at a time. That happens before a crown passes, and once
for a champion on a machine that has not checked it yet. Errors of our own arithmetic, and models
made to exploit them, do not affect it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

from sn37.domain.ids import Digest, EntryKey, TaskName
from sn37.domain.scoring.choices import key_of
from sn37.domain.scoring.jobs import BlockLosses, Implementation, ScoringJob

NUM_SAMPLES = 8
# Shares of the mean of the second losses, for one sample and for the mean of the samples. Over all
# architectures of the tests, honest models differ by at most 0.0008 and 0.00015. A gain that hides
# below the second tolerance is less than half of the smallest margin that wins a crown.
# docs/decisions/0052 has the measurements.
SAMPLE_TOLERANCE = 0.01
MEAN_TOLERANCE = 0.002
# The same for questions with options, not as shares of the mean: a question's loss may be near 0,
# and the mean of eight too, while that of guessing is 1. Honest models differ by at most 0.0074 and
# 0.0007, see docs/decisions/0065. A forger gains nothing here by knowing the tolerance, because no
# worker knows which option is right.
CHOICE_SAMPLE_TOLERANCE = 0.03
CHOICE_MEAN_TOLERANCE = 0.005

# A generated answer changes as a whole when one token does, and with a GPU's float16 products most
# long answers have a token that may change (docs/decisions/0066). So the loss of one answer says
# nothing. An entry that gains so much on the mean of so many answers was not scored honestly.
GENERATED_GAIN = 0.5
LEAST_ANSWERS = 4

NO_WORST: Mapping[TaskName, float] = MappingProxyType({})

# Parts of the environment that describe the sandbox and do not affect numbers.
NO_NUMBERS = frozenset({"sandbox"})


class View(StrEnum):
    """Result of a second opinion."""

    AGREES = "agrees"
    DIFFERS = "differs"  # or the other program refuses the model: it is set aside
    UNAVAILABLE = "unavailable"  # by the validator's own fault: repeated in the next round


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One sample's two losses, in the unit of its competition."""

    task: TaskName
    position: int  # in the task's manifest
    ours: float
    theirs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """Opinion of another implementation on one entry's losses in one round."""

    key: EntryKey
    view: View
    samples: tuple[Compared, ...] = ()
    detail: str = ""
    # The environment in which the entry was scored, as in its receipt.
    environment: Mapping[str, str] = field(default_factory=dict)


def drawn_samples(
    sizes: Sequence[tuple[TaskName, int]], seed: Digest, *, generated: Collection[TaskName] = ()
) -> tuple[tuple[TaskName, int], ...]:
    """Return the samples to compare, as (task, position), in task order.

    They are those with the lowest keyed hash of all, and of each task whose answers are generated
    as many as say anything.

    Args:
        sizes: Each task's number of samples that were scored, see ``scored_sizes``.
        seed: The round's manifest digest, see ``sampling.manifest_digest``.
        generated: Tasks whose answers are generated.
    """
    known = [(task, position) for task, size in sizes for position in range(size)]

    def rank(sample: tuple[TaskName, int]) -> bytes:
        return sha256(f"sn37/opinion/1|{seed}|{sample[0]}|{sample[1]}".encode()).digest()

    ranked = sorted(known, key=rank)
    chosen = set(ranked[:NUM_SAMPLES])
    for task in generated:
        chosen.update([sample for sample in ranked if sample[0] == task][:LEAST_ANSWERS])
    return tuple(sample for sample in known if sample in chosen)


def scored_sizes(blocks: Sequence[BlockLosses]) -> tuple[tuple[TaskName, int], ...]:
    """Return the number of scored samples of each task, in the order of the tasks' first blocks."""
    return tuple((task, len(losses)) for task, losses in _by_task(blocks).items())


def second_job(job: ScoringJob, chosen: Sequence[tuple[TaskName, int]]) -> ScoringJob:
    """Return the job that scores the chosen samples by the other program."""
    wanted = set(chosen)
    cut = (
        replace(
            batch,
            samples=tuple(s for n, s in enumerate(batch.samples) if (batch.task, n) in wanted),
        )
        for batch in job.batches
    )
    return replace(
        job,
        batches=tuple(batch for batch in cut if batch.samples),
        skip_blocks=0,
        question_key=key_of(job),
        implementation=Implementation.PLAIN,
    )


def compared(
    chosen: Sequence[tuple[TaskName, int]],
    ours: Sequence[BlockLosses],
    theirs: Sequence[BlockLosses],
) -> tuple[Compared, ...]:
    """Return the two losses of each chosen sample, rounded to float32."""
    first, second = _by_task(ours), _by_task(theirs)
    turns = {task: iter(losses) for task, losses in second.items()}
    return tuple(
        Compared(task=task, position=position, ours=first[task][position], theirs=next(turns[task]))
        for task, position in chosen
    )


def judge(
    key: EntryKey,
    samples: tuple[Compared, ...],
    environment: Mapping[str, str],
    *,
    worst: Mapping[TaskName, float] = NO_WORST,
    choices: Collection[TaskName] = (),
    generated: Collection[TaskName] = (),
) -> Opinion:
    """Return the opinion that follows from the two losses of some samples.

    Args:
        worst: The value that a non-finite loss counts for, see ``worst_losses``. A sample with
            this loss is left out: it costs the entry enough already, and one sample convicts no
            model.
        choices: Tasks whose samples are questions with options.
        generated: Tasks whose answers are generated.
    """
    counted = [s for s in samples if s.ours != worst.get(s.task)]
    likely = [s for s in counted if s.task not in generated]
    detail = _disagreement(likely, choices) or _gain([s for s in counted if s.task in generated])
    return Opinion(
        key=key,
        view=View.DIFFERS if detail else View.AGREES,
        samples=samples,
        detail=detail,
        environment=environment,
    )


def is_of_same_kind(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """True if two environments give the same numbers."""
    return _numbers(one) == _numbers(other)


def _numbers(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text for name, text in environment.items() if name not in NO_NUMBERS}


def _disagreement(samples: Sequence[Compared], choices: Collection[TaskName]) -> str:
    """Return where the losses differ by more than honest models do; empty if nowhere."""
    for task in dict.fromkeys(s.task for s in samples):
        held = [s for s in samples if s.task == task]
        if not all(math.isfinite(s.ours) and math.isfinite(s.theirs) for s in held):
            return f"{task}: a loss of the second implementation is not finite"
        mean = math.fsum(s.theirs for s in held) / len(held)
        for_one, for_mean = SAMPLE_TOLERANCE * mean, MEAN_TOLERANCE * mean
        if task in choices:
            for_one, for_mean = CHOICE_SAMPLE_TOLERANCE, CHOICE_MEAN_TOLERANCE
        worst = max(held, key=lambda s: abs(s.ours - s.theirs))
        if abs(worst.ours - worst.theirs) > for_one:
            return (
                f"{task}, sample {worst.position}: loss {worst.ours:.6g}, {worst.theirs:.6g} by "
                "the second implementation"
            )
        mine = math.fsum(s.ours for s in held) / len(held)
        if abs(mine - mean) > for_mean:
            return (
                f"{task}: mean loss {mine:.6g} on {len(held)} samples, {mean:.6g} by the second "
                "implementation"
            )
    return ""


def _gain(samples: Sequence[Compared]) -> str:
    """Return where generated answers lost much less than those of the second implementation."""
    for task in dict.fromkeys(s.task for s in samples):
        held = [s for s in samples if s.task == task]
        ours = math.fsum(s.ours for s in held) / len(held)
        theirs = math.fsum(s.theirs for s in held) / len(held)
        if len(held) >= LEAST_ANSWERS and theirs - ours > GENERATED_GAIN:
            return (
                f"{task}: mean loss {ours:.6g} of {len(held)} answers, {theirs:.6g} by the second "
                "implementation"
            )
    return ""


def _by_task(blocks: Sequence[BlockLosses]) -> Mapping[TaskName, Sequence[float]]:
    found: dict[TaskName, list[float]] = {}
    for block in blocks:
        found.setdefault(block.block.task, []).extend(block.losses)
    return found
