"""Our checks of rules agree with IFEval's on thousands of answers, except for named reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from sn37.domain.ids import Seed
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.questions import draw_questions
from sn37.domain.tasks.rules import Rule, RuleKind, follows
from tests.integration.tasks.if_verifiable_checks import (
    REASONS,
    THEIRS,
    WITHOUT_COUNTERPART,
    reasons,
)
from tests.unit.tasks.breaking import broken
from tests.unit.tasks.counted_by_hand import COUNTED
from tests.unit.tasks.judged_by_hand import JUDGED
from tests.unit.tasks.solving import instruction_questions

NUM_SAMPLES = 1200
NUM_MIXED = 3000
_PIECES = """
a B sea SEA lamp море 水 é . , ! ? - * ** [ ] << >> " P.S. Part 1 2 { } : 。 don't well-known NASA
[x] I *x* **y z** \u2022 \u0964 e\u0301 very good The lamp is old. Who knows?
Dr. e.g. 3.14 "Yes." sea_bed
"""


@cache
def cases() -> tuple[tuple[Rule, str], ...]:
    """Each rule that was drawn or judged by hand, with answers for and against it."""
    found = dict.fromkeys(_cases())
    return tuple(case for case in found if case[1].strip() and len(case[1]) < 20_000)


def _cases() -> Iterator[tuple[Rule, str]]:
    samples = draw_questions("if_eval", instruction_questions, count=NUM_SAMPLES, seed=Seed(37))
    answers = []
    for sample in samples:
        task = InstructionTask.from_text(sample.reference)
        answers.append(task.answer)
        for rule in task.rules:
            yield rule, task.answer
            yield rule, broken(rule, task.answer)
            yield rule, sample.prompt
            yield rule, answers[len(answers) // 2]
    for rule, right, wrong in JUDGED:
        yield from ((rule, answer) for answer in (*right, *wrong))
    for least, most, texts, counts in COUNTED:
        for text, count in counts.items():
            for kind in (least, most or least):
                yield from (
                    (Rule(kind=kind, number=n, texts=texts), text) for n in (count, count + 1) if n
                )
    rules = [rule for rule, _, _ in JUDGED] + [
        Rule(kind=kind, number=n, texts=texts)
        for least, most, texts, _ in COUNTED
        for kind in (least, most or least)
        for n in (1, 2, 3)
    ]
    for number in range(NUM_MIXED):
        chance = Chance(f"mixed {number}")
        pieces = [chance.pick(_PIECES.split()) for _ in range(chance.between(1, 25))]
        spaces = ("\n", "\n\n", "\n \n", "", *" " * 12)
        yield chance.pick(rules), "".join(piece + chance.pick(spaces) for piece in pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    rule: Rule
    answer: str
    ours: bool
    theirs: bool
    reasons: tuple[str, ...]


@cache
def compared() -> tuple[Compared, ...]:
    return tuple(
        Compared(
            rule=rule,
            answer=answer,
            ours=follows(rule, answer),
            theirs=THEIRS[rule.kind](rule, answer),
            reasons=tuple(reasons(rule, answer)),
        )
        for rule, answer in cases()
        if rule.kind in THEIRS
    )


def test_every_kind_is_compared_or_has_no_counterpart() -> None:
    assert THEIRS.keys() | WITHOUT_COUNTERPART == set(RuleKind)
    assert not THEIRS.keys() & WITHOUT_COUNTERPART


def test_every_difference_has_a_named_reason() -> None:
    assert [c for c in compared() if c.ours is not c.theirs and not c.reasons] == []


def test_every_reason_explains_a_difference() -> None:
    """Alone, without another reason, for at least one answer."""
    needed = {c.reasons[0] for c in compared() if c.ours is not c.theirs and len(c.reasons) == 1}
    assert set(REASONS) - needed == set()


@pytest.mark.parametrize("kind", THEIRS)
def test_verdicts_without_a_reason_to_differ_are_many_and_of_both_kinds(kind: RuleKind) -> None:
    plain = Counter(c.ours for c in compared() if c.rule.kind is kind and not c.reasons)
    assert min(plain[True], plain[False]) >= 8, plain


def test_thousands_of_answers_are_compared() -> None:
    assert len({c.answer for c in compared()}) > 5000
