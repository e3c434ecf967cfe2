"""One path of a scenario: who commits what, and the losses of their models on drawn samples.

Losses are as in ``losses``: a common part of each sample, and an own part of each family of models,
so that two families correlate by 0.98 and members of one by more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from sn37.app.simulate.losses import Array, LossModel, Shape, champion_losses
from sn37.app.simulate.members import one_task
from sn37.app.simulate.network import Network, sync_block
from sn37.domain.epsilon import FixedEpsilon
from sn37.domain.ids import EntryKey

CHAMPION = "champion"
HONEST = "honest"
WARM = 30  # rounds that the champion has reigned when others come


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a family, with a true gain over the first champion, and noise of its own."""

    family: str
    gain: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a scenario is played with."""

    samples: int = 300
    epsilon: float = 0.005
    rounds: int = 40
    gain: float = 0.01
    model: LossModel = field(default_factory=lambda: LossModel(shape=Shape.NORMAL))


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
            epsilon=FixedEpsilon(setting.epsilon), tasks=one_task(setting.samples)
        )
        self.models: dict[EntryKey, Model] = {}
        self._base: Array = np.zeros(0)
        self._parts: dict[str, Array] = {}

    def commit(self, hotkey: str, block: int, model: Model) -> EntryKey:
        key = self.network.commit(hotkey, block)
        self.models[key] = model
        return key

    def draw(self) -> None:
        """The samples of the next round."""
        self._base = champion_losses(self.rng, self.setting.model, (self.setting.samples,))
        self._parts = {}

    def losses(self, key: EntryKey) -> list[float]:
        """Of one entry on the drawn samples."""
        model = self.models[key]
        if model.family not in self._parts:
            own = self.setting.model.gain_sd / math.sqrt(2)
            self._parts[model.family] = own * self.rng.standard_normal(len(self._base))
        values = self._base * (1 - model.gain) + self._parts[model.family]
        if model.noise:
            values = values + model.noise * self.rng.standard_normal(len(values))
        return np.maximum(values, 1e-6).tolist()  # type: ignore[no-any-return]

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
