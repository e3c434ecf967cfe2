"""One path of a scenario: who commits what, and the losses of their models on drawn samples.

Losses are as in ``losses``: a common part of each sample, and an own part of each family of models,
so that two families correlate by 0.98 and members of one by more. Where a task has a level, losses
are drawn relative to it.
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
WILDER = {REPLIES: 3.0}  # how many times as much two models differ on a row
WARM = 30  # rounds that the champion has reigned when others come


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a family, with a true gain over the first champion, and noise of its own.

    ``gains`` are those of single tasks, where they differ.
    """

    family: str
    gain: float = 0.0
    noise: float = 0.0
    gains: Mapping[TaskName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a scenario is played with."""

    samples: int = 300
    epsilon: float = 0.005
    rounds: int = 40
    gain: float = 0.01
    model: LossModel = field(default_factory=lambda: LossModel(shape=Shape.NORMAL))
    tasks: Callable[[int], tuple[Task, ...]] = one_task  # of so many samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Who held the crown in the end, and after how many rounds of the honest entry's."""

    winner: str | None  # None: the champion of the beginning
    rounds: int = 0


class Play:
    """One path: a network, and the models that its entries are."""

    def __init__(self, setting: Setting, seed: int, network: Network | None = None) -> None:
        self.setting = setting
        self.rng = np.random.default_rng(seed)
        self.network = network or Network(
            epsilon=FixedEpsilon(setting.epsilon), tasks=setting.tasks(setting.samples)
        )
        self.rows = _rows_of(self.network.tasks)
        # Levels of the rows, and how far families differ on them.
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
        """The samples of the next round."""
        self._base = champion_losses(self.rng, self.setting.model, (len(self.rows),))
        self._parts = {}

    def losses(self, key: EntryKey) -> list[float]:
        """Of one entry on the drawn samples."""
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
        """Draw and play; the champion after it."""
        self.draw()
        return self.network.play(sync_block(number), self.losses, private=private)

    def warm(self, rounds: int = WARM) -> None:
        """A champion that has reigned for a while."""
        self.commit(CHAMPION, 1, Model(family="A"))
        for number in range(rounds):
            self.round(number)

    def until_beaten(
        self, key: EntryKey, first: int, before: Callable[[int, bool], None] = lambda *_: None
    ) -> Ending:
        """Rounds until somebody takes the crown; ``before`` is told of each, and whether the
        entry has been in one."""
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
    """The task of each row, in the order of scoring."""
    by_name = {t.name: t for t in tasks}
    order = interleave(tuple((t.name, t.num_samples) for t in tasks))
    return [by_name[block.task] for block in order for _ in range(block.first, block.stop)]
