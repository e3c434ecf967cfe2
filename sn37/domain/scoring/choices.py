"""Multiple choice by likelihood: how a question is asked, and the loss of its right option.

A worker gets a question and texts that may follow it, and returns -log p of each of these. It does
not learn which one is right, and nothing that it gets depends on that: the order of the options and
the wording are drawn by a key that covers what the round drew except for the answers. If the key
covered the answers, a model could try all of them for a few questions until the key fits.

For letters, the texts are letters of the options in the question, under a wording that is drawn
for each question, so that no model can be tuned to one form or to one place of the right option.
For texts, they are the options themselves, and their nats are divided by their UTF-8 bytes, as
public leaderboards do.

The loss is in units in which guessing is 1. With q the right option's share of the likelihood of
all k options:

    p = 0.99 q + 0.01 / k,    loss = -ln p / ln k

The mixed-in guess bounds the loss: a single question where a model is sure and wrong cannot
outweigh a round. docs/winner.md says why answers are not just counted as right or wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from string import ascii_uppercase

from sn37.domain.canonical import canonical_digest
from sn37.domain.data.batches import SampleBlock, TaskBatch
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.known_facts import known
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.methods import Options
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.tasks.letters import MAX_OPTIONS

MIXED = 0.01  # share of a guess in the probability of which a loss is taken

# Every opening, style of letters and closing occurs with every other.
OPENINGS = ("", "Question: ", "Choose the right option.\n\n", "Answer this question.\n\n")
LETTER_STYLES = ("{}. ", "{}) ", "({}) ")
LETTER_CLOSINGS = (
    "\n\nAnswer with the letter of the right option.",
    "\n\nWhich option is right? Reply with its letter only.",
    "\n\nGive the letter of the correct answer.",
    "\nAnswer:",
)
TEXT_CLOSINGS = ("", "\nAnswer:", "\n\nAnswer in a few words.", "\n\nWhat is the answer?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceQuestion:
    """A question as it is asked.

    Attributes:
        prompt: What the model is asked.
        answers: The texts whose likelihoods are compared, one for each option.
        sizes: Divisors of their nats.
        right: Index of the right one, which a worker does not get.
    """

    prompt: str
    answers: tuple[str, ...]
    sizes: tuple[int, ...]
    right: int

    def shares(self, nats: Sequence[float]) -> tuple[float, ...]:
        """Return each option's share of the likelihood; NaN for all if one loss is not finite.

        Args:
            nats: -log p of each answer after the prompt.
        """
        if not all(map(math.isfinite, nats)):
            return (math.nan,) * len(nats)
        scores = [n / size for n, size in zip(nats, self.sizes, strict=True)]
        least = min(scores)
        weights = [math.exp(least - score) for score in scores]
        total = math.fsum(weights)
        return tuple(weight / total for weight in weights)

    def loss(self, nats: Sequence[float]) -> float:
        """Return the loss; NaN if a loss of an answer is not finite."""
        return loss_of_share(self.shares(nats)[self.right], len(self.answers))

    def is_right(self, nats: Sequence[float]) -> bool:
        """True if the right option alone has the highest share; a tie is wrong."""
        shares = self.shares(nats)
        others = (share for n, share in enumerate(shares) if n != self.right)
        return all(shares[self.right] > share for share in others)


def loss_of_share(share: float, num_options: int) -> float:
    """Return the loss of a right option with this share of the likelihood, see the module."""
    probability = (1 - MIXED) * share + MIXED / num_options
    return -math.log(probability) / math.log(num_options)


def question_key(batches: Iterable[TaskBatch]) -> Digest:
    """Return the key of a round's questions: a digest of all that was drawn but the answers."""
    return canonical_digest(
        [
            [batch.task, sample.provenance.row_id, sample.prompt, *sorted(sample.choices)]
            for batch in batches
            if batch.method.traits.is_choice
            for sample in batch.samples
        ]
    )


def choice_tasks(competition: Competition) -> frozenset[TaskName]:
    """Return the tasks whose samples are questions with options."""
    return frozenset(t.name for t in competition.tasks if t.method.traits.is_choice)


def key_of(job: ScoringJob) -> Digest:
    """Return the key of a job's questions."""
    return question_key(job.batches) if job.question_key is None else job.question_key


def questions_of(job: ScoringJob) -> Mapping[SampleBlock, tuple[ChoiceQuestion, ...]]:
    """Return the questions of each block of a job, skipped blocks included.

    Blocks of other methods have none.
    """
    key, batches = key_of(job), {batch.task: batch for batch in job.batches}
    return {
        block: _questions(batches[block.task], block, key)
        if batches[block.task].method.traits.is_choice
        else ()
        for block in job.blocks()
    }


def unaskable(batch: TaskBatch) -> str:
    """Return why a sample of the batch is not a question with options; empty if all are."""
    if not batch.method.traits.is_choice:
        return ""
    for sample in batch.samples:
        if not 2 <= (count := len(sample.choices)) <= MAX_OPTIONS:
            return (
                f"row {sample.provenance.row_id} has {count} options, but {batch.method} needs 2 "
                f"to {MAX_OPTIONS}"
            )
    return ""


def asked(sample: Sample, task: TaskName, options: Options, key: Digest) -> ChoiceQuestion:
    """Return a sample as a question, in the order and wording that the key draws."""

    def drawn(what: str) -> bytes:
        row = sample.provenance.row_id
        text = "\0".join((f"sn37/question/1|{key}", task, row, what))
        return sha256(text.encode()).digest()

    def one_of(forms: Sequence[str], what: str) -> str:
        return forms[int.from_bytes(drawn(what), "big") % len(forms)]

    # Sorted before: the source's order may depend on the answer.
    texts = sorted(sorted(sample.choices), key=lambda text: drawn(f"order|{text}"))
    right = texts.index(sample.reference)
    question = one_of(OPENINGS, "opening") + sample.prompt
    if options is Options.TEXTS:
        return ChoiceQuestion(
            prompt=question + one_of(TEXT_CLOSINGS, "closing"),
            answers=tuple(texts),
            sizes=tuple(max(1, len(text.encode())) for text in texts),
            right=right,
        )
    letters = ascii_uppercase[: len(texts)]
    style = one_of(LETTER_STYLES, "letters")
    lines = [style.format(letter) + text for letter, text in zip(letters, texts, strict=True)]
    return ChoiceQuestion(
        prompt="\n".join((question, *lines)) + one_of(LETTER_CLOSINGS, "closing"),
        answers=tuple(letters),
        sizes=(1,) * len(letters),
        right=right,
    )


def _questions(batch: TaskBatch, block: SampleBlock, key: Digest) -> tuple[ChoiceQuestion, ...]:
    options = known(batch.method.traits.options, "the method asks questions with options")
    return tuple(
        asked(sample, batch.task, options, key)
        for sample in batch.samples[block.first : block.stop]
    )
