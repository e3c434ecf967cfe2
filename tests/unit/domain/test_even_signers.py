"""A minority of the signers neither takes a crown nor has an honest entry retired."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.ids import Block, EntryKey, Hotkey, TaskName
from sn37.domain.round.comparing import Comparer, Contestant, measure
from sn37.domain.round.earlier_rivals import waits_for
from sn37.domain.round.even_signers import evened
from sn37.domain.round.evidence import LOG_EVEN_LEVEL, LOG_LEVEL
from sn37.domain.round.odd_signers import MIN_SIGNED
from sn37.domain.round.racing import is_hopeless, race
from sn37.domain.round.signers import Origin
from sn37.domain.round.winner import Crown, Hurdle, KingOfTheHill
from sn37.domain.schedule.epsilon import FixedEpsilon

TEXT = TaskName("text")
END = 0.005
SYNC = Block(100)

Rows = tuple[list[float], list[float], list[Origin]]


def origin(name: str | None, task: str = "text") -> Origin:
    return Origin(TaskName(task), None if name is None else Hotkey(name))


def rows(
    num: Mapping[str, int],
    *,
    gain: float = 0.0,
    edges: Mapping[str, float] | None = None,
    known: Mapping[str, float] | None = None,
    seed: int = 0,
    task: str = "text",
) -> Rows:
    """Losses of a champion and a challenger in mixed order.

    ``edges`` has signers on whose rows the challenger is better by so much more, ``known`` those
    whose rows the champion knows: its loss there is so much smaller.
    """
    rng = random.Random(seed)
    names = [name for name, count in num.items() for _ in range(count)]
    rng.shuffle(names)
    champion, challenger = [], []
    for name in names:
        a = rng.lognormvariate(0, 0.4)
        better = gain + (edges or {}).get(name, 0.0)
        challenger.append(a * (1 - better) + a * rng.gauss(0, 0.08))
        champion.append(a * (1 - (known or {}).get(name, 0.0)))
    return champion, challenger, [origin(name, task) for name in names]


def hurdle_of(found: Rows, *, is_current: bool = True) -> Hurdle | None:
    """What keeps the challenger from the crown after one round."""
    champion, challenger, origins = found
    old, new = EntryKey(Hotkey("old"), Block(1)), EntryKey(Hotkey("new"), Block(2))
    decision = KingOfTheHill().decide(
        crown=Crown(holder=old, is_current=is_current),
        contestants=[
            Contestant(
                key=key,
                precedence=(key.block, 0, key.hotkey),
                evidence={SYNC: tuple(values)},
                since=key.block,
            )
            for key, values in ((old, champion), (new, challenger))
        ],
        at=SYNC,
        epsilon=FixedEpsilon(END),
        origins={SYNC: tuple(origins)},
    )
    return decision.comparisons[0].hurdle


def hopeless(found: Rows) -> bool:
    champion, challenger, origins = found
    return is_hopeless(
        {SYNC: tuple(champion)},
        {SYNC: tuple(challenger)},
        epsilon_end=END,
        origins={SYNC: tuple(origins)},
    )


NINE = dict.fromkeys(["f0", "f1", "f2"], 45) | dict.fromkeys([f"h{i}" for i in range(6)], 27)


def test_t51_an_edge_below_the_limit_on_a_minoritys_rows_takes_no_crown() -> None:
    """Three friends of nine signers, each with an edge that is not odd enough to be found."""
    edges = dict.fromkeys(["f0", "f1", "f2"], 0.065)
    found = [rows(NINE, edges=edges, seed=seed) for seed in range(60)]
    hurdles = [hurdle_of(each) for each in found]
    assert None not in hurdles
    assert Hurdle.SIGNERS in hurdles  # proven, by what was asked for before


def test_t51_a_minoritys_rows_lift_no_gain_over_the_margin() -> None:
    """A true gain of 0.35 % with proof enough, and three friends of nine whose edge is not odd."""
    many = {name: 30 * num for name, num in NINE.items()}
    edges = dict.fromkeys(["f0", "f1", "f2"], 0.008)
    found = [rows(many, gain=0.0035, edges=edges, seed=seed) for seed in range(5)]
    before = [hurdle_of(each, is_current=False) for each in found]
    assert before.count(None) >= 3  # by the rule of older rounds
    assert [hurdle_of(each) for each in found] == [Hurdle.SIGNERS] * 5


def test_the_margin_of_rows_that_nobody_signed_is_as_it_was() -> None:
    champion, challenger, _ = rows({"a": 100}, gain=0.05)
    unsigned = measure(
        {SYNC: tuple(champion)}, {SYNC: tuple(challenger)}, since=Block(1), epsilon_end=END
    )
    assert unsigned.even_loss == unsigned.sums.challenger
    assert unsigned.even_ratio == unsigned.sums.ratio
    nothing = measure({}, {}, since=Block(1), epsilon_end=END)
    assert math.isnan(nothing.even_ratio)
    assert not nothing.clears_evenly(END)


def by_round(gains: Mapping[int, Mapping[str, float]], name: str, block: int) -> Contestant:
    """An entry with these gains on 600 rows of each signer, and noise that evens out."""
    evidence = {
        Block(sync): tuple(
            1 - gain + 0.04 * (-1) ** n for gain in of_round.values() for n in range(600)
        )
        for sync, of_round in gains.items()
    }
    key = EntryKey(Hotkey(name), Block(block))
    return Contestant(key=key, precedence=(block, 0, name), evidence=evidence, since=Block(block))


def waited_for(entries: list[Contestant], *, is_current: bool) -> str | None:
    champion = replace(entries[0], evidence=dict.fromkeys(entries[0].evidence, (1.0,) * 3000))
    signed = tuple(origin(f"s{n}") for n in range(5) for _ in range(600))
    found = waits_for(
        champion,
        entries[-1],
        entries[1:-1],
        margin=0.01,
        comparer=Comparer(epsilon_end=0.01, origins=dict.fromkeys(champion.evidence, signed)),
        is_current=is_current,
    )
    return found.key.hotkey if found else None


def test_t51_nobody_waits_for_a_margin_that_rests_on_a_friends_rows() -> None:
    friends = {"s0": 0.0145} | dict.fromkeys(["s1", "s2", "s3", "s4"], 0.0095)
    champion = by_round({100: friends}, "champion", 1)
    friend = by_round({100: friends}, "friend", 2)
    honest = by_round({100: dict.fromkeys(friends, 0.02)}, "honest", 3)
    entries = [champion, friend, honest]
    assert waited_for(entries, is_current=False) == "friend"
    assert waited_for(entries, is_current=True) is None


def test_an_original_is_waited_for_that_has_the_margin_on_the_shared_rows() -> None:
    """A copy's clock begins in a lucky round: before, its original had not quite the margin."""
    names = [f"s{n}" for n in range(5)]
    poor, lucky = dict.fromkeys(names, -0.003), dict.fromkeys(names, 0.02)
    champion = by_round({100: poor, 200: lucky}, "champion", 1)
    original = by_round({100: poor, 200: lucky}, "original", 2)
    copy = by_round({200: lucky}, "copy", 150)
    assert waited_for([champion, original, copy], is_current=True) == "original"


def test_t51_rows_in_many_tasks_too_few_to_be_judged_take_no_crown() -> None:
    """One friend signs less than sixteen rows of each of five tasks, and all are known by heart."""
    signers = dict.fromkeys(["f", "h0", "h1", "h2", "h3"], 12)
    found: Rows = ([], [], [])
    for place in range(5):
        part = rows(signers, edges={"f": 0.95}, seed=place, task=f"task-{place}")
        for whole, more in zip(found, part, strict=True):
            whole += more  # type: ignore[operator]
    champion, challenger, origins = found
    case = measure(
        {SYNC: tuple(champion)},
        {SYNC: tuple(challenger)},
        since=Block(1),
        epsilon_end=END,
        origins={SYNC: tuple(origins)},
    )
    assert case.log_e >= LOG_LEVEL
    assert case.odd == ()
    assert case.even_log_e < LOG_EVEN_LEVEL
    assert hurdle_of(found) is Hurdle.SIGNERS


def test_t51_rows_that_the_champion_knows_retire_no_honest_newcomer() -> None:
    """Two friends of nine signers, before any signer has rows enough to be found odd."""
    friends = dict.fromkeys(["f0", "f1"], 14)
    honest = dict.fromkeys([f"h{i}" for i in range(7)], 5)
    known = dict.fromkeys(friends, 0.95)
    found = [rows(friends | honest, gain=0.03, known=known, seed=seed) for seed in range(30)]
    assert not any(map(hopeless, found))
    before = [
        race(
            {SYNC: tuple(champion)},
            {SYNC: tuple(challenger)},
            epsilon_end=END,
            origins={SYNC: tuple(origins)},
        ).is_hopeless
        for champion, challenger, origins in found
    ]
    assert sum(before) > 15  # what was enough before


def test_a_worse_model_is_stopped_as_before_whoever_signs() -> None:
    found = [rows(dict.fromkeys(NINE, 10), gain=-0.1, seed=seed) for seed in range(20)]
    assert all(map(hopeless, found))


def test_t51_with_most_signers_odd_there_is_no_verdict_whatever_their_share() -> None:
    """Two of five flood the draw: beside their rows those of the other three look odd."""
    flood = dict.fromkeys(["f0", "f1"], 400) | dict.fromkeys(["h0", "h1", "h2"], 80)
    found = rows(flood, edges={"f0": 0.15, "f1": 0.15})
    assert hurdle_of(found) is Hurdle.SUSPECT
    assert not hopeless(rows(flood, gain=-0.3, edges={"f0": 0.15, "f1": 0.15}))


def test_a_true_gain_is_proven_whoever_signs() -> None:
    assert hurdle_of(rows(NINE, gain=0.06)) is None
    assert hurdle_of(rows(NINE, gain=0.08, known={"f0": 0.9})) is None


def test_the_loudest_signers_are_cut_to_the_median_signer() -> None:
    champion = [1.0, 3.0, 2.0, 2.0, 1.0]
    gains = [0.4, 0.4, 0.1, -0.2, 5.0]
    origins = [origin("a"), origin("a"), origin("b"), origin("c"), origin("c", "other")]
    # Shares: a 0.2, b 0.05, c -0.1. The median is b's; the other task has one signer.
    assert evened(champion, gains, origins) == pytest.approx([0.25, -0.05, 0.1, -0.2, 5.0])


def test_of_two_signers_the_lower_counts() -> None:
    found = evened([1.0, 1.0], [0.3, 0.1], [origin("a"), origin("b")])
    assert found == pytest.approx([0.1, 0.1])


def test_rows_without_loss_stay_as_they_are() -> None:
    found = evened([0.0, 1.0, 1.0], [-0.5, 0.3, 0.1], [origin("z"), origin("a"), origin("b")])
    assert found == pytest.approx([-0.5, 0.1, 0.1])


row = st.tuples(st.floats(0.1, 10), st.floats(-5, 5), st.sampled_from(["a", "b", "c", "d", None]))


@given(st.lists(row, max_size=40))
def test_nothing_is_added_and_one_signer_alone_changes_nothing(table: list[tuple]) -> None:  # type: ignore[type-arg]
    champion, gains = [r[0] for r in table], [r[1] for r in table]
    found = evened(champion, gains, [origin(r[2]) for r in table])
    assert all(new <= old for new, old in zip(found, gains, strict=True))
    assert evened(champion, gains, [origin("a")] * len(table)) == gains


@given(st.lists(row, min_size=1, max_size=40), st.lists(st.floats(-5, 1e6), max_size=2))
def test_t51_whatever_a_minority_gains_adds_no_more_than_the_others_show(
    table: list[tuple],  # type: ignore[type-arg]
    edges: list[float],
) -> None:
    """At most two signers are added to at least three: each stays at or below the best of the
    others."""
    honest = [r for r in table if r[2] is not None]
    signers = {r[2] for r in honest}
    if len(signers) <= len(edges):
        return
    friends = [(1.0, edge, f"friend-{n}") for n, edge in enumerate(edges)]
    both = [*honest, *friends]
    found = evened([r[0] for r in both], [r[1] for r in both], [origin(r[2]) for r in both])
    best = max(
        math.fsum(r[1] for r in honest if r[2] == s) / math.fsum(r[0] for r in honest if r[2] == s)
        for s in signers
    )
    assert all(gain <= best + 1e-9 for gain in found[len(honest) :])


def test_signers_with_few_rows_do_not_make_a_verdict_impossible() -> None:
    """Only those that are judged alone are counted."""
    few = dict.fromkeys([f"t{i}" for i in range(8)], MIN_SIGNED - 1)
    many = dict.fromkeys(["h0", "h1", "h2"], 200)
    found = rows(few | many, gain=0.04, edges=dict.fromkeys(few, 0.5))
    assert hurdle_of(found) is not Hurdle.SUSPECT
