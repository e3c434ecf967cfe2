"""Copies of the champion as lottery tickets: one new copy every round, none better than it.

As in the rules, five challengers are scored in a round: the newest copy, and the four earlier
copies, not retired, that are closest to the champion. Shape letters: P paths, K slots
of challengers, N samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sn37.app.simulate.challenge import T_LEVEL_5, Rule
from sn37.app.simulate.estimate import Figure, Progress, rate
from sn37.app.simulate.losses import Array, LossModel, champion_losses, chunks, surprises
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.evidence import Pooled
from sn37.domain.round.racing import Race
from sn37.domain.round.winner import beats

SLOTS = MAX_CONTENDERS + 1  # and the new entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lottery:
    """A copy enters in each of ``rounds`` rounds: 600 rounds are 30 days of 20 rounds."""

    epsilon: float = 0.005
    samples: int = 300
    rounds: int = 600
    model: LossModel = field(default_factory=LossModel)


@dataclass(slots=True, kw_only=True)
class _Slots:
    """Running sums of every challenger against the champion, PK; 0 for an empty slot."""

    count: npt.NDArray[np.int64]
    champion: Array
    gain: Array
    squares: Array
    clipped_gain: Array
    clipped_squares: Array
    lost: Array  # sum of b - a (1 - epsilon)
    lost_squares: Array

    @classmethod
    def empty(cls, paths: int) -> _Slots:
        shape = (paths, SLOTS)
        return cls(
            count=np.zeros(shape, dtype=np.int64),
            champion=np.zeros(shape),
            gain=np.zeros(shape),
            squares=np.zeros(shape),
            clipped_gain=np.zeros(shape),
            clipped_squares=np.zeros(shape),
            lost=np.zeros(shape),
            lost_squares=np.zeros(shape),
        )

    def arrays(self) -> tuple[npt.NDArray[np.int64] | Array, ...]:
        return (
            self.count, self.champion, self.gain, self.squares, self.clipped_gain,
            self.clipped_squares, self.lost, self.lost_squares,
        )  # fmt: skip

    def clear(self, where: npt.NDArray[np.bool_]) -> None:
        for array in self.arrays():
            array[where] = 0

    def admit(self) -> None:
        """Move the worst contender, or an empty slot, to the last place and free it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            behind = np.where(self.count > 0, self.lost / np.sqrt(self.lost_squares), np.inf)
        order = np.argsort(behind, axis=1, kind="stable")
        for array in self.arrays():
            array[...] = np.take_along_axis(array, order, axis=1)
        last = np.zeros(self.count.shape, dtype=np.bool_)
        last[:, -1] = True
        self.clear(last)

    def add(self, a: Array, d: Array, margin: float, active: npt.NDArray[np.bool_]) -> None:
        """Add a round: champion's losses ``a``, P1N, gains ``d``, PKN, for the active slots."""
        lost = margin * a - d
        clipped = np.clip(d, -1.0, 1.0)
        self.count += np.where(active, d.shape[-1], 0)
        for total, values in (
            (self.champion, np.broadcast_to(a, d.shape)),
            (self.gain, d),
            (self.squares, np.square(d)),
            (self.clipped_gain, clipped),
            (self.clipped_squares, np.square(clipped)),
            (self.lost, lost),
            (self.lost_squares, np.square(lost)),
        ):
            total += np.where(active, values.sum(axis=-1), 0)


def run(
    lottery: Lottery, *, paths: int, seed: int, progress: Progress
) -> dict[Rule, npt.NDArray[np.bool_]]:
    """Return where, by rule, path and round, a copy holds the crown. Deterministic in ``seed``."""
    sizes = chunks(paths, lottery.samples * SLOTS)
    rounds = len(sizes) * lottery.rounds
    held: dict[Rule, list[npt.NDArray[np.bool_]]] = {rule: [] for rule in Rule}
    for i, size in enumerate(sizes):
        rng = np.random.default_rng([seed, i])
        slots = _Slots.empty(size)
        by_round: list[dict[Rule, npt.NDArray[np.bool_]]] = []
        for number in range(lottery.rounds):
            by_round.append(_play(lottery, slots, rng))
            progress(i * lottery.rounds + number + 1, rounds)
        for rule in Rule:
            history = np.stack([verdicts[rule] for verdicts in by_round], axis=1)
            # Only the plain pairwise rule forgets; under the others copies follow a copy.
            held[rule].append(
                history if rule is Rule.PAIRWISE else np.logical_or.accumulate(history, axis=1)
            )
    return {rule: np.concatenate(parts) for rule, parts in held.items()}


def _play(
    lottery: Lottery, slots: _Slots, rng: np.random.Generator
) -> dict[Rule, npt.NDArray[np.bool_]]:
    """Play one round; return for each rule the paths in which a copy takes the crown."""
    slots.admit()
    active = slots.count > 0
    active[:, -1] = True
    paths, samples, model = len(active), lottery.samples, lottery.model
    a = champion_losses(rng, model, (paths, 1, samples))
    # Half of the variance of a difference is the champion's, so it is common to all copies.
    own = surprises(rng, model, (paths, SLOTS, samples))
    d = (own + surprises(rng, model, (paths, 1, samples))) / np.sqrt(2)
    slots.add(a, d, lottery.epsilon, active)
    mean = d.mean(axis=-1)
    leading = active & (mean > lottery.epsilon * a.mean(axis=-1))
    significant = mean * np.sqrt(samples) > T_LEVEL_5 * d.std(axis=-1)
    crowned = np.zeros(paths, dtype=np.bool_)
    for path, slot in np.argwhere(active & (slots.gain > lottery.epsilon * slots.champion)):
        crowned[path] |= beats(_pooled(slots, path, slot), lottery.epsilon) is None
    _retire(slots, lottery.epsilon)
    return {
        Rule.POOLED: crowned,
        Rule.PAIRWISE: leading.any(axis=1),
        Rule.ONE_ROUND: (leading & significant).any(axis=1),
    }


def _pooled(slots: _Slots, path: int, slot: int) -> Pooled:
    a, d = float(slots.champion[path, slot]), float(slots.gain[path, slot])
    return Pooled(
        num_samples=int(slots.count[path, slot]),
        champion=a,
        challenger=a - d,
        gain=d,
        squares=float(slots.squares[path, slot]),
        clipped_gain=float(slots.clipped_gain[path, slot]),
        clipped_squares=float(slots.clipped_squares[path, slot]),
    )


def _retire(slots: _Slots, margin: float) -> None:
    """Free the slots of challengers that racing stops; here only after whole rounds."""
    hopeless = np.zeros(slots.count.shape, dtype=np.bool_)
    # Below 2 standard deviations no e-value reaches the level, so the domain is not called.
    for path, slot in np.argwhere(slots.lost > 2 * np.sqrt(slots.lost_squares)):
        hopeless[path, slot] = Race(
            margin=margin,
            num_samples=int(slots.count[path, slot]),
            champion=(float(slots.champion[path, slot]),),
            deficit=(float(slots.lost[path, slot]),),
            squares=(float(slots.lost_squares[path, slot]),),
        ).is_hopeless
    slots.clear(hopeless)


def figures(lottery: Lottery, *, paths: int, seed: int, progress: Progress) -> list[Figure]:
    """Measure how often a copy ever wins, and in which share of rounds copies hold the crown."""
    result = []
    for rule, held in run(lottery, paths=paths, seed=seed, progress=progress).items():
        won = int(held.any(axis=1).sum())
        result.append(rate(f"{rule}: some of {lottery.rounds} copies wins", won, paths))
        share = float(held.mean())
        result.append(Figure(name=f"{rule}: share of rounds held by copies", value=share))
    return result
