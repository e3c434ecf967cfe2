"""One path of a scenario: commitments, and the losses of their models on drawn samples.

Losses are as in ``losses``: each sample has a common part, and a part for each family of models,
so that two families correlate by 0.98 and members of one family by more. If a task has a level,
losses are drawn relative to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sn37.app.simulate.losses import Array, LossModel, Shape, champion_losses
from sn37.app.simulate.members import REPLIES, one_task
from sn37.app.simulate.network import Network, sync_block
from sn37.domain.data.batches import interleave
from sn37.domain.ids import EntryKey, TaskName
from sn37.domain.schedule.competition import Task
from sn37.domain.schedule.epsilon import FixedEpsilon

CHAMPION = "champion"
HONEST = "honest"
WILDER = {REPLIES: 3.0}  # factor of the difference between two models on a row
WARM = 30  # rounds of the champion's reign before others commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a family, with a true gain over the first champion, and its own noise.

    ``gains`` are those of single tasks, if they differ.
    """

    family: str
    gain: float = 0.0
    noise: float = 0.0
    gains: Mapping[TaskName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Parameters of a scenario."""

    samples: int = 300
    epsilon: float = 0.005
    rounds: int = 40
    gain: float = 0.01
    model: LossModel = field(default_factory=lambda: LossModel(shape=Shape.NORMAL))
    tasks: Callable[[int], tuple[Task, ...]] = one_task  # from a number of samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Holder of the crown at the end, and the number of the honest entry's rounds until then."""

    winner: str | None  # None: the first champion
    rounds: int = 0


class Play:
    """One path: a network, and the models of its entries."""

    def __init__(self, setting: Setting, seed: int, network: Network | None = None) -> None:
        self.setting = setting
        self.rng = np.random.default_rng(seed)
        self.network = network or Network(
            epsilon=FixedEpsilon(setting.epsilon), tasks=setting.tasks(setting.samples)
        )
        self.rows = _rows_of(self.network.tasks)
        # Levels of the rows, and the differences between families on them.
        self.scale = np.array([t.level or 1.0 for t in self.rows])
        self._spread = np.array([WILDER.get(t.name, 1.0) for t in self.rows])
        self.models: dict[EntryKey, Model] = {}
        self._base: Array = np.zeros(0)
        self._parts: dict[str, Array] = {}

    def commit(self, hotkey: str, block: int, model: Model) -> EntryKey:
        key = self.network.commit(hotkey, block)
        self.models[key] = model
        return key

    def draw(self) -> None:
        """Draw the samples of the next round."""
        self._base = champion_losses(self.rng, self.setting.model, (len(self.rows),))
        self._parts = {}

    def losses(self, key: EntryKey) -> list[float]:
        """Return the losses of one entry on the drawn samples."""
        model = self.models[key]
        if model.family not in self._parts:
            own = self.setting.model.gain_sd / math.sqrt(2)
            part = own * self.rng.standard_normal(len(self._base))
            self._parts[model.family] = self._spread * part
        gains = np.array([model.gains.get(t.name, model.gain) for t in self.rows])
        values = self._base * (1 - gains) + self._parts[model.family]
        if model.noise:
            values = values + model.noise * self.rng.standard_normal(len(values))
        return (self.scale * np.maximum(values, 1e-6)).tolist()  # type: ignore[no-any-return]

    def round(self, number: int, private: Collection[EntryKey] = ()) -> EntryKey | None:
        """Draw samples and play a round; return the champion after it."""
        self.draw()
        return self.network.play(sync_block(number), self.losses, private=private)

    def warm(self, rounds: int = WARM) -> None:
        """Play rounds with the champion alone."""
        self.commit(CHAMPION, 1, Model(family="A"))
        for number in range(rounds):
            self.round(number)

    def until_beaten(
        self, key: EntryKey, first: int, before: Callable[[int, bool], None] = lambda *_: None
    ) -> Ending:
        """Play until another entry takes the crown; return the ending.

        ``before`` is called before each round, with its number and True if the honest entry has
        been in a round.
        """
        joined: int | None = None
        for number in range(first, first + self.setting.rounds):
            before(number, joined is not None)
            champion = self.round(number)
            if joined is None and key in self.network.entries:
                joined = number
            if champion is not None and champion.hotkey != CHAMPION:
                rounds = number - (number if joined is None else joined) + 1
                return Ending(winner=champion.hotkey, rounds=rounds)
        return Ending(winner=None)


def _rows_of(tasks: Sequence[Task]) -> list[Task]:
    """Return the task of each row, in the order of scoring."""
    by_name = {t.name: t for t in tasks}
    order = interleave(tuple((t.name, t.num_samples) for t in tasks))
    return [by_name[block.task] for block in order for _ in range(block.first, block.stop)]
