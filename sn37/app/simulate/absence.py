"""Validators that miss rounds: how often their champion differs, and what that costs them.

All judge the same running competition: honest owners commit, and each validator scores the same
samples with its own rounding noise. A validator that misses a round judges nothing in it and keeps
its weights. One that scores missed rounds later has, before its next round, the losses of entries
whose evidence still counts, its champion and contenders; past verdicts do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sn37.app.simulate.economy import HONEST, STRATEGIES, owners_of
from sn37.app.simulate.estimate import Figure, Progress, mean
from sn37.app.simulate.losses import Array
from sn37.app.simulate.market import Market, Owner, Rules, Trained
from sn37.app.simulate.members import one_task
from sn37.app.simulate.network import TIMING, sync_block
from sn37.app.simulate.quick_network import QuickNetwork
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.weights.standings import standings

CUT = 40  # first rounds, which are not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a validator takes part."""

    name: str
    missed: float = 0.0  # share of rounds
    catches_up: bool = False  # by scoring them later


class Peer:
    """Another validator in the same market."""

    def __init__(self, market: Market, habit: Habit, noise: float, seed: int) -> None:
        self.market, self.habit, self.noise = market, habit, noise
        self.rng = np.random.default_rng(seed)
        rules = market.rules
        self.network = QuickNetwork(epsilon=rules.epsilon, tasks=one_task(rules.samples))
        self.network.registered = market.network.registered

    def play(self, sync: Block) -> None:
        if self.rng.random() >= self.habit.missed:
            self.network.play_drawn(sync, self.losses)
        else:
            self.network.miss(sync, self.losses if self.habit.catches_up else None)

    def losses(self, entries: Sequence[EntryKey]) -> Mapping[EntryKey, Array]:
        return {
            key: self.market.losses(key) + self.noise * self.rng.standard_normal(self.num)
            for key in entries
        }

    @property
    def num(self) -> int:
        return self.market.rules.samples

    @property
    def weights(self) -> Mapping[Hotkey, float]:
        return standings(self.network.rounds, timing=TIMING)


class Watched(Market):
    """A market that other validators judge too. Its own validator also has rounding noise."""

    def __init__(self, rules: Rules, seed: int, habits: Sequence[Habit], noise: float) -> None:
        self.peers: list[Peer] = []
        super().__init__(rules, seed, {})
        self.peers = [Peer(self, h, noise, seed * 100 + n) for n, h in enumerate(habits)]

    def commit(
        self, owner: Owner, hotkey: str, model: Trained, *, offset: int | None = None
    ) -> EntryKey:
        key = super().commit(owner, hotkey, model, offset=offset)
        for peer in self.peers:
            peer.network.commit(key.hotkey, key.block)
        return key

    def alive(self) -> set[EntryKey]:
        return super().alive().union(*(peer.network.submissions for peer in self.peers))

    def played(self) -> None:
        for peer in self.peers:
            peer.play(sync_block(self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of one validator with the one that misses nothing, over a run."""

    differing: float  # share of rounds after which they have different champions
    overlap: float  # mean overlap of their weights: vtrust, if the other were the consensus
    low: float  # share of rounds with an overlap below 0.9


def figures(
    rules: Rules,
    habits: Sequence[Habit],
    *,
    rounds: int,
    num_runs: int,
    seed: int,
    noise: float,
    progress: Progress,
) -> list[Figure]:
    """Measure how well each validator agrees with one that misses nothing."""
    found = list[list[Agreement]]()
    for number in range(num_runs):
        found.append(_run(rules, habits, rounds, 1_000_003 * seed + number, noise))
        progress(number + 1, num_runs)
    told: list[tuple[str, Callable[[Agreement], float]]] = [
        ("rounds with another champion", lambda a: a.differing),
        ("overlap of weights", lambda a: a.overlap),
        ("rounds with an overlap below 0.9", lambda a: a.low),
    ]
    return [
        mean(f"{habit.name}: {what}", [of(run[n]) for run in found], within=(0.0, 1.0))
        for n, habit in enumerate(habits)
        for what, of in told
    ]


def _run(
    rules: Rules, habits: Sequence[Habit], rounds: int, seed: int, noise: float
) -> list[Agreement]:
    market = Watched(rules, seed, habits, noise)
    for name in HONEST:
        market.owners += owners_of(name, STRATEGIES[name], market)
    differing, overlaps = [], []
    for _ in range(rounds):
        market.step()
        if market.number <= CUT:
            continue
        consensus = standings(market.network.rounds, timing=TIMING)
        champion = market.network.history.champion
        differing.append([p.network.history.champion != champion for p in market.peers])
        overlaps.append(
            [sum(min(w, consensus.get(h, 0.0)) for h, w in p.weights.items()) for p in market.peers]
        )
    apart, shared = np.array(differing), np.array(overlaps)
    return [
        Agreement(
            differing=float(apart[:, n].mean()),
            overlap=float(shared[:, n].mean()),
            low=float((shared[:, n] < 0.9).mean()),
        )
        for n in range(len(habits))
    ]
