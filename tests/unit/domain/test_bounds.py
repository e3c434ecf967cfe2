"""Bounds of the comparison of three entries, and decisions that ask them first."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, Hotkey, TaskName
from sn37.domain.round import contender_places, earlier_rivals
from sn37.domain.round.bounds import EVERYTHING, Bounds
from sn37.domain.round.comparing import Comparer, Contestant, Trio
from sn37.domain.round.signers import Origin, Origins
from sn37.testing.builders import an_entry_key
from sn37.testing.contests import contest, contestant
from tests.support import plain_contention

END = 0.01
NUM_SAMPLES = 96
ROUNDS = tuple(Block(100 * n) for n in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    king: Contestant
    others: Sequence[Contestant]
    origins: Origins

    def comparer(self) -> Comparer:
        return Comparer(epsilon_end=END, origins=self.origins)


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    """Originals and copies of them, some scored in some rounds only or stopped early.

    Where rows are signed, one signer's rows may be odd between some of them.
    """
    gains = draw(st.lists(st.sampled_from([-0.03, 0.0, 0.01, 0.03]), min_size=1, max_size=4))
    luck = random.Random(draw(st.integers(0, 10**6)))
    king, *originals = contest(
        {"king": 0.0, **{f"original{n}": gain for n, gain in enumerate(gains)}},
        num_samples=NUM_SAMPLES,
        noise=draw(st.sampled_from([0.0, 0.02, 0.2])),
        seed=luck.randrange(10**6),
    )
    noise, others = draw(st.sampled_from([0.0, 1e-9, 0.001, 0.02])), list(originals)
    for number, which in enumerate(draw(st.lists(st.integers(0, 3), max_size=8))):
        of = originals[which % len(originals)].evidence
        copied: dict[int, list[float]]
        copied = {s: [v + luck.gauss(0, noise) for v in row] for s, row in of.items()}
        others.append(contestant(f"copy{number}", copied, block=20 + number % 3, index=number))
    signers = draw(st.sampled_from([0, 1, 5]))
    rows = tuple(
        Origin(TaskName("text"), Hotkey(f"s{n % signers}")) for n in range(80 if signers else 0)
    )
    friend = draw(st.sampled_from([0.0, 0.3]))
    found = []
    for entry in others:
        evidence = dict(entry.evidence)
        for sync in draw(st.sets(st.sampled_from(ROUNDS), max_size=2)):
            del evidence[sync]
        for sync, values in evidence.items():
            if luck.random() < 0.5 and rows:
                values = tuple(
                    v * (1 - friend) if n < len(rows) and rows[n].signer == "s0" else v
                    for n, v in enumerate(values)
                )
            evidence[sync] = values[: draw(st.sampled_from([NUM_SAMPLES, NUM_SAMPLES, 32]))]
        since = draw(st.sampled_from([entry.since, Block(150)]))
        found.append(
            replace(
                entry,
                evidence=evidence,
                since=since,
                precedence=(since, *entry.precedence[1:]),
            )
        )
    return Crowd(
        king=king,
        others=tuple(sorted(found, key=lambda c: c.precedence)),
        origins=dict.fromkeys(ROUNDS[:2], rows),
    )


def contains(bounds: Bounds, trio: Trio) -> bool:
    values = (trio.champion, trio.rival, trio.challenger, trio.lead)
    ranges = (bounds.champion, bounds.rival, bounds.challenger, bounds.lead)
    return bounds.num_samples == trio.num_samples and all(
        low <= value <= high for value, (low, high) in zip(values, ranges, strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(crowds())
def test_the_exact_comparison_lies_within_its_bounds(crowd: Crowd) -> None:
    scales = crowd.comparer()
    for rival in crowd.others:
        for challenger in crowd.others:
            trio = scales.of_three(crowd.king, rival, challenger)
            bounds = scales.bounds(crowd.king, rival, challenger)
            assert (trio is None) == (bounds is None)
            if trio is None or bounds is None:
                continue
            assert contains(bounds, trio)
            for margin in (END, 0.03):
                assert bounds.may_follow(margin, END) >= trio.follows(margin, END)


@settings(max_examples=40, deadline=None)
@given(crowds(), st.booleans())
def test_decisions_are_those_of_exact_comparisons_of_every_pair(
    crowd: Crowd, is_current: bool
) -> None:
    king, others, scales = crowd.king, crowd.others, crowd.comparer()
    chosen, expected = (
        way.contenders(king, others, scales, is_current=is_current)
        for way in (contender_places, plain_contention)
    )
    assert list(map(id, chosen)) == list(map(id, expected))
    ordered, expected = (
        way.distinct_first(king, others, scales) for way in (contender_places, plain_contention)
    )
    assert list(map(id, ordered)) == list(map(id, expected))
    for challenger in others:
        found, named = (
            way.waits_for(
                king,
                challenger,
                others,
                margin=END,
                comparer=scales,
                is_current=is_current,
            )
            for way in (earlier_rivals, plain_contention)
        )
        assert found is named


class Counting(Comparer):
    """A comparer that counts exact comparisons of three entries."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.num_exact = 0

    def _of_three(
        self, champion: Contestant, rival: Contestant, challenger: Contestant
    ) -> Trio | None:
        self.num_exact += 1
        return super()._of_three(champion, rival, challenger)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.02])
@pytest.mark.parametrize("gain", [-0.01, 0.0, 0.02])
def test_a_crowd_needs_few_exact_comparisons(gain: float, noise: float) -> None:
    """There are 780 pairs of forty entries."""
    king, *others = contest(
        {"king": 0.0, **{f"entry{n:02d}": gain for n in range(40)}}, num_samples=64, noise=noise
    )
    scales = Counting(epsilon_end=END)
    contender_places.contenders(king, others, scales)
    contender_places.distinct_first(king, others, scales)
    if noise:
        assert 0 < scales.num_exact <= 3 * len(others)
    chosen = plain_contention.contenders(king, others, scales)
    assert contender_places.contenders(king, others, scales) == chosen


def test_exact_copies_are_compared_once_whenever_they_were_committed() -> None:
    """There are 780 pairs of forty entries, and bounds settle none of them."""
    king, first = contest({"king": 0.0, "entry": 0.001}, num_samples=64, noise=0.02)
    clones = [
        replace(
            first,
            key=an_entry_key(f"clone{n:02d}", first.since + n),
            precedence=(first.since + n, 0, f"clone{n:02d}"),
            since=Block(first.since + n),
        )
        for n in range(40)
    ]
    scales = Counting(epsilon_end=END)
    ordered = contender_places.distinct_first(king, clones, scales)
    assert 0 < scales.num_exact <= len(clones)
    assert ordered == plain_contention.distinct_first(king, clones, scales)


@pytest.mark.parametrize(
    "values",
    [
        [math.nan] * 4,
        [math.inf, 1.0, 1.0, 1.0],
        [1e200, -1e200, 1.0, 1.0],  # their squares are infinite
        [1.7e308] * 4,  # so is their sum
        [1e-200] * 4,  # their squares are zero
        [0.0] * 4,
    ],
)
def test_what_floats_cannot_hold_is_left_to_the_exact_comparison(values: list[float]) -> None:
    king = contestant("king", {100: [1.0] * 4})
    odd, plain = contestant("odd", {100: values}, block=2), contestant("even", {100: values})
    bounds = Comparer(epsilon_end=END).bounds(king, odd, plain)
    assert bounds is not None
    assert bounds.lead == EVERYTHING
    trio = Comparer(epsilon_end=END).of_three(king, odd, plain)
    assert trio is not None
    assert bounds.may_follow(END, END) >= trio.follows(END, END)


def test_entries_that_share_no_sample_have_no_bounds() -> None:
    king = contestant("king", {100: [1.0], 200: [1.0]})
    first, late = contestant("first", {100: [1.0]}), contestant("late", {200: [1.0]}, block=150)
    scales = Comparer(epsilon_end=END)
    assert scales.bounds(king, first, late) is None
    assert scales.bounds(king, late, late) is not None
    fresh = replace(late, since=Block(250))
    assert Comparer(epsilon_end=END).bounds(king, late, fresh) is None
