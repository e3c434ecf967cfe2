"""Generated answers through the confined worker: what it is told, and what it cannot gain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.answers import Asked, asked_of
from sn37.adapters.scoring.answers import answers as answers_match
from sn37.adapters.scoring.messages import LENGTH, Answered, WorkOrder, decode_reply
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.batches import BLOCK_SAMPLES, SampleBlock
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed, TaskName
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.generated_answers import BYTES_PER_TOKEN
from sn37.domain.scoring.jobs import BlockLosses, Implementation, ScoringJob
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.instructions import instructions
from sn37.domain.tasks.questions import Question, draw_questions
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing.builders import a_batch, a_job, a_sample, an_artifact, some_constraints
from sn37.testing.tiny_models import save_model, save_tokenizer
from tests.integration.scorer.harness import everything, hostile
from tests.integration.scorer.miner_stops import (
    every_token_stops,
    nothing_stops,
    texts_and_a_clock_stop,
)
from tests.support.device import DEVICE

RULES, QUIZ = TaskName("rules"), TaskName("quiz")
BUDGET = 12


def some_instructions(count: int = 20) -> tuple[Sample, ...]:
    def make(chance: Chance) -> tuple[Question, ...]:
        return instructions(chance, least_rules=3, most_rules=4)

    return draw_questions("if_eval", make, count=count, seed=Seed(3))


def some_questions(count: int = 6) -> tuple[Sample, ...]:
    return tuple(
        a_sample(f"q-{n}", prompt=f"{n}?", reference="one", choices=("one", "two", "three"))
        for n in range(count)
    )


def job_of(folder: Path, **given: object) -> ScoringJob:
    if not folder.exists():
        save_model(folder, initializer_range=0.2, tie_word_embeddings=False)
        save_tokenizer(folder)
    job = a_job(
        artifact=an_artifact(path=folder),
        constraints=some_constraints(max_tokens=256),
        batches=(
            a_batch(RULES, method=Method.INSTRUCTION_RULES, samples=some_instructions()),
            a_batch(QUIZ, method=Method.GENERATED_CHOICE, samples=some_questions()),
        ),
        max_new_tokens=BUDGET,
    )
    return replace(job, **given)  # type: ignore[arg-type]


def order_of(job: ScoringJob) -> WorkOrder:
    scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1)
    return scorer._order(job, asked_of(job))


def scored(scorer: WorkerScorer, job: ScoringJob) -> list[BlockLosses]:
    return asyncio.run(everything(scorer, job))


def timeless(blocks: Sequence[BlockLosses]) -> list[BlockLosses]:
    return [replace(block, seconds=0.0) for block in blocks]


def test_a_worker_answers_and_the_validator_judges(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    blocks = scored(warm_scorer, job_of(tmp_path / "model"))
    sizes = {RULES: [16, 4], QUIZ: [6]}
    for task, expected in sizes.items():
        found = [block for block in blocks if block.block.task == task]
        assert [len(block.losses) for block in found] == expected
        for block in found:
            assert block.answers is not None
            assert block.answers.num_answers == len(block.losses)
            assert 0 < block.tokens <= BUDGET * len(block.losses)
            assert all(0 <= loss <= 1 for loss in block.losses)
            assert (block.num_right is None) == (task == RULES)
    assert all(block.answers and block.answers.example.isprintable() for block in blocks)


def test_both_implementations_give_the_same_losses(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "model")
    ours = scored(warm_scorer, job)
    theirs = scored(warm_scorer, replace(job, implementation=Implementation.PLAIN))
    assert [block.losses for block in ours] == [block.losses for block in theirs]
    assert [block.tokens for block in ours[:1]] == [block.tokens for block in theirs[:1]]


@pytest.mark.parametrize("implementation", Implementation)
@pytest.mark.parametrize("change", [every_token_stops, nothing_stops, texts_and_a_clock_stop])
def test_t14_no_stop_token_budget_or_clock_of_a_miner_changes_an_answer(
    change: Callable[[Path], None],
    implementation: Implementation,
    warm_scorer: WorkerScorer,
    tmp_path: Path,
) -> None:
    plain = job_of(tmp_path / "model", implementation=implementation)
    before = timeless(scored(warm_scorer, plain))
    change(tmp_path / "model")
    assert timeless(scored(warm_scorer, plain)) == before


def test_t14_a_slow_host_and_another_time_limit_give_the_same_answers(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "model")
    first = timeless(scored(warm_scorer, job))
    assert timeless(scored(warm_scorer, replace(job, timeout_s=10 * job.timeout_s))) == first

    async def slowly() -> list[BlockLosses]:
        found = []
        async for block in warm_scorer.score(job):
            found.append(block)
            await asyncio.to_thread(sum, range(10**6))  # the caller holds the block for a while
        return found

    assert timeless(asyncio.run(slowly())) == first


def test_t14_stop_texts_of_the_competition_end_answers(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    whole = scored(warm_scorer, job_of(tmp_path / "model"))
    letters = tuple("abcdefghijklmnopqrstuvwxyz\u0120 ")
    short = scored(warm_scorer, job_of(tmp_path / "model", stop=letters))
    assert sum(b.tokens for b in short) < sum(b.tokens for b in whole)


def test_a_job_that_resumes_has_the_same_answers(warm_scorer: WorkerScorer, tmp_path: Path) -> None:
    job = job_of(tmp_path / "model")
    whole = timeless(scored(warm_scorer, job))
    assert timeless(scored(warm_scorer, replace(job, skip_blocks=1))) == whole[1:]


def test_t27_the_rules_and_the_example_answers_never_reach_a_worker(tmp_path: Path) -> None:
    job = job_of(tmp_path / "model")
    sent = order_of(job).encode().decode(errors="replace")
    for sample in some_instructions():
        task = InstructionTask.from_text(sample.reference)
        assert json.dumps(sample.prompt)[1:-1] in sent
        assert json.dumps(sample.reference)[1:-1] not in sent
        assert json.dumps(task.answer)[1:-1] not in sent
    other = replace(
        job,
        batches=tuple(
            replace(b, samples=tuple(replace(s, reference=s.choices[1]) for s in b.samples))
            if b.task == QUIZ
            else b
            for b in job.batches
        ),
    )
    assert order_of(other).encode() == order_of(job).encode()


def test_a_task_without_a_budget_or_without_rules_is_our_fault(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    with pytest.raises(ScorerUnavailable, match="task rules: no budget of tokens"):
        scored(warm_scorer, job_of(tmp_path / "model", budgets={}))
    odd = a_batch(RULES, method=Method.INSTRUCTION_RULES, samples=(a_sample("odd"),))
    with pytest.raises(ScorerUnavailable, match="row odd: its reference is not the rules"):
        scored(warm_scorer, job_of(tmp_path / "model", batches=(odd,)))


BLOCK = SampleBlock(RULES, 0, BLOCK_SAMPLES)
LONGEST = "x" * BYTES_PER_TOKEN * BUDGET


@pytest.mark.parametrize(
    ("told", "is_whole"),
    [
        (Answered((LONGEST,) * 16, 16 * BUDGET, 16 * (BUDGET + 1)), True),
        (Answered(("",) * 16, 0, 0), True),
        (Answered(("",) * 15, 0, 0), False),
        (Answered((*("",) * 15, f"{LONGEST}x"), 0, 0), False),
        (Answered((*("",) * 15, "\u00e9" * len(LONGEST)), 0, 0), False),
        (Answered(("",) * 16, 16 * BUDGET + 1, 0), False),
        (Answered(("",) * 16, 0, 16 * (BUDGET + 1) + 1), False),
    ],
)
def test_answers_beyond_the_budget_are_refused(
    told: Answered, is_whole: bool, tmp_path: Path
) -> None:
    samples = some_instructions()[:BLOCK_SAMPLES]
    asked = Asked(questions=(), controls=(), samples=samples, budget=BUDGET)
    assert answers_match(told, BLOCK, job_of(tmp_path / "model"), asked) is is_whole


def test_the_longest_reply_fits_into_a_frame(tmp_path: Path) -> None:
    order = order_of(job_of(tmp_path / "m"))
    for text in ("\x00" * len(LONGEST), "\u0800" * (len(LONGEST) // 3), LONGEST):
        sent = Answered((text,) * 16, 16 * BUDGET, 0).encode()
        assert len(sent) - LENGTH.size <= order.blocks[0].max_reply_bytes
        assert decode_reply(sent[LENGTH.size :]) == Answered((text,) * 16, 16 * BUDGET, 0)


@pytest.mark.parametrize("function", ["talks_without_end", "reports_losses"])
def test_a_worker_that_does_not_answer_in_form_is_at_fault(function: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with hostile(f"answering_workers:{function}") as scorer:
            with pytest.raises(ModelRejected):
                await everything(scorer, job_of(tmp_path / "model"))

    asyncio.run(run())


@pytest.mark.parametrize("method", [m for m in Method if not m.traits.is_generated])
def test_t25_a_worker_that_answers_where_losses_are_due_is_at_fault(
    method: Method, tmp_path: Path
) -> None:
    batch = a_batch(QUIZ, method=method, samples=some_questions())

    async def run() -> None:
        async with hostile("answering_workers:says_nothing") as scorer:
            with pytest.raises(ModelRejected):
                await everything(scorer, job_of(tmp_path / "model", batches=(batch,), budgets={}))

    asyncio.run(run())


def test_what_a_worker_says_is_judged_and_shown_on_one_line(tmp_path: Path) -> None:
    async def run() -> list[BlockLosses]:
        async with hostile("answering_workers:says_one_thing") as scorer:
            return await everything(scorer, job_of(tmp_path / "model"))

    for block in asyncio.run(run()):
        assert block.answers is not None
        if block.block.task == RULES:
            assert block.losses == (1.0,) * len(block.losses)
            assert block.answers.canned == len(block.losses)
        else:
            assert block.answers.canned == 0
        assert block.answers.example == "A. \ufffd[31mone thing"
