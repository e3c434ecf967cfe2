"""Answers that follow rules without regard to the question (attack 27), and those that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.tasks.answers import AnswerFault, Verdict, fault_of, judge
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.rules import MAX_CHARACTERS, Rule, RuleKind

K = RuleKind
# Written for this test, about a lamp.
PROSE = (
    "When I was small there was a lamp in the window of our kitchen. My mother lit it each evening "
    "before my father came home from his boat, and nobody ever had to ask why. Years later I found "
    "it in a box under the stairs, with a crack along its glass and half of the paint gone. I "
    "cleaned it, bought new oil, and set it where it had always been. That night a neighbor "
    "knocked at my door. She said that she had seen the light from the road and thought, for one "
    "moment, that the old days had returned."
)
OTHER = (
    "A good ladder is worth its price. Ours has eleven steps, and it weighs less than a bag of "
    "apples, so even a tired gardener can carry it across a field. Two hooks keep it in place. If "
    "you lean it against a tree, first look whether the ground is even. We have sold this model "
    "since the spring of last year, and so far only one customer sent it back: the color did not "
    "suit her curtains."
)


def task(*keywords: str, count: int = 20) -> InstructionTask:
    rules = (
        Rule(kind=K.INCLUDES, texts=keywords),
        Rule(kind=K.WORDS_AT_LEAST, number=count),
        Rule(kind=K.NO_DIGITS),
    )
    return InstructionTask(rules=rules, answer="")


LAMP, LADDER = task("lamp"), task("ladder")


def faults(*answers: str, tasks: tuple[InstructionTask, ...] = ()) -> list[AnswerFault | None]:
    different = tuple(task(f"word{n}") for n in range(len(answers)))
    return [verdict.fault for verdict in judge(tasks or different, answers)]


def test_each_rule_has_its_own_verdict() -> None:
    assert judge([LAMP, LADDER], [PROSE, f"{PROSE[:60]} 1"]) == (
        Verdict(followed=(True, True, True)),
        Verdict(followed=(False, False, False)),
    )


def test_the_score_is_the_share_of_rules_not_followed() -> None:
    (verdict,) = judge([LADDER], [PROSE])
    assert verdict.followed == (False, True, True)
    assert verdict.share_not_followed == pytest.approx(1 / 3)
    assert Verdict(followed=(True, True)).share_not_followed == 0.0


@pytest.mark.parametrize("empty", ["", " \n", "...", "- - -", "🙂", "\u200b", "<<>>"])
def test_t27_an_answer_without_words_follows_nothing(empty: str) -> None:
    (verdict,) = judge([LAMP], [empty])
    assert verdict.fault is AnswerFault.EMPTY
    assert verdict.share_not_followed == 1.0


def test_t27_an_answer_of_endless_length_follows_nothing() -> None:
    (verdict,) = judge([LAMP], [PROSE * (1 + MAX_CHARACTERS // len(PROSE))])
    assert (verdict.fault, verdict.share_not_followed) == (AnswerFault.TOO_LONG, 1.0)


@pytest.mark.parametrize(
    "repeated",
    [
        "lamp " * 4,
        "lamp " * 40,
        "Lamp. LAMP, lamp! " * 10,
        "the lamp is in the window " * 8,
        "- the lamp shines\n" * 20,
        "The lamp shines. " * 9 + "The end.",
        PROSE[:100] + " and so on and on" * 30,
        f"{PROSE} " * 3,
        "lamp" * 200,
        "a b c d e " * 10,
        "лампа светит в окне " * 10,
        "水を飲む" * 30,
        "हवा चली " * 20,
        " ".join("abcde"[(n * n + n // 5) % 5] for n in range(300)),
    ],
)
def test_t27_an_answer_that_repeats_itself_follows_nothing(repeated: str) -> None:
    (verdict,) = judge([LAMP], [repeated])
    assert verdict.fault is AnswerFault.REPETITIVE
    assert verdict.share_not_followed == 1.0


@pytest.mark.parametrize(
    "honest",
    [
        PROSE,
        OTHER,
        PROSE + OTHER,
        PROSE.upper(),
        "A lamp.",
        "Lamp lamp lamp",
        "The lamp is the lamp of the house.",
        "- lamp\n- oil\n- glass\n- wick\n- match",
        '{"title": "The lamp", "mood": "quiet", "reason": "It shone for many years."}',
        "Row, row, row your boat, gently down the stream. Merrily we go, and life is but a dream.",
        "На столе стоит лампа. Она старая, но светит ярко, и мы любим читать при её свете книги "
        "о море, о горах и о далёких городах, в которых никто из нас ещё не был.",
        "ランプは窓のそばに置かれている。夜になると母が火をともし、父は海から帰ってくる。",
    ],
)
def test_usual_prose_has_no_fault(honest: str) -> None:
    assert fault_of(honest) is None


def test_t27_one_answer_to_two_questions_counts_for_neither() -> None:
    verdicts = judge([LAMP, LADDER, task("lamp", count=5)], [PROSE, PROSE, OTHER])
    assert [v.fault for v in verdicts] == [AnswerFault.CANNED, AnswerFault.CANNED, None]
    assert [v.share_not_followed for v in verdicts[:2]] == [1.0, 1.0]


def test_t27_case_space_and_signs_do_not_make_an_answer_another() -> None:
    assert faults("Yes, it is so.", "yes it is  SO!", "No.") == [
        AnswerFault.CANNED,
        AnswerFault.CANNED,
        None,
    ]


def test_t27_an_answer_with_the_subject_put_in_is_the_same_answer() -> None:
    """Also in questions with other rules, and however short it is."""
    tasks = (LAMP, task("ladder", count=7))
    said = [f"Here is a text about a {x}. A {x} is useful." for x in ("lamp", "ladder")]
    assert faults(*said, tasks=tasks) == [AnswerFault.CANNED] * 2


def test_t27_a_few_other_words_do_not_make_an_answer_another_for_the_same_rules() -> None:
    changed = PROSE.replace("lamp", "ladder").replace("kitchen", "office").replace("road", "river")
    assert faults(PROSE, f"{changed} Really.", tasks=(LAMP, LADDER)) == [AnswerFault.CANNED] * 2


def test_answers_with_a_common_beginning_are_two_answers() -> None:
    starts = "To whom it may concern. Let me begin with a memory of my own."
    assert faults(f"{starts} {PROSE}", f"{starts} {OTHER}", tasks=(LAMP, LADDER)) == [None, None]


def test_t27_among_many_answers_only_those_that_are_alike_are_canned() -> None:
    answers = [f"{PROSE} {n}" if n % 7 == 0 else f"answer number {n}" for n in range(50)]
    found = faults(*answers, tasks=tuple(task(f"subject{n}") for n in range(50)))
    assert [n for n, fault in enumerate(found) if fault] == [n for n in range(50) if n % 7 == 0]


def test_a_fault_of_an_answer_itself_is_named_before_that_others_have_it() -> None:
    assert faults("", "") == [AnswerFault.EMPTY] * 2


def test_the_number_of_answers_must_be_that_of_the_tasks() -> None:
    with pytest.raises(ValueError, match="argument"):
        judge([LAMP], [PROSE, OTHER])


@given(st.lists(st.sampled_from([PROSE, OTHER, "", "Yes.", "lamp " * 9]), max_size=6))
def test_the_order_of_questions_does_not_matter(answers: list[str]) -> None:
    tasks = tuple(task(f"subject{n}") for n in range(len(answers)))
    forwards = judge(tasks, answers)
    assert judge(tasks[::-1], answers[::-1]) == forwards[::-1]


@given(st.text(max_size=200))
def test_every_text_is_judged(text: str) -> None:
    (verdict,) = judge([LAMP], [text])
    assert (verdict.fault is None) or not any(verdict.followed)


def test_a_task_is_read_back_from_its_text() -> None:
    whole = replace(LAMP, answer='Море, "水"\n')
    assert InstructionTask.from_text(whole.to_text()) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"answer":"a"}',
        '{"answer":1,"rules":[]}',
        '{"answer":"","rules":[1]}',
        '{"answer":"a","rules":[],"more":1}',
        '{"answer":"a","rules":[]}',
        "[" * 100_000,
    ],
)
def test_what_is_not_a_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rule|Expecting|too deep"):
        InstructionTask.from_text(text)
