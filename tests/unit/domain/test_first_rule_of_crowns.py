"""The rule of before, by which old rounds are audited, where it differs from the one of today."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS, Contestant
from sn37.domain.round.first_rule import FirstRule
from sn37.domain.round.winner import Crown, Decision, Hurdle
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.testing.contests import contest, contestant


def decide(
    contestants: Sequence[Contestant],
    champion: Contestant | None,
    epsilon: FixedEpsilon | LinearEpsilon | None = None,
) -> Decision:
    return FirstRule().decide(
        crown=Crown(holder=champion.key if champion else None),
        contestants=contestants,
        at=Block(500),
        epsilon=epsilon or FixedEpsilon(0.01),
        origins=NO_ORIGINS,
    )


def test_a_vacant_crown_went_to_the_first_in_order() -> None:
    (scored,) = contest({"scored": 0.5})
    sybil = contestant("sybil", {200: [2.0] * 16}, block=0)
    assert decide([scored, sybil], None).champion == sybil.key


def test_everybody_was_shielded() -> None:
    old, new = contest({"old": 0.0, "new": 0.3})
    epsilon = LinearEpsilon(start=0.5, stop=0.01, decay_blocks=10_000)
    found = decide([old, new], old, epsilon)
    assert [c.hurdle for c in found.comparisons] == [Hurdle.MARGIN]
    assert found.is_shielded
    assert decide([old, new], old).champion == new.key


def test_a_later_one_waited_for_any_lead_of_who_was_there() -> None:
    champion = contestant("champion", {100: [1.0] * 100}, block=1)
    first = contestant("first", {100: [0.0] * 10 + [1.0] * 90}, block=2)
    second = contestant("second", {100: [0.895] * 100}, block=3)
    decision = decide([champion, first, second], champion)
    assert [c.hurdle for c in decision.comparisons] == [Hurdle.EVIDENCE, Hurdle.WAITING]
    assert decision.comparisons[1].waits_for == first.key
    absent = replace(first, is_present=False)
    assert [c.hurdle for c in decide([champion, absent, second], champion).comparisons] == [
        Hurdle.WAITING
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_neither_won_nor_held_the_crown(bad: float) -> None:
    old, new = contest({"old": 0.0, "new": 0.0})
    broken = replace(new, evidence={Block(100): (bad,) * 8})
    assert [c.hurdle for c in decide([old, broken], old).comparisons] == [Hurdle.NON_FINITE]
    assert decide([broken], broken) == Decision(champion=None)


def test_who_shared_no_sample_was_unpaired_and_nobody_waited_for_the_champion() -> None:
    old = contestant("old", {100: [1.0] * 64}, block=2)
    other = contestant("other", {200: [0.1] * 64}, block=3)
    better = contestant("better", {100: [0.5] * 64}, block=4)
    found = decide([old, other, better], old)
    assert [c.hurdle for c in found.comparisons] == [Hurdle.UNPAIRED, None]
