"""Who stays in the rounds, who inherits, and who is waited for: what holds by construction."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, EntryKey, Hotkey, TaskName
from sn37.domain.round.comparing import (
    EVEN_LEAD,
    NO_ORIGINS,
    STAYING_LEAD,
    Comparer,
    Contestant,
    Measured,
)
from sn37.domain.round.contender_places import (
    MAX_CONTENDERS,
    MAX_FOLLOWERS,
    contenders,
    distinct_first,
    ranked,
)
from sn37.domain.round.earlier_rivals import followed_by, waits_for
from sn37.domain.round.signers import Origin
from sn37.domain.round.winner import UNSHIELDED_ROUNDS, Crown, Decision, Hurdle, KingOfTheHill
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.testing.contests import contest, contestant

END = 0.01


def comparer() -> Comparer:
    return Comparer(epsilon_end=END)


def places(king: Contestant, others: Sequence[Contestant]) -> tuple[str, ...]:
    return tuple(c.key.hotkey for c in contenders(king, others, comparer()))


def decide(
    contestants: Sequence[Contestant],
    crown: Crown,
    *,
    epsilon: FixedEpsilon | LinearEpsilon | None = None,
    at: int = 500,
) -> Decision:
    return KingOfTheHill().decide(
        crown=crown,
        contestants=contestants,
        at=Block(at),
        epsilon=epsilon or FixedEpsilon(END),
        origins=NO_ORIGINS,
    )


@st.composite
def crowds(draw: st.DrawFn) -> list[Contestant]:
    """A champion, and up to nine entries that are alike in groups."""
    gains = draw(st.lists(st.sampled_from([-0.05, 0.0, 0.02, 0.03, 0.2]), min_size=1, max_size=9))
    joined = sorted(draw(st.integers(0, 2)) for _ in gains)
    return contest(
        {"champion": 0.0, **{f"hk{i}": gain for i, gain in enumerate(gains)}},
        joined={f"hk{i}": first for i, first in enumerate(joined)},
        num_samples=draw(st.sampled_from([16, 48])),
        noise=draw(st.sampled_from([0.0, 0.02, 0.3])),
        seed=draw(st.integers(0, 10**6)),
    )


@settings(max_examples=40)
@given(crowds())
def test_t53_no_later_entry_takes_the_place_of_an_earlier_leading_one(
    entries: list[Contestant],
) -> None:
    """Whoever has a place is better than each earlier leader, or that leader has one too."""
    king, *others = entries
    scales = comparer()
    chosen = contenders(king, others, scales)
    order = ranked(king, others, scales)
    followers = 0
    for entry in chosen:
        follows = followed_by(king, entry, order, margin=END, comparer=scales)
        followers += follows is not None
        assert follows is None or follows.rival in chosen
    assert len(chosen) == min(MAX_CONTENDERS, len(chosen))
    assert len(chosen) >= min(1, len(order))


@settings(max_examples=30)
@given(st.integers(1, 12), st.sampled_from([0.0, 0.001, 0.05]), st.integers(0, 10**6))
def test_t53_clones_of_an_unproven_leader_never_push_it_out(
    number: int, noise: float, seed: int
) -> None:
    """Their luck makes no difference, as long as they are not better than it by the margin."""
    gains = {"champion": 0.0, "original": 0.05, **{f"clone{i:02d}": 0.05 for i in range(number)}}
    king, original, *clones = contest(gains, num_samples=64, noise=noise, seed=seed)
    if not comparer().measure(king, original).sums.clears(END):
        return
    better = [c for c in clones if total(c) < total(original) * (1 - END)]
    same = [c for c in clones if c not in better]
    assert "original" in places(king, [original, *same])
    decision = decide([king, *same], Crown(holder=king.key), at=400)
    with_it = decide(
        [king, replace(original, is_present=False), *same], Crown(holder=king.key), at=400
    )
    half_way = comparer().measure(king, original).log_e >= math.log(1e6) / 2
    if half_way and decision.champion != king.key:
        assert with_it.champion == king.key  # it is absent, and yet waited for


def total(entry: Contestant) -> float:
    return math.fsum(v for values in entry.evidence.values() for v in values)


def spread(mean: float) -> dict[int, list[float]]:
    """Forty samples of this mean that vary by as much for everybody."""
    return {100: [mean - 0.3, mean + 0.3] * 20}


def five_leaders() -> list[Contestant]:
    return [contestant(f"h{i}", spread(0.9 - i / 10), block=2 + i) for i in range(5)]


def test_one_place_is_kept_for_the_best_follower() -> None:
    king = contestant("champion", {100: [1.0] * 40}, block=1)
    heads = five_leaders()
    worse = contestant("worse", spread(0.6), block=20)
    better = contestant("better", spread(0.498), block=21)
    assert places(king, heads) == ("h4", "h3", "h2", "h1")
    assert places(king, [*heads, worse, better]) == ("h4", "h3", "h2", "better")
    assert MAX_FOLLOWERS == 1


def test_a_follower_has_no_place_while_the_one_that_it_follows_has_none() -> None:
    king = contestant("champion", {100: [1.0] * 40}, block=1)
    heads = five_leaders()
    copy = contestant("copy", spread(0.9), block=20)  # of h0, the last of five
    assert places(king, [*heads, copy]) == ("h4", "h3", "h2", "h1")


def test_whom_a_forerunner_follows_has_a_place_before_both() -> None:
    """Better than the first, but not than the second, which is not better than the first."""
    king = contestant("champion", spread(1.0), block=1)
    first, second, third = (
        contestant(name, spread(mean), block=2 + n)
        for n, (name, mean) in enumerate((("first", 0.9), ("second", 0.895), ("third", 0.888)))
    )
    others = [first, second, third]
    found = [followed_by(king, e, others, margin=END, comparer=comparer()) for e in others]
    assert [f.rival.key.hotkey if f else None for f in found] == [None, "first", "second"]
    assert places(king, others) == ("first", "second", "third")


def copies_of(
    originals: Sequence[Contestant], copied: Sequence[int], noise: float, seed: int
) -> list[Contestant]:
    """Later entries, each the original of that number with noise."""
    copies = []
    for number, which in enumerate(copied):
        of, luck = originals[which % len(originals)], random.Random(f"{number} {seed}")
        evidence: dict[int, list[float]]
        evidence = {s: [v + luck.gauss(0, noise) for v in of.evidence[s]] for s in of.evidence}
        copies.append(contestant(f"copy{number:02d}", evidence, block=of.since + 1, index=number))
    return copies


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0.0, 0.01, 0.03]), min_size=1, max_size=5),
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.001, 0.005]),
    st.integers(0, 10**6),
)
def test_t53_of_the_hopeful_no_copy_comes_before_an_original(
    gains: list[float], copied: list[int], noise: float, seed: int
) -> None:
    """However many copies there are, lucky ones, and of originals that are older than others."""
    king, *originals = contest(
        {"champion": 0.0, **{f"hk{i}": gain for i, gain in enumerate(gains)}},
        noise=0.2,
        seed=seed,
    )
    copies = copies_of(originals, copied, noise, seed)
    known = sorted([*originals, *copies], key=lambda c: c.precedence)
    found = distinct_first(king, known, comparer())
    assert set(map(id, found[: len(originals)])) == set(map(id, originals))
    assert set(map(id, found)) == set(map(id, known))


def test_an_entry_that_shares_no_sample_with_earlier_ones_is_taken_for_an_original() -> None:
    king = contestant("champion", {100: [1.0], 200: [1.0]})
    first, copy = (contestant(h, {100: [0.9]}, block=b) for h, b in (("first", 2), ("copy", 3)))
    late = contestant("late", {200: [0.9]}, block=150)
    found = distinct_first(king, [first, copy, late], comparer())
    assert [c.key.hotkey for c in found] == ["first", "late", "copy"]


def test_noise_buys_no_place() -> None:
    """The same lead on average, once steady and once with wild swings: the steady one is first."""
    king = contestant("champion", {100: [1.0] * 40}, block=1)
    wild = contestant("wild", {100: [0.5, 1.3] * 20}, block=2)
    steady = contestant("steady", {100: [0.91] * 40}, block=3)
    assert [c.key.hotkey for c in ranked(king, [wild, steady], comparer())] == ["steady", "wild"]


def test_of_equal_entries_the_earlier_is_first() -> None:
    king = contestant("champion", {100: [1.0]})
    tied = [contestant(h, {100: [1.0]}, block=b) for h, b in (("x", 9), ("y", 3), ("z", 5))]
    assert places(king, tied) == ("y", "z", "x")


def test_neither_the_champion_nor_an_unpaired_or_broken_entry_has_a_place() -> None:
    king = contestant("champion", {100: [1.0]})
    unpaired = contestant("unpaired", {200: [0.5]})
    broken = replace(unpaired, evidence={Block(100): (math.nan,)})
    assert places(king, [king, unpaired, broken]) == ()


class ByFriends(Comparer):
    """As if the leads of models named so rested on the rows of a few friends."""

    def measure(self, champion: Contestant, challenger: Contestant) -> Measured:
        found = super().measure(champion, challenger)
        is_friend = challenger.key.hotkey.startswith("friend")
        return replace(found, even_lead=EVEN_LEAD - 0.1) if is_friend else found


def test_who_leads_by_the_rows_of_a_few_signers_takes_no_place_of_another() -> None:
    king = contestant("champion", spread(1.0), block=1)
    friends = [contestant(f"friend-{n}", spread(0.9), block=2 + n) for n in range(5)]
    honest = contestant("honest", spread(0.95), block=9)
    others, scales = [*friends, honest], ByFriends(epsilon_end=END)
    assert [scales.measure(king, c).rests_on_few for c in others] == [True] * 5 + [False]
    found = [c.key.hotkey for c in contenders(king, others, scales)]
    assert found[0] == "honest"
    before = [c.key.hotkey for c in contenders(king, others, scales, is_current=False)]
    assert before == ["friend-0", "friend-1", "friend-2", "friend-3"]
    for asks, heir in ((True, "honest"), (False, "friend-0")):
        decision = KingOfTheHill(comparer=lambda end, _: ByFriends(epsilon_end=end)).decide(
            crown=Crown(former=replace(king, is_present=False), is_current=asks),
            contestants=others,
            at=Block(500),
            epsilon=FixedEpsilon(END),
            origins=NO_ORIGINS,
        )
        assert decision.comparisons[0].champion.hotkey == heir


def test_who_is_far_behind_on_all_rows_does_not_rest_on_a_few() -> None:
    king = contestant("champion", spread(1.0), block=1)
    worse = contestant("friend", spread(1.5), block=2)
    found = ByFriends(epsilon_end=END).measure(king, worse)
    assert found.lead < EVEN_LEAD
    assert not found.rests_on_few


def test_the_lead_with_even_signers_is_that_without_the_loudest() -> None:
    rows = tuple(Origin(TaskName("text"), Hotkey(f"s{n % 5}")) for n in range(60))
    a = [1 + (n % 7) / 10 for n in range(60)]
    gains = [0.0, 0.0, 0.02, 0.02, 0.1]
    b = [x * (1 - gains[n % 5]) for n, x in enumerate(a)]
    even = [x * (1 - min(gains[n % 5], 0.02)) for n, x in enumerate(a)]
    king, challenger = contestant("champion", {100: a}), contestant("loud", {100: b}, block=2)
    quiet = contestant("quiet", {100: even}, block=2)
    signed = Comparer(epsilon_end=END, origins={Block(100): rows})
    expected = comparer().measure(king, quiet).lead
    assert signed.measure(king, challenger).even_lead == pytest.approx(expected)
    unsigned = comparer().measure(king, challenger)
    assert unsigned.even_lead == unsigned.lead > expected


def test_one_without_a_verdict_keeps_a_place_that_nobody_else_needs() -> None:
    """Its rows were suspect so far; never scored again it could never be judged."""
    names = [f"s{i}" for i in range(6)]
    of = tuple(Origin(TaskName("text"), Hotkey(n)) for n in names for _ in range(40))
    king = contestant("champion", {100: [1.0, 1.2] * 120}, block=1)
    by_signer = [1 - 0.15 * i + 0.01 * (-1) ** j for i in range(6) for j in range(40)]
    suspect = contestant("suspect", {100: by_signer}, block=2)
    other = contestant("other", {100: [1.2, 1.0] * 120}, block=3)
    scales = Comparer(epsilon_end=END, origins={Block(100): of})
    assert scales.measure(king, suspect).is_suspect
    assert [c.key.hotkey for c in ranked(king, [suspect, other], scales)] == ["other", "suspect"]
    decision = KingOfTheHill().decide(
        crown=Crown(holder=king.key),
        contestants=[king, suspect],
        at=Block(500),
        epsilon=FixedEpsilon(END),
        origins={Block(100): of},
    )
    (comparison,) = decision.comparisons
    assert comparison.hurdle is Hurdle.SUSPECT
    assert set(comparison.odd_signers) < set(names)


def test_samples_before_the_clock_count_for_nobody() -> None:
    king = contestant("champion", {100: [1.0] * 40, 300: [1.0] * 40})
    lucky = contestant("lucky", {100: [0.5] * 40, 300: [1.0] * 40}, block=2)
    assert comparer().measure(king, lucky).sums.ratio == pytest.approx(0.75)
    restarted = replace(lucky, since=Block(200))
    assert comparer().measure(king, restarted).sums.ratio == 1.0
    assert comparer().measure(king, replace(lucky, since=Block(301))).sums.num_samples == 0


@settings(max_examples=30)
@given(crowds(), st.data())
def test_t54_a_vacant_crown_never_goes_to_a_stranger_while_somebody_has_evidence(
    entries: list[Contestant], data: st.DataObject
) -> None:
    former, *others = entries
    sybils = [
        contestant(f"sybil{i}", {400: [0.1] * 16}, block=data.draw(st.integers(0, 2)))
        for i in range(data.draw(st.integers(1, 3)))
    ]
    scored = [replace(e, evidence={**e.evidence, Block(400): (1.0,) * 16}) for e in others]
    decision = decide([*sybils, *scored], Crown(former=former))
    with_evidence = {c.key for c in ranked(former, scored, comparer())}
    first = decision.comparisons[0].champion if decision.comparisons else decision.champion
    if with_evidence:
        assert first in with_evidence
        heirs = contenders(former, scored, comparer())
        assert first == heirs[0].key
        assert followed_by(former, heirs[0], scored, margin=END, comparer=comparer()) is None
    else:
        assert first == min([*sybils, *scored], key=lambda c: c.precedence).key
    assert not decision.is_shielded or decision.champion != first


def heir_of(former: Contestant, others: Sequence[Contestant], *, is_current: bool = True) -> str:
    """Who is the first champion of a round in which the crown is vacant."""
    decision = decide(others, Crown(former=former, is_current=is_current))
    first = decision.comparisons[0].champion if decision.comparisons else decision.champion
    assert first is not None
    return first.hotkey


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([-0.01, 0.0, 0.01, 0.03]), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.001, 0.01]),
    st.integers(0, 10**6),
)
def test_a_copy_of_an_earlier_hopeful_entry_never_inherits(
    gains: list[float], copied: list[int], noise: float, seed: int
) -> None:
    former, *originals = contest(
        {"former": 0.0, **{f"hk{i}": gain for i, gain in enumerate(gains)}}, noise=0.2, seed=seed
    )
    copies = copies_of(originals, copied, noise, seed)
    scales = comparer()
    heir = heir_of(former, [*originals, *copies])
    assert contenders(former, [*originals, *copies], scales)[0].key.hotkey == heir
    for number, which in enumerate(copied):
        lead = scales.measure(former, originals[which % len(originals)]).lead
        assert heir != f"copy{number:02d}" or lead <= STAYING_LEAD


def test_the_original_inherits_although_it_has_no_place_by_rank() -> None:
    former, original = contest({"former": 0.0, "original": 0.005}, noise=0.2)
    copies = [
        replace(copy, evidence={s: tuple(v - 0.001 for v in copy.evidence[s]) for s in of})
        for of in [original.evidence]
        for copy in copies_of([original], [0] * 5, 0.001, 0)
    ]
    others = [original, *copies]
    scales = comparer()
    assert not any(scales.measure(former, c).sums.clears(END) for c in others)
    assert ranked(former, others, scales)[-1] == original
    before = [c.key.hotkey for c in contenders(former, others, scales, is_current=False)]
    assert before[0] == heir_of(former, others, is_current=False)
    assert "original" not in before
    assert places(former, others) == ("original", *before[:-1])
    assert heir_of(former, others) == "original"


def test_an_earlier_fine_tune_of_its_own_does_not_inherit_before_a_better_one() -> None:
    """Else a champion would keep one that is as good as itself, and hand the crown to it."""
    former, stock, better = contest(
        {"former": 0.0, "stock": 0.0, "better": 0.008}, noise=0.12, num_rounds=10, seed=6
    )
    scales = comparer()
    assert scales.measure(former, stock).lead > STAYING_LEAD
    assert [c.key.hotkey for c in ranked(former, [stock, better], scales)] == ["better", "stock"]
    assert heir_of(former, [stock, better]) == "better"


def test_a_copy_shares_no_sample_with_one_that_was_not_scored_since() -> None:
    former = contestant("former", {100: [1.0] * 40, 200: [1.0] * 40})
    early = contestant("early", {100: [0.97, 1.011] * 20}, block=2)
    late = contestant("late", {200: [0.97, 1.0105] * 20}, block=150)
    assert comparer().of_three(former, early, late) is None
    assert heir_of(former, [early, late]) == "late"


def test_whom_the_original_follows_inherits_before_both() -> None:
    former = contestant("former", {100: [1.0] * 40, 200: [1.0] * 40}, block=1)
    leader = contestant("leader", {100: [0.7] * 40, 200: [1.2] * 40}, block=2)
    original = contestant("original", {100: [0.97] * 40, 200: [0.9901] * 40}, block=3)
    copy = contestant("copy", {200: [0.9899] * 40}, block=150)
    others = [leader, original, copy]
    scales = comparer()
    assert ranked(former, others, scales)[0] == copy
    assert followed_by(former, copy, others, margin=END, comparer=scales) is None
    assert heir_of(former, others) == "leader"


def test_t54_an_heir_is_not_shielded_and_then_beaten_as_anybody() -> None:
    former, weak, strong = contest({"former": 0.0, "weak": 0.02, "strong": 0.3}, num_rounds=4)
    epsilon = LinearEpsilon(start=0.5, stop=END, decay_blocks=10_000)
    decision = decide(
        [weak, strong],
        Crown(holder=weak.key, former=former, num_judged=100),
        epsilon=epsilon,
    )
    (comparison,) = decision.comparisons
    assert (comparison.champion, comparison.epsilon) == (weak.key, END)
    assert decision.champion == strong.key
    assert decision.is_shielded


def test_t55_an_heir_whose_repository_cannot_be_read_does_not_inherit() -> None:
    former, first, second = contest({"former": 0.0, "first": 0.3, "second": 0.02}, num_rounds=4)
    hidden, late = replace(first, is_readable=False), replace(second, is_readable=False)
    found = decide([hidden, second], Crown(former=former))
    assert (found.champion, found.comparisons[0].hurdle) == (second.key, Hurdle.UNREADABLE)
    for crown in (Crown(former=former), Crown()):
        assert decide([hidden, late], crown) == Decision(champion=None)


@pytest.mark.parametrize(
    ("num_judged", "is_shielded"), [(UNSHIELDED_ROUNDS - 1, False), (UNSHIELDED_ROUNDS, True)]
)
def test_t60_only_who_beats_somebody_after_the_first_day_is_shielded(
    num_judged: int, is_shielded: bool
) -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    found = decide([old, new], Crown(holder=old.key, num_judged=num_judged))
    assert (found.champion, found.is_shielded) == (new.key, is_shielded)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.02, 0.3]), st.booleans())
def test_t60_a_first_champion_is_protected_by_epsilons_end_value_only(
    seed: int, noise: float, is_known: bool
) -> None:
    entries = contest({"first": 0.0, "second": 0.1, "third": 0.2}, seed=seed, noise=noise)
    epsilon = LinearEpsilon(start=0.5, stop=END, decay_blocks=10_000)
    crown = Crown(holder=entries[0].key if is_known else None)
    decision = decide(entries, crown, epsilon=epsilon)
    assert {c.epsilon for c in decision.comparisons} == {END}
    assert not decision.is_shielded
    fixed = decide(entries, crown, epsilon=FixedEpsilon(END))
    assert decision.champion == fixed.champion


def test_a_shield_protects_a_champion_that_has_beaten_somebody() -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    epsilon = LinearEpsilon(start=0.5, stop=END, decay_blocks=10_000)
    shielded = decide([old, new], Crown(holder=old.key, is_shielded=True), epsilon=epsilon)
    assert [c.hurdle for c in shielded.comparisons] == [Hurdle.MARGIN]
    assert (shielded.champion, shielded.is_shielded) == (old.key, True)


def test_who_cannot_be_read_takes_no_crown_in_that_round() -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    decision = decide([old, replace(new, is_readable=False)], Crown(holder=old.key))
    (comparison,) = decision.comparisons
    assert (decision.champion, comparison.hurdle) == (old.key, Hurdle.UNREADABLE)


def test_nobody_waits_for_a_leader_that_is_not_half_way() -> None:
    king = contestant("champion", {100: [1.0] * 100}, block=1)
    lucky = contestant("lucky", {100: [0.0] * 8 + [1.0] * 92}, block=2)
    leader = contestant("leader", {100: [0.0] * 20 + [1.0] * 80}, block=3)
    steady = contestant("steady", {100: [0.93] * 100}, block=4)
    found = [
        waits_for(king, steady, [first], margin=END, comparer=comparer())
        for first in (lucky, leader)
    ]
    assert found == [None, leader]
    assert waits_for(king, steady, [lucky, leader], margin=END, comparer=comparer()) == leader
    assert waits_for(king, lucky, [leader, steady], margin=END, comparer=comparer()) is None


def test_a_leader_without_a_common_sample_is_followed_by_its_own_lead() -> None:
    king = contestant("champion", {100: [1.0] * 40, 200: [1.0] * 40}, block=1)
    early = contestant("early", {100: [0.5] * 40}, block=2)
    late = contestant("late", {200: [0.6] * 40}, block=150)
    follows = followed_by(king, late, [early], margin=END, comparer=comparer())
    assert follows is not None
    assert (follows.rival, follows.shared) == (early, None)
    weak = replace(early, evidence={Block(100): (0.999,) * 40})
    assert followed_by(king, late, [weak], margin=END, comparer=comparer()) is None


def test_t57_a_few_wild_rows_hide_no_gain_and_make_none() -> None:
    steady = [1.0] * 400
    better = [0.9] * 396 + [9.0, -7.2] * 2  # the same mean gain on 396 rows, eight losses on four
    king = contestant("champion", {100: steady}, block=1)
    wild = contestant("wild", {100: better}, block=2)
    found = comparer().measure(king, wild)
    assert found.plain_log_e < math.log(1e3) < math.log(1e6) < found.log_e
    gambler = contestant("gambler", {100: [1.0] * 397 + [-30.0] * 3}, block=3)
    assert comparer().measure(king, gambler).log_e < math.log(1e6) / 4


@settings(max_examples=20)
@given(crowds())
def test_the_order_in_which_entries_are_given_does_not_matter(entries: list[Contestant]) -> None:
    king, *others = entries
    found = places(king, others)
    assert places(king, list(reversed(others))) == found


def test_each_pair_is_measured_once() -> None:
    king, *others = contest({"champion": 0.0, "a": 0.02, "b": 0.02, "c": 0.02})
    scales = comparer()
    first = [scales.measure(king, o) for o in others]
    assert all(scales.measure(king, o) is m for o, m in zip(others, first, strict=True))
    for one, other in combinations(others, 2):
        assert scales.of_three(king, one, other) is scales.of_three(king, one, other)


def test_a_round_without_anybody_present_crowns_nobody() -> None:
    old = contestant("old", {100: [1.0]})
    absent = replace(old, is_present=False)
    crown = Crown(holder=EntryKey(old.key.hotkey, Block(7)), former=old)
    assert decide([absent], crown) == Decision(champion=None)
