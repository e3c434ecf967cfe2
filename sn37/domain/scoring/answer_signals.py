"""Counts over generated answers that a validator shows beside the score, never inside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sn37.domain.printable import one_line

LONGEST_EXAMPLE = 200  # characters of an answer that is shown
NUM_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSignals:
    """Counts over the answers of one block.

    Attributes:
        repetitive: Answers that repeat themselves.
        canned: Answers that were also given to another question of the block.
        near_ties: Steps in which the two likeliest tokens were so near that another device may have
            taken the other one, and so have another answer.
        example: The first answer that is not empty, on one printable line; empty if there is none.

    Raises:
        ValueError: A count is impossible.
    """

    num_answers: int
    empty: int
    repetitive: int
    canned: int
    near_ties: int
    example: str = ""

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Empty, repetitive and canned answers, and near-ties, as a receipt has them."""
        return (self.empty, self.repetitive, self.canned, self.near_ties)

    def __post_init__(self) -> None:
        counts = (self.empty, self.repetitive, self.canned)
        if min(*counts, self.near_ties) < 0 or sum(counts) > self.num_answers:
            raise ValueError(f"{counts} of {self.num_answers} answers, {self.near_ties} near-ties")
        if self.example != example_of([self.example]):
            raise ValueError("an example that is not one printable line")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReport:
    """Signals of one model in one task of a round.

    Attributes:
        mean_tokens: Mean length of an answer; 0.0 without answers.
        examples: At most ``NUM_EXAMPLES``, of different blocks.
    """

    num_answers: int
    empty: int
    repetitive: int
    canned: int
    near_ties: int
    mean_tokens: float
    examples: tuple[str, ...]


def example_of(answers: Iterable[str]) -> str:
    """Return the first answer that is not empty as one printable line; empty if there is none."""
    lines = (one_line(answer, LONGEST_EXAMPLE).rstrip() for answer in answers)
    return next(filter(None, lines), "")


def report_of(blocks: Iterable[tuple[AnswerSignals, int]]) -> AnswerReport:
    """Return the signals of several blocks together, given with their numbers of tokens."""
    found = list(blocks)
    signals = [signal for signal, _ in found]
    num_answers = sum(s.num_answers for s in signals)
    return AnswerReport(
        num_answers=num_answers,
        empty=sum(s.empty for s in signals),
        repetitive=sum(s.repetitive for s in signals),
        canned=sum(s.canned for s in signals),
        near_ties=sum(s.near_ties for s in signals),
        mean_tokens=sum(tokens for _, tokens in found) / max(1, num_answers),
        examples=tuple(s.example for s in signals if s.example)[:NUM_EXAMPLES],
    )
