"""The winner rule of existing networks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS, Contestant
from sn37.domain.round.pairwise import PairwiseWinRate, count_wins
from sn37.domain.round.winner import Crown, Hurdle
from sn37.domain.schedule.epsilon import FixedEpsilon, LinearEpsilon
from sn37.testing.contests import contestant

VECTORS = json.loads((Path(__file__).parents[1] / "data/pairwise.json").read_text())


def entries(**losses: float) -> list[Contestant]:
    return [contestant(h, {100: [x] * 3}, block=i + 1) for i, (h, x) in enumerate(losses.items())]


def winner(contestants: list[Contestant], epsilon: float = 0.05, at: int = 100) -> str | None:
    decision = PairwiseWinRate().decide(
        crown=Crown(),
        contestants=contestants,
        at=Block(at),
        epsilon=FixedEpsilon(epsilon),
        origins=NO_ORIGINS,
    )
    return decision.champion.hotkey if decision.champion else None


@pytest.mark.parametrize("vector", VECTORS)
def test_wins_equal_those_of_existing_networks(vector: dict[str, Any]) -> None:
    epsilon = LinearEpsilon(
        start=vector["epsilon"]["start"],
        stop=vector["epsilon"]["end"],
        decay_blocks=vector["epsilon"]["decay_blocks"],
    )
    wins = count_wins(
        vector["scores"], vector["blocks"], at=Block(vector["current_block"]), epsilon=epsilon
    )
    assert list(wins) == vector["wins"]
    assert [w / (len(wins) - 1) for w in wins] == vector["win_rate"]


def test_the_earlier_model_has_the_advantage_of_the_margin() -> None:
    assert winner(entries(first=1.0, second=0.96)) == "first"
    assert winner(entries(first=1.0, second=0.94)) == "second"


def test_on_equal_win_rates_the_earlier_wins() -> None:
    assert winner(list(reversed(entries(first=1.0, second=1.0))), epsilon=0.0) == "first"


def test_who_held_the_crown_before_plays_no_part() -> None:
    first, second = entries(first=1.0, second=0.5)
    decision = PairwiseWinRate().decide(
        crown=Crown(holder=first.key),
        contestants=[first, second],
        at=Block(100),
        epsilon=FixedEpsilon(0.05),
        origins=NO_ORIGINS,
    )
    assert decision.champion == second.key
    (shown,) = decision.comparisons
    assert (shown.challenger, shown.ratio, shown.hurdle) == (first.key, 2.0, Hurdle.MARGIN)


def test_a_score_that_is_not_finite_never_wins() -> None:
    assert winner(entries(first=math.nan, second=1.0, third=-math.inf)) == "second"
    assert winner(entries(only=math.nan)) is None
    nan_wins = count_wins(
        [-math.inf, 1.0], [Block(1), Block(2)], at=Block(3), epsilon=FixedEpsilon(0)
    )
    assert nan_wins == (0, 0)


def test_an_entry_that_was_not_scored_in_the_round_cannot_win_it() -> None:
    (old,) = entries(old=0.1)
    new = contestant("new", {200: [5.0]}, block=7)
    assert winner([old, new], at=200) == "new"
