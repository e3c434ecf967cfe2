"""The preset of two models that a subnet owner could ask for today."""

from __future__ import annotations

import pytest

from sn37.app.schedule.advice import undecided_lines, warnings
from sn37.app.schedule.load import load_schedule
from sn37.domain.ids import Block
from sn37.domain.round.leverage import leverages
from sn37.domain.schedule.competition import Freshness

SCHEDULE = load_schedule("chat_reasoning").schedule
CHAT, REASONING = SCHEDULE.at(Block(3_138_611))


@pytest.mark.parametrize(
    ("gain", "rounds"),
    [
        (0.10, {"pairs": 2, "choices": 5, "rules": 57, "guard": 14}),
        (0.10, {"solutions": 1, "puzzles": 2, "guard": 4}),
        (0.02, {"solutions": 6, "puzzles": 16}),
    ],
)
def test_its_comments_say_what_a_gain_in_one_task_takes(
    gain: float, rounds: dict[str, int]
) -> None:
    rules = CHAT if "pairs" in rounds else REASONING
    found = {worth.task.name: worth.rounds for worth in leverages(rules, gain)}
    assert {name: found[name] for name in rounds} == rounds  # type: ignore[index]


def test_a_large_gain_in_any_task_can_win_and_nothing_is_doubtful() -> None:
    assert undecided_lines(SCHEDULE) == ()
    assert warnings(SCHEDULE) == ()


def test_what_people_write_is_younger_than_every_model_it_scores() -> None:
    live = {t.name for t in CHAT.tasks if t.source.freshness is Freshness.LIVE}
    assert live == {"pairs", "choices"}
    assert not [t for t in REASONING.tasks if t.source.freshness is Freshness.LIVE]


def test_the_mixtures_have_the_counts_that_the_comments_say() -> None:
    counts = {t.name: t.num_samples for t in REASONING.tasks}
    assert (counts["solutions/synthetic_1"], counts["solutions/codeforces"]) == (120, 80)  # type: ignore[index]
    assert [n for name, n in counts.items() if name.startswith("puzzles/")] == [40] * 4
