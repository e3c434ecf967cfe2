"""Losses of all answers to questions, without knowing which one is right. Child side.

Every answer is encoded by the rules of a response to a prompt (``encoding``), with one context for
all answers to a question. Their losses come from the same body and head as those of texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sn37.adapters.scoring.model.check_time import counted
from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.packing import Branches
from sn37.adapters.scoring.model.plain import PlainModel
from sn37.adapters.scoring.model.soundness import TOLERANCE
from sn37.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """The answers to one question, each with the tokens of the question before it."""

    answers: tuple[Encoded, ...]

    @property
    def fault(self) -> str:
        """Why encoding and decoding do not restore an answer, if they do not."""
        return next((answer.fault for answer in self.answers if answer.fault), "")

    @property
    def num_scored(self) -> int:
        return sum(answer.num_scored for answer in self.answers)

    @property
    def probed(self) -> Encoded:
        """The question and its first answer, with a loss for each token but the first.

        So the probes of ``causality`` can cut it anywhere, not only in its answer.
        """
        first = self.answers[0]
        return replace(first, first=min(1, len(first.ids)))

    def branches(self) -> dict[Branches, tuple[int, ...]]:
        """Return answers with equal contexts together, by their numbers.

        Contexts differ where an answer's first token serves as context. Answers without a scored
        token are left out.
        """
        found: dict[tuple[int, ...], list[int]] = {}
        for number, answer in enumerate(self.answers):
            if answer.num_scored:
                found.setdefault(answer.ids[: answer.first], []).append(number)
        return {
            Branches(
                context=context,
                ends=tuple(self.answers[n].ids[self.answers[n].first :] for n in numbers),
            ): tuple(numbers)
            for context, numbers in found.items()
        }


def answer_nats(
    questions: Sequence[EncodedQuestion], encoder: Encoder, scorer: LossModel | PlainModel
) -> list[list[float]]:
    """Return -log p of every answer to every question, as a whole.

    Our own implementation computes each question once. The plain one scores one answer at a time.

    Raises:
        ModelFault: ``unsound``: they are not the losses of a distribution.
    """
    found = (
        _shared(questions, scorer) if isinstance(scorer, LossModel) else _alone(questions, scorer)
    )
    for question, nats in zip(questions, found, strict=True):
        check_answers(question, nats)
    return [
        [encoder.whole_nats(a, n) for a, n in zip(question.answers, nats, strict=True)]
        for question, nats in zip(questions, found, strict=True)
    ]


@counted
def check_answers(question: EncodedQuestion, nats: Sequence[float]) -> None:
    """Check that different single tokens after one context have at most a probability of 1.

    A NaN sum is not checked: the question then counts as lost.

    Raises:
        ModelFault: ``unsound``.
    """
    sums: dict[tuple[int, ...], dict[int, float]] = {}
    for answer, n in zip(question.answers, nats, strict=True):
        if answer.num_scored == 1:
            sums.setdefault(answer.ids[:-1], {})[answer.ids[-1]] = math.exp(-n)
    for shares in sums.values():
        if (total := math.fsum(shares.values())) > 1 + TOLERANCE:
            raise ModelFault(
                Reason.UNSOUND,
                f"the probabilities of {len(shares)} answers of one token sum to {total:.6g}, more "
                "than 1",
            )


def _shared(questions: Sequence[EncodedQuestion], scorer: LossModel) -> list[list[float]]:
    found = [[0.0] * len(question.answers) for question in questions]
    grouped = [
        (place, numbers, branches)
        for place, question in enumerate(questions)
        for branches, numbers in question.branches().items()
    ]
    sums = scorer.branch_nats([branches for _, _, branches in grouped])
    for (place, numbers, _), nats in zip(grouped, sums, strict=True):
        for number, n in zip(numbers, nats, strict=True):
            found[place][number] = n
    return found


def _alone(questions: Sequence[EncodedQuestion], scorer: PlainModel) -> list[list[float]]:
    return [scorer.nats(question.answers) for question in questions]
