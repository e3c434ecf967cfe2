"""Generated questions, and draws of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import Seed
from sn37.domain.tasks.chance import Chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A generated question with its right answer."""

    problem: str  # equal for questions that differ in their wording only
    prompt: str
    reference: str

    def sample(self, source: str) -> Sample:
        """Return the question as a sample; its row id is a hash of its content."""
        content = sha256(f"{self.prompt}\0{self.reference}".encode()).hexdigest()
        return Sample(
            prompt=self.prompt,
            reference=self.reference,
            provenance=Provenance(row_id=f"{source}/{content[:32]}"),
        )


# Makes the questions of one turn: one question, or several that belong together.
Make = Callable[[Chance], tuple[Question, ...]]


def draw_questions(source: str, make: Make, *, count: int, seed: Seed) -> tuple[Sample, ...]:
    """Return ``count`` samples of different problems, the same everywhere for one seed.

    Turn n has the key ``source|seed|n``. A turn that contains a problem of an earlier one is left
    out, so ``make`` must have many more problems than are drawn. The first ``count`` samples of a
    larger draw are the smaller draw.
    """
    questions = islice(_distinct(source, make, seed), count)
    return tuple(question.sample(source) for question in questions)


def _distinct(source: str, make: Make, seed: Seed) -> Iterator[Question]:
    turn, seen = 0, set[str]()
    while True:
        questions = make(Chance(f"{source}|{seed:064x}|{turn}"))
        turn += 1
        problems = {question.problem for question in questions}
        if len(problems) == len(questions) and not problems & seen:
            seen |= problems
            yield from questions


def is_right(reference: str, answer: str) -> bool:
    """True if the answer is the reference, apart from white space around and between its parts.

    Parts are what white space or commas separate. So nothing may be added, such as a second answer.
    """
    return _parts(answer) == _parts(reference)


def _parts(text: str) -> list[str]:
    return text.replace(",", " ").split()
