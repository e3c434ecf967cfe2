"""From losses to scores and evidence."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.data.batches import SampleBlock, interleave
from sn37.domain.ids import Block, CompetitionId, TaskName
from sn37.domain.round.evidence import (
    Pooled,
    exact_sum,
    is_finite,
    log_e_value,
    log_mixture,
    pooled,
    task_scores,
    total_score,
    weigh,
)
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.normalization import Identity, InverseExponential
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.jobs import BlockLosses

SOURCE = Source(name="static", freshness=Freshness.NONE)
COMPETITION = Competition(
    id=CompetitionId(2),
    name="two tasks",
    reward_share=1.0,
    constraints=ModelConstraints(
        min_parameters=0,
        max_parameters=1,
        max_bytes=1,
        max_tokens=2,
        architectures=frozenset({"LlamaForCausalLM"}),
    ),
    tasks=(
        Task(
            name=TaskName("choice"),
            source=SOURCE,
            method=Method.MULTIPLE_CHOICE,
            weight=0.75,
            num_samples=40,
        ),
        Task(
            name=TaskName("text"),
            source=SOURCE,
            method=Method.TEXT_LOSS,
            weight=0.25,
            num_samples=20,
            normalization=InverseExponential(20.0),
        ),
    ),
    delay_blocks=0,
    epsilon=FixedEpsilon(0.01),
    timeout_s=1.0,
)
ORDER = interleave(tuple((t.name, t.num_samples) for t in COMPETITION.tasks))

loss = st.floats(0, 50)
round_losses = st.lists(loss, min_size=60, max_size=60)


def blocks_of(losses: Sequence[float], count: int = len(ORDER)) -> list[BlockLosses]:
    remaining = iter(losses)
    return [
        BlockLosses(
            block=block,
            losses=tuple(next(remaining) for _ in range(block.stop - block.first)),
            tokens=1,
            seconds=0.0,
        )
        for block in ORDER[:count]
    ]


def single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


@settings(max_examples=20)
@given(round_losses)
def test_the_mean_evidence_of_a_round_is_the_linear_score(losses: list[float]) -> None:
    blocks = blocks_of(losses)
    linear = sum(
        t.weight
        * math.fsum(single(x) for b in blocks if b.block.task == t.name for x in b.losses)
        / t.num_samples
        / t.normalization.scale
        for t in COMPETITION.tasks
    )
    values = weigh(blocks, COMPETITION)
    assert math.fsum(values) / len(values) == pytest.approx(linear, rel=1e-12, abs=1e-300)


@settings(max_examples=20)
@given(round_losses, st.integers(0, len(ORDER)))
def test_an_entry_stopped_early_has_a_prefix_of_its_evidence(
    losses: list[float], count: int
) -> None:
    whole = weigh(blocks_of(losses), COMPETITION)
    prefix = weigh(blocks_of(losses, count), COMPETITION)
    assert whole[: len(prefix)] == prefix


@settings(max_examples=20)
@given(round_losses, st.randoms(use_true_random=False))
def test_evidence_does_not_depend_on_how_blocks_were_stored(
    losses: list[float], random: Random
) -> None:
    blocks = blocks_of(losses)
    shuffled = list(blocks)
    random.shuffle(shuffled)
    assert weigh(shuffled, COMPETITION) == weigh(blocks, COMPETITION)


def test_losses_are_compared_as_float32() -> None:
    fine = weigh(blocks_of([1 / 3] * 60), COMPETITION)
    coarse = weigh(blocks_of([single(1 / 3)] * 60), COMPETITION)
    assert fine == coarse


@pytest.mark.parametrize(
    "blocks",
    [blocks_of([1.0] * 60)[1:], [*blocks_of([1.0] * 60)[:1] * 2]],
    ids=["a block is missing", "a block is repeated"],
)
def test_patchy_losses_are_refused(blocks: list[BlockLosses]) -> None:
    with pytest.raises(ValueError, match="not a prefix"):
        weigh(blocks, COMPETITION)


def test_losses_of_an_unknown_task_are_refused() -> None:
    stranger = BlockLosses(
        block=SampleBlock(TaskName("other"), 0, 1), losses=(1.0,), tokens=1, seconds=0.0
    )
    with pytest.raises(ValueError, match="not a prefix"):
        weigh([stranger], COMPETITION)


@settings(max_examples=20)
@given(round_losses)
def test_the_shown_score_is_normalised_on_task_means_and_weighted(losses: list[float]) -> None:
    scores = task_scores(blocks_of(losses), COMPETITION, on_curve=True)
    assert [s.task for s in scores] == ["choice", "text"]
    for task, score in zip(COMPETITION.tasks, scores, strict=True):
        assert score.normalized == task.normalization.apply(score.raw)
        assert score.weighted == score.normalized * task.weight
    assert total_score(scores) == pytest.approx(sum(s.weighted for s in scores))


def test_a_task_without_a_scored_sample_has_no_score() -> None:
    assert [s.task for s in task_scores(blocks_of([1.0] * 60, 1), COMPETITION)] == ["choice"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e39])
def test_t10_a_loss_that_is_not_finite_shows_as_such_even_under_a_ceiling(bad: float) -> None:
    blocks = blocks_of([bad] * 60)
    assert not is_finite(blocks)
    assert not any(math.isfinite(s.weighted) for s in task_scores(blocks, COMPETITION))
    assert not math.isfinite(total_score(task_scores(blocks, COMPETITION)))


@settings(max_examples=20)
@given(round_losses)
def test_ordinary_losses_are_finite(losses: list[float]) -> None:
    assert is_finite(blocks_of(losses))


def test_sums_cover_the_common_prefix_of_common_rounds_since_the_given_block() -> None:
    a = {Block(1): (9.0,), Block(2): (1.0, 2.0, 3.0), Block(3): (4.0,), Block(5): (7.0,)}
    b = {Block(1): (9.0,), Block(2): (0.5, 1.0), Block(3): (4.0,), Block(4): (7.0,)}
    assert pooled(a, b, since=Block(2)) == Pooled(
        num_samples=3,
        champion=7.0,
        challenger=5.5,
        gain=1.5,
        squares=1.25,
        clipped_gain=1.5,
        clipped_squares=1.25,
    )


def test_without_common_samples_there_is_neither_ratio_nor_evidence() -> None:
    sums = pooled({Block(1): (1.0,)}, {Block(2): (1.0,)})
    assert sums.num_samples == 0
    assert math.isnan(sums.ratio)
    assert log_e_value(sums) == -math.inf


def test_the_e_value_equals_the_formula_written_out() -> None:
    a = [2.0, 1.0, 3.0, 2.0] * 10
    b = [1.5, 1.1, 2.0, 1.9] * 10
    mu = sum(a) / 40
    d = [x - y for x, y in zip(a, b, strict=True)] + [-mu]
    v = sum(x * x for x in d)
    r = 0.5 * mu**2
    x = sum(d) / math.sqrt(v + r)
    expected = 0.5 * math.log(r / (v + r)) + x * x / 2 + math.log(math.erfc(-x / math.sqrt(2)))
    assert log_e_value(pooled({Block(1): tuple(a)}, {Block(1): tuple(b)})) == pytest.approx(
        expected, rel=1e-12
    )


def test_the_e_value_is_the_mean_wealth_of_bets_of_all_stakes() -> None:
    """The closed form is the integral of exp(tS - t^2 V / 2) over a half-normal prior of t."""
    s, v, r = 6.0, 9.0, 0.5
    step = 1e-4
    prior = math.sqrt(2 * r / math.pi)
    wealth = step * sum(
        prior * math.exp(-r * t * t / 2) * math.exp(t * s - t * t * v / 2)
        for t in (step * (i + 0.5) for i in range(60_000))
    )
    assert log_mixture(s, v, r) == pytest.approx(math.log(wealth), abs=1e-6)


@pytest.mark.parametrize(
    ("excess", "squares", "prior"),
    [
        (-9.0, 0.5, 0.5),  # far behind: erfc would underflow
        (1.0, 0.0, 0.0),  # a champion without loss
        (1.0, math.inf, 0.5),
        (math.nan, 1.0, 0.5),
        (math.inf, 1.0, 0.5),
        (1.0, math.nan, 0.5),
    ],
)
def test_degenerate_sums_prove_nothing(excess: float, squares: float, prior: float) -> None:
    assert log_mixture(excess, squares, prior) == -math.inf


@pytest.mark.parametrize("champion", [0.0, -3.0])
def test_nothing_beats_a_champion_without_positive_loss(champion: float) -> None:
    sums = Pooled(
        num_samples=3,
        champion=champion,
        challenger=-100.0,
        gain=97.0,
        squares=9e3,
        clipped_gain=0.0,
        clipped_squares=0.0,
    )
    assert log_e_value(sums) == -math.inf


def test_sums_beyond_float64_are_nan_and_not_an_error() -> None:
    assert math.isnan(exact_sum([1e308, 1e308]))
    assert math.isnan(exact_sum([math.inf, -math.inf]))
    assert exact_sum([0.1] * 10) == 1.0


def test_accuracy_is_shown_beside_the_score_of_questions_and_is_not_in_it() -> None:
    plain = blocks_of([0.5] * 60, len(ORDER))
    answered = [
        replace(b, num_right=n % 3) if b.block.task == "choice" else b for n, b in enumerate(plain)
    ]
    choice, text = task_scores(answered, COMPETITION)
    total = sum(b.num_right or 0 for b in answered)
    assert total
    assert (choice.accuracy, text.accuracy) == (total / 40, None)
    without = tuple(replace(score, accuracy=None) for score in (choice, text))
    assert without == task_scores(plain, COMPETITION)


def test_signals_of_answers_are_shown_beside_the_score_and_are_not_in_it() -> None:
    plain = blocks_of([0.5] * 60, len(ORDER))
    signalled = [
        replace(
            b,
            answers=AnswerSignals(
                num_answers=len(b.losses), empty=1, repetitive=0, canned=2, near_ties=3, example="e"
            ),
        )
        if b.block.task == "choice"
        else b
        for b in plain
    ]
    choice, text = task_scores(signalled, COMPETITION)
    num_blocks = sum(b.answers is not None for b in signalled)
    assert choice.answers is not None
    assert (choice.answers.num_answers, choice.answers.canned) == (40, 2 * num_blocks)
    assert text.answers is None
    without = tuple(replace(score, answers=None) for score in (choice, text))
    assert without == task_scores(plain, COMPETITION)


def test_a_block_has_signals_of_its_own_answers_only() -> None:
    (block,) = blocks_of([0.5] * 60, 1)
    signals = AnswerSignals(num_answers=3, empty=0, repetitive=0, canned=0, near_ties=0)
    with pytest.raises(ValueError, match="signals of 3 answers"):
        replace(block, answers=signals)


def test_identity_tasks_show_their_mean_loss() -> None:
    (score,) = task_scores(blocks_of([0.5] * 60, 1), COMPETITION)
    assert isinstance(COMPETITION.tasks[0].normalization, Identity)
    assert score.raw == score.normalized == 0.5
