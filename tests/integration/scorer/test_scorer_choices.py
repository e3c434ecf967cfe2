"""Questions with options: what a worker is asked, and the losses of its answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch

from sn37.adapters.scoring.model import causality
from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import Branches
from sn37.adapters.scoring.model.plain import PlainModel, load_plainly
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.adapters.scoring.questions import EncodedQuestion, answer_nats, check_answers
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.batches import SampleBlock
from sn37.domain.data.samples import Sample
from sn37.domain.ids import EntryKey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.choices import ChoiceQuestion, questions_of
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.scoring.opinion import (
    CHOICE_MEAN_TOLERANCE,
    CHOICE_SAMPLE_TOLERANCE,
    View,
    compared,
    drawn_samples,
    judge,
    second_job,
)
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.testing.builders import a_batch, a_sample, an_entry_key, hex_digest
from sn37.testing.tiny_models import (
    ARCHITECTURES,
    VOCABULARY,
    a_real_job,
    save_tokenizer,
    some_text,
)
from tests.integration.scorer.harness import everything, hostile
from tests.integration.scorer.textbook import a_model

CHOICES = (Method.MULTIPLE_CHOICE, Method.CHOICE_TEXT)
ALICE: EntryKey = an_entry_key()
QUIZ = TaskName("quiz")
SHAPE = Shape("<user>", "\n<assistant>", "\n")
# Of the tolerances, what honest models may use in these tests.
USED = {"float32": 0.01, "bfloat16": 0.01, "float16": 0.5}


def some_questions(count: int = 40) -> tuple[Sample, ...]:
    """Questions with two to five options of many lengths."""
    return tuple(
        a_sample(
            f"question-{n}",
            prompt=some_text(n, 4 + n % 17),
            reference=options[n % len(options)],
            choices=options,
        )
        for n in range(count)
        for options in (
            tuple(some_text(10 * n + m, 1 + (n + 3 * m) % 9) for m in range(2 + n % 4)),
        )
    )


def a_quiz(folder: Path, method: Method, *, samples: Sequence[Sample] | None = None) -> ScoringJob:
    """A job of blocks of questions between blocks of texts."""
    job = a_real_job(folder)
    quiz = a_batch(QUIZ, method=method, samples=tuple(samples or some_questions()))
    return replace(job, batches=(quiz, job.batches[0]))


def asked(job: ScoringJob) -> list[ChoiceQuestion]:
    return [question for block in questions_of(job).values() for question in block]


def an_encoder(folder: Path, *, max_tokens: int = 256, prescribed: bool = False) -> Encoder:
    tokenizer = load_tokenizer(folder)
    return Encoder(tokenizer, prescribed=prescribed, max_tokens=max_tokens, vocabulary=VOCABULARY)


def encoded(job: ScoringJob, encoder: Encoder) -> list[EncodedQuestion]:
    return [EncodedQuestion(encoder.answers(SHAPE, q.prompt, q.answers)) for q in asked(job)]


def losses(job: ScoringJob, nats: Sequence[Sequence[float]]) -> list[float]:
    return [q.loss(n) for q, n in zip(asked(job), nats, strict=True)]


def a_block(found: Sequence[float]) -> tuple[BlockLosses, ...]:
    block = SampleBlock(QUIZ, 0, len(found))
    return (BlockLosses(block=block, losses=tuple(found), tokens=1, seconds=0.0),)


@pytest.mark.parametrize("precision", USED)
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_t50_both_implementations_agree_on_questions(
    tmp_path: Path, family: str, precision: str
) -> None:
    stored = torch.float32 if precision == "float32" else torch.bfloat16
    model = a_model(tmp_path, family, dtype=stored)
    second = PlainModel(
        load_plainly(tmp_path, architecture=ARCHITECTURES[family], device=model.device)
    )
    first = LossModel(model, products=torch.float16 if precision == "float16" else None)
    encoder = an_encoder(tmp_path)
    for method in CHOICES:
        job = a_quiz(tmp_path, method)
        questions = encoded(job, encoder)
        ours, theirs = (losses(job, answer_nats(questions, encoder, m)) for m in (first, second))
        pairs = compared([(QUIZ, n) for n in range(len(ours))], a_block(ours), a_block(theirs))
        assert judge(ALICE, pairs, {}, choices={QUIZ}).view is View.AGREES
        worst = max(abs(s.ours - s.theirs) for s in pairs)
        shift = abs(math.fsum(ours) - math.fsum(theirs)) / len(ours)
        assert len({round(x, 3) for x in theirs}) > 20
        assert worst < USED[precision] * CHOICE_SAMPLE_TOLERANCE
        assert shift < USED[precision] * CHOICE_MEAN_TOLERANCE


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_a_context_that_answers_share_gives_each_the_bits_that_it_has_alone(
    tmp_path: Path, family: str
) -> None:
    model = LossModel(a_model(tmp_path, family))
    encoder = an_encoder(tmp_path)
    questions = [q for method in CHOICES for q in encoded(a_quiz(tmp_path, method), encoder)]
    shared = model.branch_nats([b for q in questions for b in q.branches()])
    alone = [[model.nats([answer])[0] for answer in q.answers] for q in questions]
    assert len(shared) == len(questions)
    assert shared == alone


@pytest.mark.parametrize("family", ["llama", "gemma2", "mistral", "falcon", "bart"])
def test_no_answer_sees_another_one_or_how_many_there_are(tmp_path: Path, family: str) -> None:
    window = 8 if family in ("gemma2", "mistral") else None
    model = LossModel(a_model(tmp_path, family, sliding_window=window))
    context, own = tuple(range(2, 25)), (7, 90, 31, 5)
    ends = ((44, 45, 46), own, (50,), (200, 201, 202, 203, 204))
    (first,) = model.branch_nats([Branches(context=context, ends=ends)])
    (other,) = model.branch_nats([Branches(context=context, ends=((9, 8), own, (300, 301)))])
    (alone,) = model.branch_nats([Branches(context=context, ends=(own,))])
    assert first[1] == other[1] == alone[0]


def test_a_question_whose_answers_fill_more_than_a_pack_is_scored_in_several(
    tmp_path: Path,
) -> None:
    model = a_model(tmp_path, "llama")
    ends = tuple(tuple((n * 31 + t) % VOCABULARY for t in range(20 + n)) for n in range(6))
    question = Branches(context=tuple(range(3, 43)), ends=ends)
    assert [len(part.ends) for part in question.rows(90)] == [2, 2, 2]
    assert all(len(part.ids) <= 90 for part in question.rows(90))
    (whole,) = LossModel(model, pack_tokens=512).branch_nats([question])
    (parts,) = LossModel(model, pack_tokens=90).branch_nats([question])
    assert parts == whole
    assert [len(part.ends) for part in question.rows(1)] == [1] * 6


def test_letters_of_one_token_add_nothing_to_the_row(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    for question in encoded(a_quiz(tmp_path, Method.MULTIPLE_CHOICE), an_encoder(tmp_path)):
        ((branches, numbers),) = question.branches().items()
        assert branches.ids == branches.context == question.answers[0].ids[:-1]
        assert numbers == tuple(range(len(question.answers)))


@pytest.mark.parametrize("method", CHOICES)
@pytest.mark.parametrize("prescribed", [False, True])
@pytest.mark.parametrize("max_tokens", [12, 40, 256])
def test_all_answers_to_a_question_have_the_same_tokens_before_them(
    tmp_path: Path, method: Method, prescribed: bool, max_tokens: int
) -> None:
    save_tokenizer(tmp_path)
    encoder = an_encoder(tmp_path, max_tokens=max_tokens, prescribed=prescribed)
    for question in encoded(a_quiz(tmp_path, method), encoder):
        assert len(question.branches()) == 1
        assert all(len(answer.ids) <= max_tokens for answer in question.answers)
        assert all(answer.num_scored for answer in question.answers)


@pytest.mark.parametrize("method", CHOICES)
def test_t46_probes_cut_questions_anywhere_and_not_in_their_answers_alone(
    tmp_path: Path, method: Method
) -> None:
    save_tokenizer(tmp_path)
    questions = encoded(a_quiz(tmp_path, method), an_encoder(tmp_path))[:16]
    probed = [question.probed for question in questions]
    cuts = []
    for seed in range(300):
        probe = causality.draw(probed, seed=f"{seed}", block=5, vocabulary=VOCABULARY)
        if probe is not None:
            cuts.append(probe.cut / questions[probe.number].answers[0].first)
    assert len(cuts) > 30
    assert min(cuts) < 0.2
    assert any(0.3 < cut < 0.7 for cut in cuts)
    assert max(cuts) >= 0.95


def test_single_tokens_that_are_likelier_than_possible_are_unsound() -> None:
    def answer(*ids: int) -> Encoded:
        return Encoded(ids=(1, 2, *ids), first=2, num_bytes=1, unscored_bytes=0)

    question = EncodedQuestion((answer(3), answer(4), answer(5, 6)))
    check_answers(question, [0.7, 0.7, 0.0])  # the third has two tokens: it is not one of them
    check_answers(EncodedQuestion((answer(3), answer(3))), [0.1, 0.1])  # one token, twice
    check_answers(question, [math.nan, 0.0, 0.0])
    with pytest.raises(ModelFault, match=r"2 answers of one token sum to 1\.02") as caught:
        check_answers(question, [0.673, 0.673, 9.0])
    assert caught.value.reason is Reason.UNSOUND


class Outcome:
    """What real workers give for a job, and for a part of it."""

    def __init__(self, scorer: WorkerScorer, job: ScoringJob) -> None:
        async def both() -> None:
            self.whole = await everything(scorer, job)
            self.rest = await everything(scorer, replace(job, skip_blocks=2))
            sizes = [(b.task, len(b.samples)) for b in job.batches]
            self.chosen = drawn_samples(sizes, hex_digest("seed"))
            self.second = await everything(scorer, second_job(job, self.chosen))

        asyncio.run(both())


@pytest.mark.parametrize("is_prescribed", [False, True])
@pytest.mark.parametrize("method", CHOICES)
def test_questions_are_scored_by_a_worker_beside_texts(
    warm_scorer: WorkerScorer, llama: Path, method: Method, is_prescribed: bool
) -> None:
    job = a_quiz(llama, method)
    job = replace(job, tokenizer=llama if is_prescribed else None)
    found = Outcome(warm_scorer, job)
    assert [b.block for b in found.whole] == list(job.blocks())
    quiz = [b for b in found.whole if b.block.task == QUIZ]
    texts = [b for b in found.whole if b.block.task != QUIZ]
    assert [b.num_right for b in texts] == [None] * len(texts)
    assert all(b.controls for b in texts)
    assert not any(b.controls for b in quiz)
    # The tiny model has learned nothing, so it guesses.
    assert 0 < sum(b.num_right or 0 for b in quiz) < 20
    assert 0.8 < fmean(loss for b in quiz for loss in b.losses) < 1.8
    as_before = [(b.losses, b.num_right) for b in found.whole[2:]]
    assert [(b.losses, b.num_right) for b in found.rest] == as_before
    pairs = compared(found.chosen, found.whole, found.second)
    assert judge(ALICE, pairs, {}, choices={QUIZ}).view is View.AGREES
    assert {s.task for s in pairs} == {QUIZ, *(b.block.task for b in texts)}


@pytest.mark.parametrize(
    "claim",
    ["too_few", "too_many_answers", "as_texts", "texts_as_questions", "not_numbers", "negative"],
)
def test_t50_a_worker_that_answers_otherwise_than_asked_is_refused(llama: Path, claim: str) -> None:
    async def ask() -> None:
        async with hostile(f"choice_workers:{claim}") as scorer:
            await everything(scorer, a_quiz(llama, Method.MULTIPLE_CHOICE))

    with pytest.raises(ModelRejected) as caught:
        asyncio.run(ask())
    assert caught.value.reason is Reason.UNLOADABLE


def test_losses_that_are_not_finite_count_as_lost(llama: Path) -> None:
    async def ask() -> list[BlockLosses]:
        async with hostile("choice_workers:not_finite") as scorer:
            return await everything(scorer, a_quiz(llama, Method.MULTIPLE_CHOICE))

    quiz = [b for b in asyncio.run(ask()) if b.block.task == QUIZ]
    assert all(math.isnan(loss) for b in quiz for loss in b.losses)
    assert sum(b.num_right or 0 for b in quiz) == 0


@pytest.mark.parametrize("num_options", [0, 27])
def test_samples_that_are_no_questions_are_named_before_a_worker_starts(
    warm_scorer: WorkerScorer, llama: Path, num_options: int
) -> None:
    options = tuple(f"option {n}" for n in range(num_options))
    sample = a_sample("row-7", reference="option 1", choices=options)
    job = a_quiz(llama, Method.CHOICE_TEXT, samples=(*some_questions(3), sample))
    with pytest.raises(ScorerUnavailable, match=f"task quiz: row row-7 has {num_options} options"):
        asyncio.run(everything(warm_scorer, job))
