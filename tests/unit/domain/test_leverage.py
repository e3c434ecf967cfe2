"""What a gain in one task is worth, and levels that make weights shares of the score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn37.app.schedule.advice import leverage_lines, undecided_lines, warnings
from sn37.app.schedule.levels import propose_levels
from sn37.domain.ids import Block, CompetitionId, TaskName
from sn37.domain.round.evidence import task_scores, total_score, weigh
from sn37.domain.round.leverage import MAX_ROUNDS, leverages, undecided
from sn37.domain.round.state import RoundResult, TaskScore, ValidatorState
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.normalization import InverseExponential
from sn37.testing.builders import (
    a_competition,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_task,
    an_entry_key,
    an_entry_result,
    losses,
)


def task(
    name: str, weight: float, num: int, level: float | None, method: Method = Method.TEXT_LOSS
) -> Task:
    return replace(a_task(name, weight=weight, num_samples=num, method=method), level=level)


def questions_and_text(
    *,
    level: float | None = 2.5,
    end: float = 0.01,
    method: Method = Method.INSTRUCTION_RULES,
) -> Competition:
    choice = task("choice", 0.65, 300, 0.4, method=method)
    text = task("text", 0.35, 200, level, method=Method.TEXT_LOSS)
    return a_competition(tasks=(choice, text), epsilon=FixedEpsilon(end))


def test_a_gain_in_a_task_is_its_weight_of_the_score() -> None:
    choice, text = leverages(questions_and_text(), 0.1)
    assert (choice.relative_gain, text.relative_gain) == pytest.approx((0.065, 0.035))
    assert (choice.rounds, text.rounds) == (8, 16)


@pytest.mark.parametrize("method", [Method.MULTIPLE_CHOICE, Method.CHOICE_TEXT])
def test_likelihoods_decide_in_fewer_rounds_than_answers_that_are_right_or_wrong(
    method: Method,
) -> None:
    choice, text = leverages(questions_and_text(method=method), 0.1)
    assert (choice.relative_gain, text.relative_gain) == pytest.approx((0.065, 0.035))
    assert (choice.rounds, text.rounds) == (2, 5)


@pytest.mark.parametrize(
    ("method", "rounds"), [(Method.INSTRUCTION_RULES, 118), (Method.MULTIPLE_CHOICE, 19)]
)
def test_one_point_of_accuracy_takes_the_rounds_that_the_document_says(
    method: Method, rounds: int
) -> None:
    quiz = task("quiz", 1.0, 300, 0.4, method=method)
    (found,) = leverages(a_competition(tasks=(quiz,), epsilon=FixedEpsilon(0.005)), 0.01 / 0.4)
    assert found.rounds == rounds


def test_a_gain_below_the_margin_never_takes_the_crown() -> None:
    _, text = leverages(questions_and_text(end=0.04), 0.1)
    assert text.rounds is None


def test_a_single_task_needs_no_level() -> None:
    """Its rounds are those that docs/winner.md simulates."""
    one = a_competition(tasks=(task("text", 1.0, 300, None),), epsilon=FixedEpsilon(0.005))
    assert [worth.rounds for g in (0.01, 0.02, 0.03) for worth in leverages(one, g)] == [9, 3, 2]


def test_without_levels_nothing_is_said_but_that_they_are_missing() -> None:
    schedule = a_schedule(a_stage(questions_and_text(level=None)))
    assert leverages(questions_and_text(level=None)) == ()
    assert (leverage_lines(schedule), undecided_lines(schedule)) == ((), ())
    assert any("no levels" in line for line in warnings(schedule))
    assert not any("no levels" in w for w in warnings(a_schedule(a_stage(questions_and_text()))))


def test_a_task_whose_gain_can_never_decide_is_named() -> None:
    tiny = task("tiny", 0.01, 16, 1.0)
    rest = task("rest", 0.99, 300, 1.0)
    competition = a_competition(tasks=(tiny, rest), epsilon=FixedEpsilon(0.01))
    assert [worth.task.name for worth in undecided(competition)] == ["tiny"]
    (line,) = undecided_lines(a_schedule(a_stage(competition)))
    assert "tiny: a gain of 50% in this task alone is 0.50% of the score" in line
    assert "takes the crown never" in line


def test_a_task_that_noise_of_others_drowns_is_named_with_its_rounds() -> None:
    text = task("text", 0.02, 32, 2.0)
    choice = task("choice", 0.98, 64, 0.5, method=Method.INSTRUCTION_RULES)
    competition = a_competition(tasks=(text, choice), epsilon=FixedEpsilon(0.005))
    (found,) = undecided(competition)
    assert found.task == text
    assert found.rounds is not None
    assert found.rounds > MAX_ROUNDS
    assert f"after {found.rounds} rounds" in undecided_lines(a_schedule(a_stage(competition)))[0]


def test_what_a_stated_gain_takes_is_told_for_each_task() -> None:
    lines = leverage_lines(a_schedule(a_stage(questions_and_text(end=0.04))))
    assert [line.partition(", ")[2] for line in lines] == [
        "competition 1, choice: a gain of 10% in this task alone is 6.50% of the score and takes "
        "the crown in about 8 rounds",
        "competition 1, text: a gain of 10% in this task alone is 3.50% of the score and never "
        "takes the crown",
    ]


def test_a_level_takes_the_place_of_the_normalisation_in_the_score_that_decides() -> None:
    curved = a_task("text", normalization=InverseExponential(20.0))
    levelled = a_competition(tasks=(replace(curved, level=2.0),))
    blocks = [losses(*[3.0] * 16), losses(*[3.0] * 16, first=16)]
    (score,) = task_scores(blocks, levelled)
    assert (score.raw, score.normalized, score.weighted) == (3.0, 1.5, 1.5)
    assert total_score([score]) == sum(weigh(blocks, levelled)) / 32
    (without,) = task_scores(blocks, a_competition(tasks=(curved,)))
    assert without.normalized == 3.0 / 20.0


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan"), float("inf")])
def test_a_level_is_a_positive_number(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        replace(a_task(), level=level)


CHAMPION = an_entry_key("champion")


def scored(block: int, raw: float) -> RoundResult:
    tasks = (
        TaskScore(task=TaskName("text"), raw=raw, normalized=raw, weighted=raw),
        TaskScore(task=TaskName("zero"), raw=0.0, normalized=0.0, weighted=0.0),
    )
    row = replace(an_entry_result(CHAMPION), tasks=tasks)
    return a_round_result(a_round_key(1, block), champion=CHAMPION, entries=(row,))


def test_levels_are_the_champions_mean_losses_when_the_newest_stage_began() -> None:
    tasks = (a_task("text", weight=0.5), a_task("zero", weight=0.5))
    competition = a_competition(tasks=tasks)
    schedule = a_schedule(a_stage(competition), a_stage(competition, from_block=720))
    rounds = [scored(360, 9.0), *(scored(720 + 360 * n, 2.0 + n / 1_000) for n in range(30))]
    (found,) = propose_levels(ValidatorState(rounds={CompetitionId(1): tuple(rounds)}), schedule)
    assert (found.from_block, found.num_rounds) == (Block(720), 24)
    assert found.levels == {"text": 2.01}  # 2.0115 in three digits; a loss of zero is no level


def test_without_a_scored_champion_there_is_nothing_to_propose() -> None:
    schedule = a_schedule(a_stage(a_competition()))
    vacant = replace(a_round_result(), champion=None)
    sat_out = ValidatorState(rounds={CompetitionId(1): (vacant,)})
    assert propose_levels(sat_out, schedule) == propose_levels(ValidatorState(), schedule) == ()
