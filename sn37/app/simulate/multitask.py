"""Several tasks with different scales and non-linear normalisation.

The shown score normalises task means by a concave curve; evidence weighs samples on the linear
scale (``evidence.weigh``). The simulation measures if the guarantee holds for the mixture, and if
a crowned challenger can show the worse score. Tasks and weights are those of a past competition:
two tasks scored 0 or 1, two by loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sn37.app.simulate.challenge import NEVER, Challenge, Sums, crowned_by_domain
from sn37.app.simulate.estimate import Figure, Progress, rate
from sn37.app.simulate.losses import Array, LossModel, champion_losses, chunks, surprises
from sn37.domain.data.batches import interleave
from sn37.domain.ids import CompetitionId, TaskName
from sn37.domain.round.evidence import weigh
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.normalization import Identity, InverseExponential, Normalization
from sn37.domain.scoring.jobs import BlockLosses

FLIPS = 0.15  # share of the champion's wrong answers that an equal challenger gets right


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """A task's part of the score, and the champion's mean loss in raw units."""

    weight: float
    share: float  # of the round's samples
    level: float  # mean loss; the error rate if answers are right or wrong
    normalization: Normalization

    @property
    def is_choice(self) -> bool:
        return isinstance(self.normalization, Identity)


TASKS: Mapping[str, TaskShape] = {
    "multiple-choice": TaskShape(weight=0.75, share=0.5, level=0.4, normalization=Identity()),
    "word-sorting": TaskShape(
        weight=0.05, share=0.1, level=12.0, normalization=InverseExponential(40.0)
    ),
    "text": TaskShape(weight=0.10, share=0.2, level=3.0, normalization=InverseExponential(20.0)),
    "instructions": TaskShape(weight=0.10, share=0.2, level=0.3, normalization=Identity()),
}


def competition(samples: int, epsilon: float) -> Competition:
    """Return the simulated competition, with about ``samples`` samples in a round."""
    return Competition(
        id=CompetitionId(1),
        name="simulated",
        reward_share=1.0,
        constraints=ModelConstraints(
            min_parameters=0,
            max_parameters=1,
            max_bytes=1,
            max_tokens=2,
            architectures=frozenset({"simulated"}),
        ),
        tasks=tuple(
            Task(
                name=TaskName(name),
                source=Source(name="simulated", freshness=Freshness.NONE),
                method=Method.MULTIPLE_CHOICE if shape.is_choice else Method.TEXT_LOSS,
                weight=shape.weight,
                num_samples=max(1, round(samples * shape.share)),
                normalization=shape.normalization,
            )
            for name, shape in TASKS.items()
        ),
        delay_blocks=0,
        epsilon=FixedEpsilon(epsilon),
        timeout_s=1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    crowned: npt.NDArray[np.int64]  # for each path: NEVER or the round
    worse: int  # challengers whose shown score was not lower when they were crowned


def figures(
    challenge: Challenge, gain: float, *, paths: int, seed: int, progress: Progress
) -> list[Figure]:
    """Measure false crowns at gain 0, and at ``gain`` the rounds needed and the scores shown."""
    equal = _run(replace(challenge, gain=0.0), paths, seed, lambda n, of: progress(n, 2 * of))
    better = _run(
        replace(challenge, gain=gain), paths, seed + 1, lambda n, of: progress(of + n, 2 * of)
    )
    when = np.where(better.crowned == NEVER, np.inf, better.crowned)
    num_crowned = int((better.crowned > NEVER).sum())
    result = [
        rate(
            f"several tasks: crowned within {challenge.rounds} rounds without being better",
            int((equal.crowned > NEVER).sum()),
            paths,
        ),
        Figure(
            name=f"several tasks: median rounds until crowned, gain {gain:.0%} in each",
            value=float(np.quantile(when, 0.5, method="higher")),
            trials=paths,
        ),
    ]
    if num_crowned:
        name = "several tasks: the crowned one shows the worse score"
        result.append(rate(name, better.worse, num_crowned))
    return result


def _run(challenge: Challenge, paths: int, seed: int, progress: Progress) -> _Result:
    rules = competition(challenge.samples, challenge.epsilon)
    sizes = chunks(paths, challenge.samples)
    parts = []
    for i, size in enumerate(sizes):
        parts.append(_run_chunk(challenge, rules, size, np.random.default_rng([seed, i])))
        progress(i + 1, len(sizes))
    return _Result(
        crowned=np.concatenate([p.crowned for p in parts]), worse=sum(p.worse for p in parts)
    )


def _run_chunk(
    challenge: Challenge, rules: Competition, paths: int, rng: np.random.Generator
) -> _Result:
    order = interleave(tuple((t.name, t.num_samples) for t in rules.tasks))
    # The weighted losses of 1 are the factors of the samples, in the order of scoring.
    ones = [
        BlockLosses(block=b, losses=(1.0,) * (b.stop - b.first), tokens=1, seconds=0.0)
        for b in order
    ]
    factors = np.array(weigh(ones, rules))
    names = np.array([b.task for b in order for _ in range(b.stop - b.first)])
    total = Sums.zero(paths)
    means = {t.name: np.zeros((2, paths)) for t in rules.tasks}  # summed over rounds
    crowned = np.full(paths, NEVER, dtype=np.int64)
    worse = 0
    for number in range(1, challenge.rounds + 1):
        a, b = np.empty((paths, len(factors))), np.empty((paths, len(factors)))
        for task in rules.tasks:
            where = names == task.name
            ours, theirs = _losses(TASKS[task.name], challenge, (paths, task.num_samples), rng)
            a[:, where], b[:, where] = ours, theirs
            means[task.name] += np.stack([ours.mean(axis=1), theirs.mean(axis=1)])
        total.add(a * factors, (a - b) * factors)
        taken = crowned_by_domain(total, challenge.epsilon) & (crowned == NEVER)
        crowned[taken] = number
        for path in np.flatnonzero(taken):
            shown = [
                sum(
                    t.weight * t.normalization.apply(float(means[t.name][side, path]) / number)
                    for t in rules.tasks
                )
                for side in (0, 1)
            ]
            worse += shown[1] >= shown[0]
    return _Result(crowned=crowned, worse=worse)


def _losses(
    task: TaskShape, challenge: Challenge, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw the champion's and the challenger's losses in raw units, shape PN."""
    if not task.is_choice:
        model: LossModel = challenge.model
        a = champion_losses(rng, model, size)
        return task.level * a, task.level * (a * (1 - challenge.gain) - surprises(rng, model, size))
    wrong = rng.random(size) < task.level
    draw = rng.random(size)
    mended = draw < FLIPS + challenge.gain
    broken = draw < FLIPS * task.level / (1 - task.level)
    return wrong.astype(np.float64), np.where(wrong, ~mended, broken).astype(np.float64)
