"""Owners that train: honest ones, and those that choose when and what to publish."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sn37.app.simulate.market import DAY, Market, Owner, Trained

# Correlation of a model with the one it was trained from, by the budget in dollars.
ALIKE = ((400.0, 0.0), (100.0, 0.3), (0.0, 0.6))
NEARLY = 1.002  # an entry within 0.2 % of a model is not replaced


class Trainer(Owner):
    """Trains once a period from the best model that it knows, and publishes what can win.

    It starts from the best of its own model, the published champion and subnet 9's base. It has
    trained for one period before the competition begins.
    """

    def __init__(
        self,
        market: Market,
        name: str,
        *,
        budget: float,
        period: int = DAY,
        num_hotkeys: int = 2,
        known: Mapping[str, float] | None = None,
        swings: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(market, name, num_hotkeys)
        self.budget, self.period = budget, period
        self.known, self.swings = known or {}, swings or {}
        self.alike = next(alike for least, alike in ALIKE if budget >= least)
        self.phase = int(market.rng.integers(period))
        self.own = market.base
        self.train()

    def act(self) -> None:
        if self.market.number % self.period == self.phase:
            self.train()
        self.publish()

    def start(self) -> Trained:
        """Return the model that it trains from."""
        market = self.market
        known = [self.own, market.best]
        if market.base_level < min(m.level for m in known):
            known.append(market.trained(market.base_level))
        return min(known, key=lambda m: m.level)

    def train(self) -> None:
        start = self.start()
        found = self.market.train(self, start, self.budget, self.alike)
        if found is not None:
            start = found
        if start is not self.own:
            self.own = self.marked(start)

    def marked(self, model: Trained) -> Trained:
        """Return the model with its advantage on the rows of its owner's friends."""
        if not (self.known or self.swings):
            return model
        return self.market.trained(model.level, [model], 0.999, self.known, self.swings)

    @property
    def lead(self) -> float:
        """Lead of its model over the champion, if all rows of its friends counted."""
        shares = self.market.shares

        def hoped(model: Trained) -> float:
            known = {s: edge for s, edge in model.known.items() if s in self.known}
            return model.level * (1 - math.fsum(e * shares.get(s, 0.0) for s, e in known.items()))

        return 1 - hoped(self.own) / hoped(self.market.best)

    def publish(self) -> None:
        if self.lead > self.market.margin:
            self.offer(self.own)

    def offer(self, model: Trained) -> None:
        """Commit a model, unless one of its entries is as good."""
        rivals = [self.market.models[key] for key in self.live()]
        if not any(r.level <= model.level * NEARLY and not r.rare for r in rivals):
            for hotkey in self.free()[:1]:
                self.market.commit(self, hotkey, model)


class Scratch(Trainer):
    """Trains only from subnet 9's base, and applies its recipe to each new base."""

    def __init__(self, market: Market, name: str, *, budget: float, period: int) -> None:
        self.recipe = 1.0  # loss relative to the base's
        super().__init__(market, name, budget=budget, period=period)

    def train(self) -> None:
        market = self.market
        self.cost += self.budget
        mean = market.rules.training.expected(self.recipe, 1.0, self.budget)
        self.recipe *= 1 - max(0.0, float(market.rng.normal(mean, 0.5 * mean + 0.0005)))
        self.own = market.trained(self.recipe * market.base_level)


class Sniper(Trainer):
    """Waits until epsilon has decayed."""

    def publish(self) -> None:
        if self.market.margin_when_due() <= self.market.margin * 1.05:
            super().publish()


class Sandbagger(Trainer):
    """Holds improvements back, and publishes only as much as exceeds the margin.

    It publishes more when another owner holds the crown.
    """

    STEP = 0.002  # beyond the margin

    def publish(self) -> None:
        market = self.market
        step = market.margin_when_due() + self.STEP
        if not self.is_champion and self.lead > step:
            level = max(self.own.level, market.best.level * (1 - step))
            self.offer(market.trained(level, [self.own], 0.9))


class Reserve(Trainer):
    """A champion that keeps its better model back until a challenger comes close."""

    ALARM = 4.0

    def publish(self) -> None:
        market = self.market
        is_threatened = any(
            market.owner_of(key) is not self and market.evidence_of(key)[1] > self.ALARM
            for key in market.contenders()
        )
        if not self.is_champion or is_threatened:
            super().publish()


class Cartel(Trainer):
    """Publishes many models that are slightly better than the champion, so that others wait."""

    NUM = 8
    HAIR = 0.0065  # their lead over the champion

    def publish(self) -> None:
        market, free = self.market, self.free()
        if self.lead <= self.HAIR or len(free) < self.NUM:
            super().publish()
            return
        level = max(self.own.level, market.best.level * (1 - self.HAIR))
        for hotkey in free[: self.NUM]:
            market.commit(self, hotkey, market.trained(level, [self.own], 0.5))


class Abdicator(Trainer):
    """As champion, keeps private copies of its model, and gives the crown up before it loses it."""

    ALARM = 4.0

    def __init__(self, market: Market, name: str, *, budget: float, period: int, sybils: int):
        super().__init__(market, name, budget=budget, period=period)
        self.sybils = [f"{name}-sybil-{n:02d}" for n in range(sybils)]

    def act(self) -> None:
        super().act()
        market, champion = self.market, self.market.champion
        if champion is None or not self.is_champion:
            return
        for hotkey in self.sybils:
            held = market.newest.get(hotkey)
            is_stale = held is not None and (
                market.models[held].level > market.best.level * 1.0015
                if held in market.hidden
                else market.is_free(hotkey)
            )
            if hotkey != champion.hotkey and (held is None or is_stale):
                market.hidden.add(market.commit(self, hotkey, market.copy(market.best)))
        self.abdicate()

    def abdicate(self) -> None:
        market, champion = self.market, self.market.champion
        threats = [
            key
            for key in market.contenders()
            if market.owner_of(key) is not self and market.evidence_of(key)[1] > self.ALARM
        ]
        stock = [
            key
            for hotkey in self.sybils
            if (key := market.newest.get(hotkey)) in market.hidden and key is not None
        ]
        ready = [key for key in stock if threats and key.block < min(t.block for t in threats)]
        if champion is not None and ready:
            market.hidden.discard(ready[0])
            market.commit(self, champion.hotkey, market.copy(market.best))


class Spammer(Trainer):
    """As champion, fills the queue with copies, so that challengers wait."""

    def __init__(self, market: Market, name: str, *, budget: float, copies: int) -> None:
        super().__init__(market, name, budget=budget)
        self.crowd = [f"{name}-copy-{n:03d}" for n in range(copies)]

    def act(self) -> None:
        super().act()
        if self.is_champion:
            for hotkey in self.crowd:
                if self.market.is_free(hotkey):
                    self.market.commit(self, hotkey, self.market.copy(self.market.best))
