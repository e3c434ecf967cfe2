"""What is said of a model's chances."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sn37.app.cli.evaluate import _as_json, _lines
from sn37.app.mining.evaluation import Duel, Evaluation, duel, first_round
from sn37.domain.ids import Block
from sn37.domain.reasons import Reason
from sn37.domain.round.state import TaskScore
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.epsilon import Epsilon, FixedEpsilon, LinearEpsilon
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.constraints import Violation
from sn37.testing.builders import a_commitment, a_competition, a_task

TIMING = RoundTiming(genesis=Block(0))
CHAMPION = a_commitment(block=1_000)
HEAD = Block(8_200)  # a day later


def some_rules(epsilon: Epsilon) -> Competition:
    return a_competition(tasks=(a_task(num_samples=300),), epsilon=epsilon, delay_blocks=1_200)


def a_duel(
    gain: float, *, epsilon: Epsilon | None = None, noise: float = 0.086, distance: float = 0.2
) -> Duel:
    """On 300 samples whose differences have this mean and this deviation."""
    rules = some_rules(epsilon or FixedEpsilon(0.005))
    theirs = tuple(2.0 for _ in range(300))
    ours = tuple(2.0 * (1 - gain) + 2.0 * noise * (-1) ** i for i in range(300))
    score = TaskScore(task=rules.tasks[0].name, raw=2.0, normalized=2.0, weighted=2.0)
    return duel(
        CHAMPION,
        known_from="the round of block 8100",
        champion_tasks=(score,),
        evidence=({HEAD: theirs}, {HEAD: ours}),
        distance=distance,
        rules=rules,
        timing=TIMING,
        head=HEAD,
    )


def evaluated(found: Duel | None) -> Evaluation:
    rules = some_rules(FixedEpsilon(0.005))
    score = TaskScore(task=rules.tasks[0].name, raw=1.9, normalized=1.9, weighted=1.9)
    return Evaluation(rules=rules, block=HEAD, tasks=(score,), num_samples=300, duel=found)


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.02, "2.00% better than the champion, give or take 0.50%: at this rate the crown takes"),
        (0.02, "about 3 rounds (2 to 5); a gain below 0.50% would never take it"),
        (0.0077, "about 15 rounds (6 or never)"),
        (0.003, "at this rate it will never take the crown, which needs more than 0.50%; if it"),
        (-0.001, "0.10% worse than the champion"),
        (-0.10, "a validator would stop it early (raced_out) and not score it again"),
    ],
)
def test_the_sentence_says_what_the_numbers_mean(gain: float, said: str) -> None:
    assert said in evaluated(a_duel(gain)).finding


def test_a_clear_gain_needs_no_band() -> None:
    assert "at this rate it takes the crown in its first round;" in evaluated(a_duel(0.3)).finding


def test_an_epsilon_that_decays_is_told_day_by_day() -> None:
    epsilon = LinearEpsilon(start=0.05, stop=0.005, decay_blocks=28_800)
    found = a_duel(0.03, epsilon=epsilon)
    assert [day.in_days for day in found.days] == [0, 1, 2, 3]
    assert [day.outlook.rounds for day in found.days] == [None, 2, 2, 2]
    # First round at block 9,720, where epsilon is 3.6 %; it is below 3 % from block 13,800 on.
    assert first_round(some_rules(epsilon), TIMING, HEAD) == 9_720
    assert found.outlook.rounds == 13
    said = evaluated(found).finding
    assert "epsilon is 3.88% today and falls to 0.50%, below which a gain would never" in said


def test_evidence_that_suffices_at_once_is_one_round_s() -> None:
    found = a_duel(0.06)
    assert found.outlook.rounds == 1
    assert found.log_e > 13.8


def test_a_refusal_says_what_to_do() -> None:
    refusal = Violation(reason=Reason.NON_FINITE, detail="a loss is NaN or infinite")
    found = Evaluation(rules=some_rules(FixedEpsilon(0.01)), block=HEAD, refusal=refusal)
    assert found.finding.startswith("a validator would refuse it: non_finite: a loss is NaN")
    assert found.score is None


def test_the_table_and_the_json_say_the_same() -> None:
    found = evaluated(a_duel(0.02))
    lines = "\n".join(_lines(found))
    assert (
        "gain        +2.00% over the champion, standard error 0.50%\nevidence    ln E = " in lines
    )
    assert "            today     0.50%    3 (2 to 5)" in lines
    document = json.loads(json.dumps(_as_json(found)))
    assert document["champion"]["rounds"] == {"expected": 3, "soonest": 2, "latest": 5}
    assert document["champion"]["margin"] == pytest.approx(0.02)
    assert document["finding"] == found.finding


def test_right_answers_are_shown_below_the_scores_of_questions() -> None:
    found = evaluated(a_duel(0.02))
    assert found.duel is not None
    theirs = tuple(replace(t, accuracy=0.5) for t in found.duel.champion_tasks)
    shown = replace(
        found,
        tasks=tuple(replace(t, accuracy=0.613) for t in found.tasks),
        duel=replace(found.duel, champion_tasks=theirs),
    )
    before, lines = list(_lines(found)), list(_lines(shown))
    name = found.tasks[0].task
    added = [f"            {name} 61.3% right", f"            {name} 50.0% right"]
    assert [line for line in lines if line not in before] == added
    document = json.loads(json.dumps(_as_json(shown)))
    assert document["tasks"][0]["accuracy"] == 0.613
    assert document["champion"]["tasks"][0]["accuracy"] == 0.5


def test_what_proves_nothing_is_valid_json() -> None:
    found = evaluated(a_duel(-0.1, noise=0.01))
    assert "evidence    none; a crown takes ln E = 13.8" in "\n".join(_lines(found))
    assert json.loads(json.dumps(_as_json(found), allow_nan=False))["champion"]["log_e"] is None


def test_a_champion_without_any_loss_cannot_be_compared_with() -> None:
    rules = some_rules(FixedEpsilon(0.005))
    with pytest.raises(ValueError, match="no rate"):
        duel(
            CHAMPION,
            known_from="x",
            champion_tasks=(),
            evidence=({HEAD: (0.0, 0.0)}, {HEAD: (1.0, 1.0)}),
            distance=0.2,
            rules=rules,
            timing=TIMING,
            head=HEAD,
        )


@pytest.mark.parametrize(("distance", "is_near"), [(0.001, True), (0.02, False), (0.2, False)])
def test_a_model_that_is_nearly_the_champion_s_is_told_that_validators_flag_it(
    distance: float, is_near: bool
) -> None:
    found = evaluated(a_duel(0.003, distance=distance))
    assert ("flag it as nearly the champion's model" in found.finding) == is_near
    told = _as_json(found)["champion"]
    assert isinstance(told, dict)
    assert told["near_duplicate"] == is_near
