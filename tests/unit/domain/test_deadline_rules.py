"""How long each stage of a job may compute."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.schedule.load import load_schedule
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, Digest, TaskName
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.deadlines import (
    ENCODING_BYTES_PER_S,
    LEAST_S,
    PREPARING_S,
    SPREAD,
    Stage,
    deadlines_of,
)
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.submission.models import ModelArtifact
from sn37.testing.builders import a_batch, a_job, a_sample, an_artifact, some_constraints

FINNEY = load_schedule("finney", known_sources=None).schedule


def finney(competition: int, block: int) -> Competition:
    found = next(c for c in FINNEY.at(Block(block)) if c.id == competition)
    assert found.timeout_s > 0
    return found


SN9 = finney(1, 3_200_000)


def sized(size_bytes: int) -> ModelArtifact:
    return replace(an_artifact(), size_bytes=size_bytes)


def a_round_of(rules: Competition, size_bytes: int, *, words: int = 300) -> ScoringJob:
    """A job as a competition's round has it, with a method that our scorer has."""
    samples = tuple(
        a_sample(f"row-{n}", prompt="word " * words, reference="word " * words)
        for n in range(max(t.num_samples for t in rules.tasks))
    )
    return a_job(
        artifact=sized(size_bytes),
        constraints=rules.constraints,
        batches=tuple(
            TaskBatch(task=t.name, method=Method.TEXT_LOSS, samples=samples[: t.num_samples])
            for t in rules.tasks
        ),
        timeout_s=rules.timeout_s,
    )


def test_questions_have_time_for_their_options_and_texts_for_their_response() -> None:
    options = tuple(f"{n}" * 40_000 for n in range(5))
    samples = tuple(
        a_sample(f"row-{n}", prompt="word " * 50, reference=options[0], choices=options)
        for n in range(32)
    )

    def checking_s(method: Method) -> float:
        batch = TaskBatch(task=TaskName("quiz"), method=method, samples=samples)
        return deadlines_of(a_job(batches=(batch,), timeout_s=900.0)).checking_s

    most = 32 * some_constraints().max_tokens  # bytes that are tokenised for a window
    seconds = checking_s(Method.CHOICE_TEXT) - checking_s(Method.REFERENCE_LOSS)
    assert seconds == pytest.approx(32 * 4 * min(40_000, most) / ENCODING_BYTES_PER_S)


def test_t59_no_stage_of_finneys_first_competition_takes_a_minute() -> None:
    limits = deadlines_of(a_round_of(SN9, SN9.constraints.max_bytes))
    assert limits.preparing_s == PREPARING_S
    assert limits.loading_s == pytest.approx(50.0)
    assert limits.checking_s == pytest.approx(54.0 + 300 * 3000 / ENCODING_BYTES_PER_S)
    assert max(limits.blocks_s) == pytest.approx(SPREAD * 820 * 16 / 300)
    assert 20 * limits.longest_s < 20 * 60
    assert limits.total_s == SN9.timeout_s


def test_the_stages_of_an_honest_round_add_up_to_no_less_than_its_time() -> None:
    limits = deadlines_of(a_round_of(SN9, SN9.constraints.max_bytes))
    assert limits.preparing_s + limits.loading_s + sum(limits.blocks_s) >= limits.total_s


def test_a_larger_model_has_longer_to_load() -> None:
    small, large = (deadlines_of(a_round_of(SN9, size << 30)).loading_s for size in (1, 15))
    assert small < large


def test_a_block_of_long_texts_has_more_time_than_one_of_short_ones() -> None:
    short = tuple(a_sample(f"s{n}", prompt="", reference="a few words") for n in range(160))
    long = tuple(a_sample(f"l{n}", prompt="", reference="a few words " * 99) for n in range(16))
    job = a_job(batches=(a_batch(samples=(*long, *short)),), timeout_s=3600.0)
    first, *others = deadlines_of(job).blocks_s
    assert first > 2 * max(others)
    assert len(set(others)) == 1


def test_what_no_window_holds_gives_no_time() -> None:
    def first_of(words: int) -> float:
        texts = [a_sample(f"l{n}", prompt="", reference="word " * words) for n in range(16)]
        rest = [a_sample(f"s{n}", prompt="", reference="word " * 40) for n in range(160)]
        return deadlines_of(
            a_job(batches=(a_batch(samples=(*texts, *rest)),), timeout_s=3600.0)
        ).blocks_s[0]

    assert first_of(10**5) == first_of(10**4)


def test_t59_long_rows_have_time_to_be_tokenised_up_to_what_a_window_holds() -> None:
    def checking_of(reference: str) -> float:
        rows = tuple(a_sample(f"l{n}", prompt="", reference=reference) for n in range(100))
        return deadlines_of(a_job(batches=(a_batch(samples=rows),), timeout_s=900.0)).checking_s

    most = 32 * a_job().constraints.max_tokens
    assert checking_of("x") == pytest.approx(54.0, abs=0.01)
    assert checking_of("x" * (most // 2)) == pytest.approx(54.0 + 50 * most / ENCODING_BYTES_PER_S)
    assert checking_of("x" * 2 * most) == checking_of("\U0001f642" * most)


def test_blocks_that_were_scored_before_a_restart_are_left_out() -> None:
    job = a_round_of(SN9, 1 << 30)
    assert deadlines_of(replace(job, skip_blocks=5)).blocks_s == deadlines_of(job).blocks_s[5:]


def test_a_stage_has_what_the_deadlines_say_and_scoring_what_the_next_block_has() -> None:
    limits = deadlines_of(a_round_of(SN9, 1 << 30))
    assert [limits.of(stage, 2) for stage in Stage] == [
        limits.preparing_s,
        limits.loading_s,
        limits.checking_s,
        limits.blocks_s[2],
    ]


def test_stages_follow_each_other() -> None:
    assert Stage.PREPARING.is_before(Stage.LOADING)
    assert not Stage.SCORING.is_before(Stage.CHECKING)
    assert not Stage.LOADING.is_before(Stage.LOADING)


@given(
    timeout_s=st.floats(0.01, 1e6),
    lengths=st.lists(st.integers(0, 5_000), min_size=1, max_size=100),
    size=st.integers(0, 1 << 40),
)
def test_no_stage_has_more_than_the_job_nor_next_to_nothing(
    timeout_s: float, lengths: list[int], size: int
) -> None:
    samples: tuple[Sample, ...] = tuple(
        a_sample(f"row-{n}", prompt="", reference="x" * length) for n, length in enumerate(lengths)
    )
    job = a_job(artifact=sized(size), batches=(a_batch(samples=samples),), timeout_s=timeout_s)
    limits = deadlines_of(job)
    stages = (limits.preparing_s, limits.loading_s, limits.checking_s, *limits.blocks_s)
    assert max(stages) == limits.longest_s <= timeout_s
    assert min(stages) >= min(LEAST_S, timeout_s)
    assert len(limits.blocks_s) == len(job.blocks())


def test_deadlines_depend_on_nothing_of_the_machine() -> None:
    job = a_round_of(SN9, 1 << 30)
    other = replace(job, artifact=replace(job.artifact, content_digest=Digest("0" * 64)))
    assert deadlines_of(job) == deadlines_of(other)


def test_blocks_of_generated_answers_get_more_time_the_longer_an_answer_may_be() -> None:
    samples = tuple(a_sample(f"row-{n}") for n in range(32))
    texts = a_batch("text", samples=samples)
    rules = a_batch("rules", method=Method.INSTRUCTION_RULES, samples=samples)

    def shares(budget: int) -> tuple[float, ...]:
        job = a_job(batches=(texts, rules), timeout_s=9_000.0, max_new_tokens=budget)
        return deadlines_of(job).blocks_s

    short, long = shares(1), shares(512)
    assert [b.task for b in a_job(batches=(texts, rules)).blocks()][:2] == ["text", "rules"]
    assert long[1] > 1.5 * long[0]
    assert long[1] > short[1]
    assert long[0] < short[0]


def test_references_that_no_worker_reads_take_no_time_to_encode() -> None:
    long = (a_sample("long", reference="word " * 100_000), a_sample("short"))
    short = (a_sample("long"), a_sample("short"))
    method, limits = Method.INSTRUCTION_RULES, some_constraints(max_tokens=100_000)
    one, other = (
        deadlines_of(a_job(batches=(a_batch("r", method=method, samples=s),), constraints=limits))
        for s in (long, short)
    )
    assert one == other
