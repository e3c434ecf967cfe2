"""Mixtures: a task whose samples come from several sources, each with a fixed share of them.

In a schedule a mixture is one task with one weight and method. It becomes one task for each of its
sources, named ``mixture/source``. So each part has its own seed, pool, window, signers and record,
and none of these changes when a part is added. Weights of parts are in proportion to their counts.
With one level the score is the mean loss of all samples together; with a level for each source the
weights are shares of the score. docs/decisions/0069 says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from sn37.domain.ids import TaskName
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import Source, Task

BETWEEN = "/"  # between the mixture's name and the source's


def mixed(
    whole: Task,
    parts: Sequence[tuple[Source, float]],
    levels: Mapping[str, float] | None = None,
) -> tuple[Task, ...]:
    """Return the tasks of a mixture, one for each source, in the given order.

    Args:
        whole: The mixture as one task. Its source is not used.
        parts: Sources with weights. Weights that sum to the number of samples are the counts.
        levels: By the name of each source; ``None``: all have the level of the whole.

    Raises:
        BrokenRule: A weight is not positive, a part would have no sample, or the method needs
            blocks of 16 samples.
    """
    if (traits := whole.method.traits).is_choice or traits.is_generated:
        raise BrokenRule(
            f"task {whole.name}: answers of {whole.method} are judged and recorded in blocks of 16 "
            "samples, and a mixture would divide them; write a task for each source",
            "mixture",
        )
    for source, weight in parts:
        if not (math.isfinite(weight) and weight > 0):
            raise BrokenRule(
                f"task {whole.name}: weight {weight} of {source.name} must be positive", "mixture"
            )
    counts = counts_of(whole.num_samples, [weight for _, weight in parts])
    for (source, weight), count in zip(parts, counts, strict=True):
        if not count:
            raise BrokenRule(
                f"task {whole.name}: {source.name} with weight {weight:g} gets none of "
                f"{whole.num_samples} samples; give it more weight, or the task more samples",
                "mixture",
            )
    return tuple(
        replace(
            whole,
            name=TaskName(f"{whole.name}{BETWEEN}{source.name}"),
            source=source,
            num_samples=count,
            weight=float(_exact(whole.weight) * count / whole.num_samples),
            level=whole.level if levels is None else levels[source.name],
        )
        for (source, _), count in zip(parts, counts, strict=True)
    )


def counts_of(total: int, weights: Sequence[float]) -> tuple[int, ...]:
    """Split ``total`` in proportion to positive weights, by largest remainder.

    Each part gets its share rounded down. The largest remainders get one more each, until the
    total is reached; of equal ones the part named first comes first. A weight is read as the
    decimal number in the schedule, so 0.1 and 0.2 are exactly 1 to 2.
    """
    exact = [_exact(weight) for weight in weights]
    shares = [total * weight / sum(exact) for weight in exact]
    counts = [math.floor(share) for share in shares]
    first = sorted(range(len(shares)), key=lambda n: counts[n] - shares[n])
    for n in first[: total - sum(counts)]:
        counts[n] += 1
    return tuple(counts)


def whole_of(name: TaskName) -> TaskName:
    """Return the name of the mixture that a task is a part of, or its own name."""
    return TaskName(name.partition(BETWEEN)[0])


def by_whole(tasks: Sequence[Task]) -> Mapping[TaskName, tuple[Task, ...]]:
    """Return the parts of each mixture by its name; any other task is its own only part."""
    found: dict[TaskName, tuple[Task, ...]] = {}
    for task in tasks:
        whole = whole_of(task.name)
        found[whole] = (*found.get(whole, ()), task)
    return found


def wholes(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks with the parts of each mixture as one.

    Its source and level are the first part's.
    """
    return tuple(
        parts[0]
        if len(parts) == 1
        else replace(
            parts[0],
            name=name,
            num_samples=sum(part.num_samples for part in parts),
            weight=math.fsum(part.weight for part in parts),
        )
        for name, parts in by_whole(tasks).items()
    )


def have_one_level(parts: Sequence[Task]) -> bool:
    """True if the parts of a mixture share a level, or have none."""
    return len({part.level for part in parts}) == 1


def _exact(number: float) -> Fraction:
    return Fraction(repr(number))
