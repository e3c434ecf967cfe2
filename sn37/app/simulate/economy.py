"""Income of owners with strategies and costs, over thousands of rounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from sn37.app.simulate.copyists import (
    Attendee,
    Copier,
    Farm,
    Gambler,
    Merger,
    Perturber,
    Rotator,
    Squatter,
)
from sn37.app.simulate.estimate import Figure, Progress, mean
from sn37.app.simulate.market import DAY, Market, Owner, Rules
from sn37.app.simulate.trainers import (
    Abdicator,
    Cartel,
    Reserve,
    Sandbagger,
    Scratch,
    Sniper,
    Spammer,
    Trainer,
)

SMALL, MEDIUM, LARGE = 20.0, 100.0, 400.0  # dollars of one training
NUM_HONEST_SIGNERS = 5
AT_LEAST_NOTHING = (0.0, math.inf)


class Kind(StrEnum):
    """The source of a strategy's income."""

    HONEST = "honest"
    PROGRESS = "progress"  # true progress on models that others have published
    CHOICE = "choice"  # its own true progress, published when and how it pays
    ATTACK = "attack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A strategy, the number of its owners, and the rows that their friends sign."""

    kind: Kind
    make: Callable[[Market, str], Owner]
    num_owners: int = 1
    signs: Mapping[str, float] = field(default_factory=dict)  # signer: share of the rows


_COLLUDERS = ("colluder-1", "colluder-2", "colluder-3")  # 5 % of the rows each


def _large(of: type[Trainer], market: Market, name: str) -> Trainer:
    return of(market, name, budget=LARGE, period=2 * DAY)


STRATEGIES: Mapping[str, Strategy] = {
    "small": Strategy(
        kind=Kind.HONEST, make=lambda m, n: Trainer(m, n, budget=SMALL), num_owners=4
    ),
    "medium": Strategy(
        kind=Kind.HONEST, make=lambda m, n: Trainer(m, n, budget=MEDIUM), num_owners=3
    ),
    "large": Strategy(kind=Kind.HONEST, make=lambda m, n: _large(Trainer, m, n), num_owners=2),
    "scratch": Strategy(
        kind=Kind.HONEST, make=lambda m, n: Scratch(m, n, budget=LARGE, period=2 * DAY)
    ),
    "merger": Strategy(kind=Kind.PROGRESS, make=Merger),
    "perturber": Strategy(
        kind=Kind.PROGRESS,
        make=lambda m, n: Perturber(m, n, 40, mean=-0.002, sd=0.003, alike=0.9, cost=0.4),
    ),
    "tiny-tuner": Strategy(
        kind=Kind.PROGRESS,
        make=lambda m, n: Perturber(m, n, 5, mean=0.001, sd=0.0015, alike=0.97, cost=2.0),
    ),
    "sniper": Strategy(kind=Kind.CHOICE, make=lambda m, n: Sniper(m, n, budget=MEDIUM)),
    "sandbagger": Strategy(kind=Kind.CHOICE, make=lambda m, n: _large(Sandbagger, m, n)),
    "reserve": Strategy(kind=Kind.CHOICE, make=lambda m, n: _large(Reserve, m, n)),
    "cartel": Strategy(
        kind=Kind.ATTACK, make=lambda m, n: Cartel(m, n, budget=MEDIUM, num_hotkeys=16)
    ),
    "abdicator": Strategy(
        kind=Kind.ATTACK,
        make=lambda m, n: Abdicator(m, n, budget=LARGE, period=2 * DAY, sybils=16),
    ),
    "spammer": Strategy(
        kind=Kind.ATTACK, make=lambda m, n: Spammer(m, n, budget=MEDIUM, copies=40)
    ),
    "copier": Strategy(kind=Kind.ATTACK, make=lambda m, n: Copier(m, n, 20)),
    "farm": Strategy(kind=Kind.ATTACK, make=lambda m, n: Farm(m, n, 40)),
    "attendee": Strategy(kind=Kind.ATTACK, make=lambda m, n: Attendee(m, n, 4)),
    "gambler": Strategy(kind=Kind.ATTACK, make=lambda m, n: Gambler(m, n, 5)),
    "rotator": Strategy(kind=Kind.ATTACK, make=lambda m, n: Rotator(m, n, 10)),
    "squatter": Strategy(kind=Kind.ATTACK, make=Squatter),
    "known-rows": Strategy(
        kind=Kind.ATTACK,
        make=lambda m, n: Trainer(m, n, budget=MEDIUM, known={"friend": 0.1}),
        signs={"friend": 0.2},
    ),
    "colluding-rows": Strategy(
        kind=Kind.ATTACK,
        make=lambda m, n: Trainer(m, n, budget=MEDIUM, known=dict.fromkeys(_COLLUDERS, 0.95)),
        signs=dict.fromkeys(_COLLUDERS, 0.05),
    ),
    "odd-rows": Strategy(
        kind=Kind.ATTACK,
        make=lambda m, n: Trainer(m, n, budget=MEDIUM, swings={"odd": 0.9}),
        signs={"odd": 0.1},
    ),
}
TWINS = ("small", "medium", "large")  # honest strategies by their cost
HONEST = tuple(name for name, s in STRATEGIES.items() if s.kind is Kind.HONEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Income and costs of one strategy's owners in one run, in dollars."""

    income: float
    cost: float
    share: float  # of all pay
    num_crowns: int  # rounds with the crown

    @property
    def per_cost(self) -> float:
        return self.income / self.cost if self.cost else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Result of one run of a market."""

    accounts: Mapping[str, Account]
    level: float  # of the last champion; the first base has 1
    num_reigns: int

    def relative(self, name: str) -> float:
        """Return a strategy's income per cost, divided by that of all honest owners together."""
        honest = [a for n, a in self.accounts.items() if n in HONEST]
        all_honest = sum(a.income for a in honest) / sum(a.cost for a in honest)
        return self.accounts[name].per_cost / all_honest if all_honest else math.nan

    def twin_of(self, name: str) -> str:
        """Return the honest strategy whose owners spend about as much."""
        costs = {n: self.accounts[n].cost / STRATEGIES[n].num_owners for n in (name, *TWINS)}
        return min(TWINS, key=lambda n: abs(math.log(costs[n] / costs[name])))

    def over_twin(self, name: str) -> float:
        """Return the income per dollar minus that of honest work of the same cost."""
        return self.accounts[name].per_cost - self.accounts[self.twin_of(name)].per_cost


def owners_of(name: str, strategy: Strategy, market: Market) -> list[Owner]:
    """Return the owners that follow a strategy."""
    if strategy.num_owners == 1:
        return [strategy.make(market, name)]
    return [strategy.make(market, f"{name}-{n + 1}") for n in range(strategy.num_owners)]


def play(rules: Rules, strategies: Collection[str], *, rounds: int, seed: int) -> Run:
    """Play one run with honest owners and those of the strategies."""
    taking_part = [s for s in STRATEGIES if s in HONEST or s in strategies]
    signs = {k: v for s in taking_part for k, v in STRATEGIES[s].signs.items()}
    left = 1 - sum(signs.values())
    if signs:
        for number in range(NUM_HONEST_SIGNERS):
            signs[f"signer-{number}"] = left / NUM_HONEST_SIGNERS
    market = Market(rules, seed, signs)
    owners: dict[str, list[Owner]] = {}
    for name in taking_part:
        owners[name] = owners_of(name, STRATEGIES[name], market)
        market.owners += owners[name]
    held = dict.fromkeys(taking_part, 0)
    by_owner = {id(o): name for name, of_name in owners.items() for o in of_name}
    num_reigns, champion = 0, None
    for _ in range(rounds):
        market.step()
        if market.champion is not None:
            held[by_owner[id(market.owner_of(market.champion))]] += 1
            num_reigns += market.champion != champion
            champion = market.champion
    total = sum(o.income for o in market.owners) or 1.0
    accounts = {
        name: Account(
            income=sum(o.income for o in of_name),
            cost=sum(o.cost for o in of_name),
            share=sum(o.income for o in of_name) / total,
            num_crowns=held[name],
        )
        for name, of_name in owners.items()
    }
    return Run(accounts=accounts, level=market.best.level, num_reigns=num_reigns)


def runs(
    rules: Rules,
    strategies: Collection[str],
    *,
    rounds: int,
    num_runs: int,
    seed: int,
    progress: Progress,
) -> list[Run]:
    """Play ``num_runs`` independent runs. Deterministic in ``seed``."""
    found = list[Run]()
    for number in range(num_runs):
        run_seed = 1_000_003 * seed + number
        found.append(play(rules, strategies, rounds=rounds, seed=run_seed))
        progress(number + 1, num_runs)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Result of one strategy over all runs: means with intervals."""

    strategy: str
    kind: Kind
    num_owners: int
    share: Figure  # of all pay
    cost_day: Figure  # dollars for each owner and day
    per_cost: Figure  # income per cost
    relative: Figure  # income per cost, divided by that of all honest owners
    over_twin: Figure  # income per cost, minus that of honest owners with about the same cost
    twin: str


def table(
    rules: Rules,
    strategies: Collection[str],
    *,
    alone: bool,
    rounds: int,
    num_runs: int,
    seed: int,
    progress: Progress,
) -> list[Line]:
    """Measure all strategies at once beside honest owners, or each of them separately.

    With ``alone``, the honest owners' lines come from runs without any other strategy.
    """
    groups: list[tuple[str, ...]] = [(), *((n,) for n in strategies)] if alone else [(*strategies,)]
    result = list[Line]()
    for number, group in enumerate(groups):
        done = number * num_runs
        found = runs(
            rules,
            group,
            rounds=rounds,
            num_runs=num_runs,
            seed=seed,
            progress=partial(_further, progress, done, len(groups) * num_runs),
        )
        shown = HONEST if not group else group if alone else (*HONEST, *group)
        result += [line_of(name, found, rounds) for name in STRATEGIES if name in shown]
    return result


def line_of(name: str, found: Sequence[Run], rounds: int) -> Line:
    """Return the result of one strategy over some runs."""
    strategy = STRATEGIES[name]
    accounts = [run.accounts[name] for run in found]
    days = rounds / DAY * strategy.num_owners
    return Line(
        strategy=name,
        kind=strategy.kind,
        num_owners=strategy.num_owners,
        share=mean("share of pay", [a.share for a in accounts], within=(0.0, 1.0)),
        cost_day=mean("cost of an owner a day", [a.cost / days for a in accounts]),
        per_cost=mean("income per cost", [a.per_cost for a in accounts], within=AT_LEAST_NOTHING),
        relative=mean(
            "relative to all honest owners",
            [r.relative(name) for r in found],
            within=AT_LEAST_NOTHING,
        ),
        over_twin=mean("over honest work of its cost", [r.over_twin(name) for r in found]),
        twin=Counter(r.twin_of(name) for r in found).most_common(1)[0][0],
    )


def _further(progress: Progress, before: int, total: int, done: int, _of: int) -> None:
    progress(before + done, total)
