"""King of the hill: what holds by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.comparing import NO_ORIGINS, Contestant
from sn37.domain.round.evidence import LOG_LEVEL, log_e_value, pooled
from sn37.domain.round.winner import (
    Crown,
    Decision,
    Hurdle,
    KingOfTheHill,
)
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.testing.contests import contest, contestant

EPSILON = LinearEpsilon(start=0.05, stop=0.01, decay_blocks=400)
NOW = Block(500)


@st.composite
def contests(draw: st.DrawFn) -> list[Contestant]:
    """Up to five entries, some far better, some equal, joining in different rounds."""
    gains = draw(st.lists(st.sampled_from([-0.3, 0.0, 0.02, 0.1, 0.25, 0.4]), max_size=5))
    joined = sorted(draw(st.integers(0, 2)) for _ in gains)
    return contest(
        {f"hk{i}": gain for i, gain in enumerate(gains)},
        joined={f"hk{i}": first for i, first in enumerate(joined)},
        num_samples=draw(st.sampled_from([16, 48])),
        noise=draw(st.sampled_from([0.0, 0.02, 0.3])),
        seed=draw(st.integers(0, 10**6)),
    )


def decide(
    contestants: Sequence[Contestant],
    champion: EntryKey | None = None,
    epsilon: FixedEpsilon | LinearEpsilon = EPSILON,
) -> Decision:
    return KingOfTheHill().decide(
        crown=Crown(holder=champion, is_shielded=True, num_judged=100),
        contestants=contestants,
        at=NOW,
        epsilon=epsilon,
        origins=NO_ORIGINS,
    )


def clone(original: Contestant, hotkey: str, *, delay: int, index: int = 0) -> Contestant:
    """The same model committed later, hence scored in fewer rounds."""
    block = Block(original.key.block + delay)
    return Contestant(
        key=EntryKey(Hotkey(hotkey), block),
        precedence=(block, index, hotkey),
        evidence={sync: v for sync, v in original.evidence.items() if sync >= block},
        since=block,
    )


def test_in_the_first_round_the_earliest_entry_is_champion_among_equals() -> None:
    entries = contest({"late": 0.0, "later": 0.0})
    assert decide(list(reversed(entries))).champion == entries[0].key


def test_a_better_model_takes_the_crown_and_says_with_what() -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    decision = decide([old, new], old.key)
    (comparison,) = decision.comparisons
    assert decision.champion == new.key
    assert decision.beaten == (old.key,)
    assert comparison.taken
    assert comparison.num_samples == 192
    assert comparison.ratio == pytest.approx(0.7, abs=0.02)
    assert comparison.log_e >= LOG_LEVEL


def test_a_later_challenger_must_beat_the_new_champion() -> None:
    old, new, newest = contest({"old": 0.0, "new": 0.3, "newest": 0.3})
    decision = decide([old, new, newest], old.key)
    assert decision.champion == new.key
    assert [c.champion.hotkey for c in decision.comparisons] == ["old", "new"]


def test_a_challenger_is_told_that_the_margin_is_missing() -> None:
    old, new = contest({"old": 0.0, "new": 0.005}, noise=0.0, num_samples=4000)
    (comparison,) = decide([old, new], old.key).comparisons
    assert comparison.hurdle is Hurdle.MARGIN


def test_t36_a_challenger_exactly_at_the_margin_does_not_take_the_crown() -> None:
    old = contestant("old", {100: [1.0] * 2000}, block=1)
    new = contestant("new", {100: [0.75] * 2000}, block=2)
    (at_margin,) = decide([old, new], old.key, FixedEpsilon(0.25)).comparisons
    (inside,) = decide([old, new], old.key, FixedEpsilon(0.25 - 2**-20)).comparisons
    assert (at_margin.hurdle, inside.hurdle) == (Hurdle.MARGIN, None)


def test_t03_a_nudged_copy_of_the_champion_never_passes_the_margin() -> None:
    original, copy = contest({"original": 0.0, "copy": 0.002}, num_samples=3000, noise=0.001)
    (comparison,) = decide([original, copy], original.key, FixedEpsilon(0.005)).comparisons
    assert comparison.log_e < LOG_LEVEL or comparison.hurdle is Hurdle.MARGIN
    assert not comparison.taken


def test_t03_a_lucky_round_without_evidence_does_not_take_the_crown() -> None:
    old, new = contest({"old": 0.0, "new": 0.1}, num_rounds=1, num_samples=16)
    (comparison,) = decide([old, new], old.key).comparisons
    assert comparison.ratio < 0.95
    assert comparison.hurdle is Hurdle.EVIDENCE


def test_samples_older_than_the_commitment_do_not_count() -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    backdated = replace(new, since=Block(250), precedence=(250, 0, "new"))
    (comparison,) = decide([old, backdated], old.key).comparisons
    assert comparison.num_samples == 64


def test_an_entry_that_shares_no_sample_with_the_champion_is_unpaired() -> None:
    old = contestant("old", {100: [1.0]}, block=1)
    new = contestant("new", {200: [0.1]}, block=2)
    (comparison,) = decide([old, new], old.key).comparisons
    assert comparison.hurdle is Hurdle.UNPAIRED
    assert math.isnan(comparison.ratio)


def waiting_case(ratio: float) -> Decision:
    """Champion, an earlier contender 20 % ahead, half proven so far, and a steady later one."""
    champion = contestant("champion", {100: [1.0] * 100}, block=1)
    first = contestant("first", {100: [0.0] * 20 + [1.0] * 80}, block=2)
    second = contestant("second", {100: [ratio] * 100}, block=3)
    return decide([champion, first, second], champion.key, FixedEpsilon(0.01))


def test_a_later_challenger_that_is_clearly_better_need_not_wait() -> None:
    decision = waiting_case(0.70)
    assert [c.hurdle for c in decision.comparisons] == [Hurdle.EVIDENCE, None]


def test_a_later_challenger_that_is_only_as_good_waits() -> None:
    decision = waiting_case(0.795)
    first, second = decision.comparisons
    assert (first.hurdle, second.hurdle) == (Hurdle.EVIDENCE, Hurdle.WAITING)
    assert second.waits_for == first.challenger
    assert second.log_e >= LOG_LEVEL


def test_t05_a_later_challenger_waits_for_one_that_an_outage_kept_from_this_round() -> None:
    champion = contestant("champion", {100: [1.0] * 100, 200: [1.0] * 100}, block=1)
    first = contestant("first", {100: [0.0] * 20 + [1.0] * 80}, block=2)
    copy = contestant("copy", {100: [0.795] * 100, 200: [0.795] * 100}, block=3)
    absent = replace(first, is_present=False)
    decision = decide([champion, absent, copy], champion.key, FixedEpsilon(0.01))
    (comparison,) = decision.comparisons  # an entry that was not scored is no challenger
    assert (comparison.challenger, comparison.hurdle) == (copy.key, Hurdle.WAITING)
    assert comparison.waits_for == first.key
    assert decision.champion == champion.key


def test_who_was_not_scored_takes_no_vacant_crown() -> None:
    absent = replace(contestant("absent", {100: [0.1] * 100}, block=1), is_present=False)
    present = contestant("present", {200: [1.0] * 100}, block=2)
    assert decide([absent, present]).champion == present.key
    assert decide([absent]) == Decision(champion=None)


def test_nobody_is_crowned_when_all_entries_failed() -> None:
    failed = contestant("failed", {100: [math.nan] * 3})
    assert decide([]).champion is None
    assert decide([failed], failed.key) == Decision(champion=None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_t10_a_loss_that_is_not_finite_neither_wins_nor_blocks(bad: float) -> None:
    old, first, new = contest({"old": 0.0, "first": 0.3, "new": 0.3})
    broken = replace(first, evidence={**first.evidence, Block(300): (bad,) * 64})
    decision = decide([old, broken, new], old.key)
    assert decision.champion == new.key
    assert [c.hurdle for c in decision.comparisons] == [Hurdle.NON_FINITE, None]


def test_a_champion_whose_losses_are_not_finite_leaves_the_crown() -> None:
    old, new = contest({"old": 0.0, "new": -0.3})
    broken = replace(old, evidence={**old.evidence, Block(300): (math.nan,) * 64})
    assert decide([broken, new], old.key).champion == new.key


def test_without_its_champion_all_are_folded_anew_from_the_first() -> None:
    first, second, third = contest({"first": 0.0, "second": 0.1, "third": 0.5})
    gone = EntryKey(Hotkey("gone"), Block(1))
    decision = decide([third, second, first], gone)
    assert decision == decide([first, second, third])
    assert decision.champion == third.key


def test_t08_commitments_of_one_block_are_heard_by_index_then_hotkey() -> None:
    losses = {100: [1.0] * 16}
    entries = [
        contestant("b", losses, block=9, index=1),
        contestant("a", losses, block=9, index=1),
        contestant("z", losses, block=9, index=0),
    ]
    decision = decide(entries)
    assert decision.champion == EntryKey(Hotkey("z"), Block(9))
    assert [c.challenger.hotkey for c in decision.comparisons] == ["a", "b"]


@settings(max_examples=30)
@given(contests(), st.randoms(use_true_random=False))
def test_the_order_of_input_is_irrelevant(entries: list[Contestant], random: Random) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert decide(shuffled) == decide(entries)


@settings(max_examples=30)
@given(contests(), st.integers(-20, 20))
def test_the_verdict_does_not_depend_on_the_unit_of_loss(
    entries: list[Contestant], exponent: int
) -> None:
    scaled = [
        replace(
            e,
            evidence={
                s: tuple(math.ldexp(v, exponent) for v in vs) for s, vs in e.evidence.items()
            },
        )
        for e in entries
    ]
    ours, theirs = decide(entries), decide(scaled)
    assert ours.champion == theirs.champion
    for one, other in zip(ours.comparisons, theirs.comparisons, strict=True):
        assert (one.hurdle, one.ratio) == (other.hurdle, other.ratio)
        assert one.log_e == pytest.approx(other.log_e, abs=1e-9)


@settings(max_examples=30)
@given(contests())
def test_the_crown_only_moves_to_a_lower_pooled_loss(entries: list[Contestant]) -> None:
    for c in decide(entries).comparisons:
        if c.taken:
            assert c.ratio < 1 - c.epsilon
            assert c.log_e >= LOG_LEVEL


@settings(max_examples=30)
@given(contests(), st.data())
def test_t06_later_clones_change_nobodys_verdict(
    entries: list[Contestant], data: st.DataObject
) -> None:
    if not entries:
        return
    champion = data.draw(st.sampled_from([None, *(e.key for e in entries)]))
    delays = data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=3))
    clones = [
        clone(data.draw(st.sampled_from(entries)), f"~clone{i}", delay=d, index=1 + i)
        for i, d in enumerate(delays)
    ]
    without, with_clones = decide(entries, champion), decide([*entries, *clones], champion)
    names = {c.key for c in clones}
    assert with_clones.champion == without.champion
    heard = [c for c in with_clones.comparisons if c.challenger not in names]
    assert [replace(c, waits_for=None) for c in heard] == [
        replace(c, waits_for=None) for c in without.comparisons
    ]


@settings(max_examples=30)
@given(contests(), st.data())
def test_t07_a_withdrawn_entry_that_nobody_waits_for_changes_nothing(
    entries: list[Contestant], data: st.DataObject
) -> None:
    champion = decide(entries).champion
    before = decide(entries, champion)
    if champion != before.champion or len(entries) < 2:
        return
    gone = data.draw(st.sampled_from([e.key for e in entries if e.key != champion]))
    if any(c.waits_for == gone for c in before.comparisons):
        return
    after = decide([e for e in entries if e.key != gone], champion)
    assert after.champion == champion
    assert after.comparisons == tuple(c for c in before.comparisons if c.challenger != gone)


@settings(max_examples=30)
@given(contests())
def test_t07_on_the_same_samples_a_former_champion_never_returns(
    entries: list[Contestant],
) -> None:
    alike = [
        replace(
            e, key=EntryKey(e.key.hotkey, Block(1)), since=Block(1), evidence={Block(300): values}
        )
        for e in entries
        if (values := e.evidence.get(Block(300)))
    ]
    totals = {e.key: math.fsum(e.evidence[Block(300)]) for e in alike}
    reign: list[EntryKey] = []
    for _ in alike:
        decision = decide(alike, reign[-1] if reign else None)
        assert decision.champion
        reign = [*reign[:-1], *decision.beaten, decision.champion]
    assert all(totals[one] > totals[later] for one, later in pairwise(reign))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([1e-30, 1.0, 1e30]))
def test_ties_never_take_a_crown(seed: int, unit: float) -> None:
    (first,) = contest({"first": 0.0}, seed=seed)
    evidence = {int(s): [v * unit for v in vs] for s, vs in first.evidence.items()}
    tied = [contestant(h, evidence, block=i) for i, h in enumerate("abc")]
    decision = decide(tied, epsilon=FixedEpsilon(0.0))
    assert decision.champion == tied[0].key
    assert {c.hurdle for c in decision.comparisons} == {Hurdle.MARGIN}


def test_the_log_e_value_shown_is_that_of_the_pooled_samples() -> None:
    old, new = contest({"old": 0.0, "new": 0.01})
    (comparison,) = decide([old, new], old.key).comparisons
    assert comparison.log_e == log_e_value(pooled(old.evidence, new.evidence))
