"""A subnet of owners with costs: commitments, draws and pay.

Rounds are those of ``QuickNetwork``; pay follows the standings, as weights do. The value of a
model is its true level: the mean loss, 1 for the first base.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sn37.app.simulate.costs import Costs, Training
from sn37.app.simulate.losses import Array, LossModel, Shape, champion_losses
from sn37.app.simulate.members import ONE, one_task
from sn37.app.simulate.network import CADENCE, TIMING, sync_block
from sn37.app.simulate.quick_network import QuickNetwork
from sn37.app.simulate.tallies import Indices
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.schedule.epsilon import Epsilon, LinearEpsilon
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS
from sn37.domain.weights.emission import split_emission
from sn37.domain.weights.standings import standings, warm_up_left

DAY = 20  # rounds
SLOTS = 256  # hotkeys of a subnet
WARM_UP = 8  # rounds before weights are set, as in schedules
FAINT = 0.02  # smaller parts of a lineage count as the model's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model: its level, and what its errors on samples have in common with other models."""

    level: float
    lineage: Mapping[int, float]  # weight of each independent part; the squares sum to 1
    known: Mapping[str, float] = field(default_factory=dict)  # signer: edge on its rows
    swings: Mapping[str, float] = field(default_factory=dict)  # signer: size of odd differences
    rare: float = 0.0  # share of rows on which it is far worse, for 0.9 % gain on all others

    @property
    def source(self) -> int:
        """Number that identifies the model."""
        return next(reversed(list(self.lineage)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of the competition and of its environment."""

    samples: int = 300
    epsilon: Epsilon = field(
        default_factory=lambda: LinearEpsilon(start=0.02, stop=0.005, decay_blocks=CHALLENGE_BLOCKS)
    )
    model: LossModel = field(default_factory=lambda: LossModel(shape=Shape.NORMAL))
    costs: Costs = field(default_factory=Costs)
    training: Training = field(default_factory=Training)
    network: type[QuickNetwork] = QuickNetwork


class Owner:
    """An owner of hotkeys. Its strategy decides what it commits before a round."""

    def __init__(self, market: Market, name: str, num_hotkeys: int) -> None:
        self.market, self.name = market, name
        self.hotkeys = [f"{name}-{n:03d}" for n in range(num_hotkeys)]
        self.income = self.cost = 0.0
        self.is_active = True  # pays for hotkeys and its machine

    def act(self) -> None:
        """Train and commit, before a round."""

    def hide(self) -> None:
        """Hide repositories, after the draw is public and before they are read."""

    @property
    def is_champion(self) -> bool:
        champion = self.market.champion
        return champion is not None and self.market.owner_of(champion) is self

    def free(self) -> list[str]:
        """Return its hotkeys that may challenge and have no live entry."""
        return [hotkey for hotkey in self.hotkeys if self.market.is_free(hotkey)]

    def live(self) -> list[EntryKey]:
        """Return its entries that may still take the crown, or hold it."""
        return [
            key
            for hotkey in self.hotkeys
            if (key := self.market.newest.get(hotkey)) and self.market.is_live(key)
        ]


class Market:
    """All owners and one validator."""

    def __init__(self, rules: Rules, seed: int, shares: Mapping[str, float]) -> None:
        """Start a market; signers sign ``shares`` of the rows, and the rest is not signed."""
        self.rules, self.rng = rules, np.random.default_rng(seed)
        self.shares: dict[str | None, float] = {None: 1 - math.fsum(shares.values())}
        self.shares.update(shares)
        self.network = rules.network(
            epsilon=rules.epsilon,
            tasks=one_task(rules.samples),
            signers=tuple(self.shares),
        )
        self.number = 0  # of the next round
        self.owners: list[Owner] = []
        self.models: dict[EntryKey, Trained] = {}
        self.newest: dict[str, EntryKey] = {}
        self.hidden: set[EntryKey] = set()
        self.levels: list[float] = []  # the champion's after each round
        self._owners: dict[str, Owner] = {}
        self._paid: dict[str, int] = {}  # round in which it registered, or was last paid
        self._ids = itertools.count()
        self.base = self.trained(1.0)
        self._samples, self._parts = np.zeros(0), dict[int, Array]()
        self._signers: Indices = np.zeros(0, np.intp)

    # --- what owners know ---------------------------------------------------------------------

    @property
    def base_level(self) -> float:
        """Level of subnet 9's base, which every owner may start from."""
        return math.exp(-self.rules.training.base_gain_day * self.number / DAY)

    @property
    def champion(self) -> EntryKey | None:
        return self.network.champion

    @property
    def best(self) -> Trained:
        """Return the champion's model, or the base."""
        return self.models[self.champion] if self.champion else self.base

    @property
    def margin(self) -> float:
        return self.rules.epsilon.end

    def margin_when_due(self) -> float:
        """Return the margin at the time when a commitment of now is old enough."""
        if self.champion is None:
            return self.margin
        due = Block(sync_block(self.number) + self.network.delay_blocks)
        return self.rules.epsilon.at(committed=self.champion.block, now=due)

    def owner_of(self, key: EntryKey) -> Owner:
        return self._owners[key.hotkey]

    def contenders(self) -> list[EntryKey]:
        """Return the entries of the newest round that may still win, without the champion."""
        return [k for k in self.network.entries if k != self.champion and self.is_live(k)]

    def evidence_of(self, key: EntryKey) -> tuple[float, float]:
        """Return an entry's pooled lead over the champion, and its evidence.

        They are 0 and minus infinity before both were scored in one round.
        """
        if self.champion is None or key not in self.network.submissions:
            return 0.0, -math.inf
        clock = self.network.submissions[key].clock_block
        found = self.network.tally.of_two(self.champion, key, clock)
        lead = 1 - found.sums.ratio if found.sums.num_samples else 0.0
        return lead, found.log_e

    def is_live(self, key: EntryKey) -> bool:
        submission = self.network.submissions.get(key)
        if submission is None or submission.retired:
            return False
        is_scored = self.network.history.is_scored(submission)
        return not is_scored or key in self.network.entries

    def is_free(self, hotkey: str) -> bool:
        key = self.newest.get(hotkey)
        if key is not None and self.is_live(key):
            return False
        last = self.network.history.last_challenge(Hotkey(hotkey))
        due = sync_block(self.number) + self.network.delay_blocks
        return last is None or due - last >= CHALLENGE_BLOCKS

    # --- what owners do -----------------------------------------------------------------------

    def trained(
        self,
        level: float,
        parents: Sequence[Trained] = (),
        alike: float = 0.0,
        known: Mapping[str, float] | None = None,
        swings: Mapping[str, float] | None = None,
        rare: float = 0.0,
    ) -> Trained:
        """Return a model whose errors correlate by ``alike`` with those of its parents' mean.

        It inherits nine tenths of what its parents know about signed rows.
        """
        parts: dict[int, float] = {}
        for parent in parents if alike else ():
            for source, weight in parent.lineage.items():
                parts[source] = parts.get(source, 0.0) + weight
        norm = math.sqrt(math.fsum(w * w for w in parts.values())) or 1.0
        parts = {s: alike * w / norm for s, w in parts.items() if alike * w / norm > FAINT}
        parts[next(self._ids)] = math.sqrt(1 - min(1.0, math.fsum(w * w for w in parts.values())))
        inherited: dict[str, float] = {}
        for parent in parents:
            for signer, edge in parent.known.items():
                inherited[signer] = max(inherited.get(signer, 0.0), 0.9 * edge)
        return Trained(
            level=level,
            lineage=parts,
            known={**inherited, **(known or {})},
            swings=swings or {},
            rare=rare,
        )

    def copy(self, model: Trained, alike: float = 0.9995) -> Trained:
        """Return the same model with a little noise in its weights."""
        noise = float(self.rng.normal(0, 1e-4))
        return self.trained(
            model.level * (1 + noise), [model], alike, model.known, None, model.rare
        )

    def train(self, owner: Owner, start: Trained, budget: float, alike: float) -> Trained | None:
        """Spend a budget on training from a model. Return ``None`` without a gain."""
        owner.cost += budget
        mean = self.rules.training.expected(start.level, self.base_level, budget)
        gain = self.rng.normal(mean, 0.5 * mean + 0.0005)
        return self.trained(start.level * (1 - gain), [start], alike) if gain > 0 else None

    def commit(
        self, owner: Owner, hotkey: str, model: Trained, *, offset: int | None = None
    ) -> EntryKey:
        """Commit a model before the next round; a new hotkey is registered first."""
        if hotkey not in self._owners:
            self._register(owner, hotkey)
        owner.cost += self.rules.costs.upload
        before = CADENCE - 10 if offset is None else offset
        late = int(self.rng.integers(10, CADENCE - 20)) if offset is None else before
        key = self.network.commit(hotkey, max(1, sync_block(self.number) - late))
        self.models[key] = model
        self.newest[hotkey] = key
        return key

    def leave(self, hotkey: str) -> None:
        """Give up a hotkey's place."""
        self.network.registered.discard(Hotkey(hotkey))
        self._paid.pop(hotkey, None)

    # --- a round ------------------------------------------------------------------------------

    def step(self) -> None:
        """Play one round: owners act, samples are drawn, the round is judged, miners are paid."""
        for owner in self.rng.permutation(np.array(self.owners, dtype=object)):
            owner.act()
        self._draw()
        for owner in self.owners:
            owner.hide()
        sync = sync_block(self.number)
        self.network.play_drawn(
            sync,
            lambda entries: {key: self.losses(key) for key in entries},
            private=self.hidden,
            signers=self._signers,
        )
        self.played()
        self._pay()
        self.levels.append(self.best.level)
        self.number += 1
        if self.number % DAY == 0:
            self._sweep()

    def played(self) -> None:
        """Run after the round is judged, before its samples are dropped."""

    def losses(self, key: EntryKey) -> Array:
        """Return the losses of one entry on the drawn samples."""
        model, rng = self.models[key], self.rng
        own = self.rules.model.gain_sd / math.sqrt(2)
        errors = np.zeros(len(self._samples))
        for source, weight in model.lineage.items():
            if source not in self._parts:
                self._parts[source] = own * rng.standard_normal(len(self._samples))
            errors += weight * self._parts[source]
        values: Array = self._samples * model.level + errors
        signers = list(self.shares)
        for signer, edge in model.known.items():
            if signer in self.shares:
                values[self._signers == signers.index(signer)] *= 1 - edge
        for signer, swing in model.swings.items():
            at = self._signers == signers.index(signer)
            values[at] *= 1 + swing * rng.uniform(-1, 1, int(at.sum()))
        if model.rare:
            bad = rng.random(len(values)) < model.rare
            values *= np.where(bad, 1 + 0.009 * (1 - model.rare) / model.rare, 1 - 0.009)
        return np.maximum(values, 1e-6)

    def _draw(self) -> None:
        num = self.rules.samples
        self._samples = champion_losses(self.rng, self.rules.model, (num,))
        self._parts = {}
        if len(self.shares) > 1:
            sizes = np.floor(np.cumsum(list(self.shares.values())) * num + 0.5)
            self._signers = np.searchsorted(sizes, np.arange(num), side="right").astype(np.intp)
            self.rng.shuffle(self._signers)
        else:
            self._signers = np.zeros(num, np.intp)

    def _register(self, owner: Owner, hotkey: str) -> None:
        self._owners[hotkey] = owner
        self._paid[hotkey] = self.number
        owner.cost += self.rules.costs.registration
        self.network.registered.add(Hotkey(hotkey))
        if len(self.network.registered) > SLOTS:
            raise ValueError(f"{len(self.network.registered)} hotkeys, and {SLOTS} places")

    def _pay(self) -> None:
        costs, rounds = self.rules.costs, self.network.rounds
        for owner in self.owners:
            owner.cost += costs.running_day / DAY if owner.is_active else 0.0
        held = standings(rounds, timing=TIMING)
        if held and not warm_up_left(rounds, timing=TIMING, warmup_rounds=WARM_UP):
            for paid, share in split_emission({ONE: 1.0}, {ONE: held}).shares.items():
                self._owners[paid].income += share * costs.day_pay / DAY
                self._paid[paid] = self.number
        for hotkey, since in self._paid.items():
            owner = self._owners[hotkey]
            if owner.is_active and self.number - since >= costs.lifetime_days * DAY:
                owner.cost += costs.registration
                self._paid[hotkey] = self.number

    def alive(self) -> set[EntryKey]:
        """Return the entries whose models may still be needed."""
        return {*self.network.submissions}

    def _sweep(self) -> None:
        """Forget models that are not needed again."""
        alive = self.alive()
        self.models = {k: m for k, m in self.models.items() if k in alive}
        self.hidden &= alive
