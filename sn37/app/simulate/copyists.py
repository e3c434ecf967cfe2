"""Owners that train nothing or little, and use the models that others have published."""

from __future__ import annotations

import numpy as np

from sn37.app.simulate.market import DAY, Market, Owner, Trained
from sn37.domain.ids import EntryKey


class Copier(Owner):
    """Commits the champion with a little noise from each hotkey that may challenge, every day."""

    def __init__(self, market: Market, name: str, num_hotkeys: int) -> None:
        super().__init__(market, name, num_hotkeys)
        self.a_round = num_hotkeys // DAY + 1

    def act(self) -> None:
        if self.market.champion is not None:
            for hotkey in self.free()[: self.a_round]:
                self.market.commit(self, hotkey, self.changed(self.market.best))

    def changed(self, model: Trained) -> Trained:
        return self.market.copy(model)


class Perturber(Copier):
    """Makes many small changes of the champion; the best of them is true progress.

    ``mean`` and ``sd`` describe the true relative gain of one change, ``cost`` its cost.
    """

    def __init__(
        self,
        market: Market,
        name: str,
        num_hotkeys: int,
        *,
        mean: float,
        sd: float,
        alike: float,
        cost: float,
    ) -> None:
        super().__init__(market, name, num_hotkeys)
        self.mean, self.sd, self.alike, self.each = mean, sd, alike, cost

    def changed(self, model: Trained) -> Trained:
        training = self.market.rules.training
        self.cost += self.each
        room = (model.level / self.market.base_level - training.floor) / (1 - training.floor)
        mean = self.mean * max(0.0, room) if self.mean > 0 else self.mean
        gain = self.market.rng.normal(mean, self.sd)
        return self.market.trained(model.level * (1 - gain), [model], self.alike)


class Gambler(Copier):
    """Changes the champion to be far worse on 3 % of the rows and 0.9 % better on others."""

    def changed(self, model: Trained) -> Trained:
        return self.market.trained(model.level, [model], 0.9995, model.known, None, 0.03)


class Rotator(Copier):
    """Registers a new hotkey for each copy and gives it up a day later, so none has challenged."""

    def __init__(self, market: Market, name: str, num_hotkeys: int) -> None:
        super().__init__(market, name, 0)
        self.places = num_hotkeys
        self.num_registered = 0

    def act(self) -> None:
        market = self.market
        if market.champion is None:
            return
        done = [
            hotkey
            for hotkey in self.hotkeys
            if not market.is_live(market.newest[hotkey])
            and market.champion.hotkey != hotkey
            and market.newest[hotkey] in market.network.history.scored
        ]
        for hotkey in done:
            market.leave(hotkey)
            self.hotkeys.remove(hotkey)
        if len(self.hotkeys) < self.places:
            hotkey = f"{self.name}-{self.num_registered:05d}"
            self.num_registered += 1
            self.hotkeys.append(hotkey)
            market.commit(self, hotkey, self.changed(market.best))


class Farm(Owner):
    """Commits noisy clones, in groups, of contenders that lead and are not proven yet."""

    SIZE, COHORTS = 5, 4

    def __init__(self, market: Market, name: str, num_hotkeys: int) -> None:
        super().__init__(market, name, num_hotkeys)
        self.done: dict[EntryKey, int] = {}

    def act(self) -> None:
        market = self.market
        leads = {
            key: market.evidence_of(key)[0]
            for key in market.contenders()
            if market.owner_of(key) is not self
        }
        for key in sorted((k for k in leads if leads[k] > market.margin), key=lambda k: -leads[k]):
            free = self.free()
            if self.done.get(key, 0) < self.COHORTS and len(free) >= self.SIZE:
                self.done[key] = self.done.get(key, 0) + 1
                for hotkey in free[: self.SIZE]:
                    clone = market.copy(market.models[key], 0.9998)
                    market.commit(self, hotkey, clone)
                return


class Attendee(Owner):
    """Commits slightly better copies of the champion that are readable only in lucky rounds."""

    GAIN, COST = 0.002, 2.0  # relative gain, and dollars, of each copy
    LUCK = 0.8  # standard errors by which a draw must favour the copy

    def act(self) -> None:
        market = self.market
        if market.champion is None or self.is_champion:
            return
        for hotkey in self.free()[:1]:
            self.cost += self.COST
            tuned = market.trained(market.best.level * (1 - self.GAIN), [market.best], 0.6)
            market.commit(self, hotkey, tuned)

    def hide(self) -> None:
        market = self.market
        live = self.live()
        market.hidden.difference_update(
            key for hotkey in self.hotkeys if (key := market.newest.get(hotkey)) is not None
        )
        if market.champion is None or market.champion in live:
            return
        ours = market.losses(market.champion)
        for key in live:
            gains = ours - market.losses(key)
            if gains.mean() < self.LUCK * gains.std() / np.sqrt(len(gains)):
                market.hidden.add(key)


class Merger(Owner):
    """Commits the mean of the best public models of different lineage: true progress."""

    COST = 1.0  # dollars of compute for each
    MEAN = SD = 0.004  # of the gain over the best of the merged models

    def __init__(self, market: Market, name: str, num_hotkeys: int = 2) -> None:
        super().__init__(market, name, num_hotkeys)
        self.tried: set[tuple[int, ...]] = set()

    def act(self) -> None:
        market, best = self.market, self.market.best
        public = {
            market.models[key].source: market.models[key]
            for key in market.network.history.scored
            if key in market.models and market.owner_of(key) is not self
        }
        others = [
            m
            for m in sorted(public.values(), key=lambda m: (m.level, m.source))
            if m is not best
            and m.level < best.level * 1.01
            and not m.rare
            and m.lineage.get(best.source, 0.0) < 0.7
        ][:3]
        sources = (best.source, *sorted(m.source for m in others))
        free = self.free()
        if market.champion is None or not (others and free) or sources in self.tried:
            return
        self.tried.add(sources)
        self.cost += self.COST
        training = market.rules.training
        room = max(0.0, best.level / market.base_level - training.floor) / (1 - training.floor)
        gain = market.rng.normal(self.MEAN, self.SD) * room
        level = min(m.level for m in (best, *others)) * (1 - gain)
        if level < best.level * (1 - market.margin):
            market.commit(self, free[0], market.trained(level, [best, *others], 0.7))


class Squatter(Owner):
    """Commits the unchanged base before all others, and nothing after that."""

    def __init__(self, market: Market, name: str) -> None:
        super().__init__(market, name, 1)

    def act(self) -> None:
        market = self.market
        if market.number == 0:
            market.commit(self, self.hotkeys[0], market.base, offset=10**6)
        elif not self.live():
            self.is_active = False
