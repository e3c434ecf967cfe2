"""The checks of rules: against what was counted and judged by hand, and for all texts."""

from __future__ import annotations

import json
import time
from collections import Counter
from unicodedata import ucd_3_2_0

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sn37.domain.tasks import text_units
from sn37.domain.tasks.rules import LARGEST_NUMBER, MAX_CHARACTERS, Rule, RuleKind, follows
from sn37.domain.tasks.scripts import NOUNS, Script, is_written_in
from tests.unit.tasks.counted_by_hand import COUNTED
from tests.unit.tasks.judged_by_hand import JUDGED

K = RuleKind
NUMBERS = st.integers(1, 12)
_PIECES = """
a B sea SEA море 水 é . , ! ? - * ** [ ] << >> " P.S. Part 1 2 { } : 。 don't well-known NASA
[x] *x* ``` 🙂 \u2022 \u0964 e\u0301 \u200b
"""
PIECES = st.sampled_from([*_PIECES.split(), "\n", "\n\n", "\r\n", "\u00a0"])
ANSWERS = (
    st.text(max_size=60)
    | st.lists(PIECES, max_size=40).map(" ".join)
    | st.lists(PIECES, max_size=40).map("".join)
)
EXAMPLES = {rule.kind: rule for rule, _, _ in JUDGED} | {
    kind: Rule(kind=kind, number=2, texts=texts)
    for least, most, texts, _ in COUNTED
    for kind in (least, most)
    if kind
}
PAIRS = [(least, most, texts) for least, most, texts, _ in COUNTED if most]


@pytest.mark.parametrize(
    ("least", "most", "texts", "text", "count"),
    [(*row[:3], text, count) for row in COUNTED for text, count in row[3].items()],
)
def test_units_are_counted_as_by_hand(
    least: RuleKind, most: RuleKind | None, texts: tuple[str, ...], text: str, count: int
) -> None:
    if count:
        assert follows(Rule(kind=least, number=count, texts=texts), text)
        assert most is None or follows(Rule(kind=most, number=count, texts=texts), text)
    assert not follows(Rule(kind=least, number=count + 1, texts=texts), text)
    if most and count > 1:
        assert not follows(Rule(kind=most, number=count - 1, texts=texts), text)


@pytest.mark.parametrize(
    ("rule", "answer", "is_right"),
    [(rule, a, True) for rule, right, _ in JUDGED for a in right]
    + [(rule, a, False) for rule, _, wrong in JUDGED for a in wrong],
)
def test_answers_are_judged_as_by_hand(rule: Rule, answer: str, is_right: bool) -> None:
    assert follows(rule, answer) is is_right


def test_twenty_answers_or_more_were_judged_by_hand_for_every_kind() -> None:
    num = Counter(dict.fromkeys(RuleKind, 0))
    for rule, right, wrong in JUDGED:
        num[rule.kind] += len(right) + len(wrong)
        assert min(len(right), len(wrong)) >= 8
    for least, most, _, counts in COUNTED:
        num[least] += len(counts)
        num[most or least] += len(counts)
    assert min(num.values()) >= 20
    assert len(num) == 30


@pytest.mark.parametrize("kind", RuleKind)
@pytest.mark.parametrize("answer", ["", " ", "\n\t\u00a0", "x" * (MAX_CHARACTERS + 1)])
def test_nothing_and_far_too_much_follow_no_rule(kind: RuleKind, answer: str) -> None:
    assert not follows(EXAMPLES[kind], answer)


@given(st.sampled_from(list(EXAMPLES.values())), ANSWERS)
def test_every_text_has_a_verdict_that_surrounding_space_does_not_change(
    rule: Rule, answer: str
) -> None:
    assert follows(rule, answer) is follows(rule, f"\n  {answer} \n")


@given(st.sampled_from(list(EXAMPLES.values())), ANSWERS)
def test_line_ends_of_other_systems_do_not_change_a_verdict(rule: Rule, answer: str) -> None:
    if "\r" not in answer:
        assert follows(rule, answer) is follows(rule, answer.replace("\n", "\r\n"))


@given(st.sampled_from(PAIRS), NUMBERS, ANSWERS.filter(str.strip))
def test_more_than_at_most_is_at_least_one_more(
    pair: tuple[RuleKind, RuleKind, tuple[str, ...]], number: int, answer: str
) -> None:
    least, most, texts = pair
    more = Rule(kind=least, number=number + 1, texts=texts)
    assert follows(more, answer) is not follows(Rule(kind=most, number=number, texts=texts), answer)


@given(ANSWERS)
@example("\u1e9b\u0323")
@example("\u0344")
def test_tokens_do_not_depend_on_case_or_composition(text: str) -> None:
    def is_old(character: str) -> bool:
        return text_units.category(character) != "Cn"

    old = "".join(filter(is_old, text))
    whole = text_units.tokens(old)
    parts = text_units.tokens(ucd_3_2_0.normalize("NFD", old))
    assert [ucd_3_2_0.normalize("NFC", t) for t in parts] == [
        ucd_3_2_0.normalize("NFC", t) for t in whole
    ]


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_tokens_of_plain_text_are_those_of_any_text(text: str) -> None:
    assert [*text_units.tokens(text), "\u00e9"] == text_units.tokens(f"{text} \u00e9")


@given(st.text('ab .!?\n"*', max_size=60))
def test_sentences_lose_no_letter(text: str) -> None:
    letters = "".join(filter(str.isalpha, text))
    assert "".join(filter(str.isalpha, "".join(text_units.sentences(text)))) == letters


def test_verdicts_take_time_linear_in_the_length() -> None:
    """Half a second is a hundred times what is needed; quadratic checks of 1e8 steps take more."""
    length = 10_000
    hostile = [
        unit * (length // len(unit))
        for unit in (
            ".",
            "*",
            "**a",
            "[",
            "[[a",
            "a\u0301",
            "\u0316\u0301",
            "\n \n",
            "- ",
            "<<",
            "!a",
        )
    ]
    for answer in [
        *hostile,
        "a" + "\u0316\u0301" * (length // 2),
        "{" * length,
    ]:
        for rule in EXAMPLES.values():
            begun = time.process_time()
            follows(rule, answer)
            assert time.process_time() - begun < 0.5, (rule, answer[:20])


@given(
    st.sampled_from(list(EXAMPLES.values())),
    st.integers(1, LARGEST_NUMBER),
)
def test_a_rule_is_read_back_from_its_json(rule: Rule, number: int) -> None:
    same = Rule(kind=rule.kind, number=number if rule.number else 0, texts=rule.texts)
    assert Rule.from_json(json.loads(json.dumps(same.to_json()))) == same


@pytest.mark.parametrize(
    "value",
    [
        None,
        "words_at_least",
        ["words_at_least"],
        ["words_at_least", "3", []],
        ["words_at_least", 0, []],
        ["words_at_least", LARGEST_NUMBER + 1, []],
        ["words_at_least", 3, ["a"]],
        ["no_such_rule", 3, []],
        ["upper_case", 1, []],
        ["includes", 0, []],
        ["includes", 0, ["two words"]],
        ["includes", 0, [3]],
        ["letter_at_most", 3, ["E"]],
        ["letter_at_most", 3, ["ab"]],
        ["starts_with", 0, [" "]],
        ["script", 0, ["Latin"]],
        ["sections", 2, []],
    ],
)
def test_what_is_not_a_rule_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"rule|RuleKind"):
        Rule.from_json(value)


@pytest.mark.parametrize("script", Script)
def test_the_nouns_of_a_script_are_written_in_it(script: Script) -> None:
    assert all(is_written_in(script, noun) for noun in NOUNS[script])
    assert all(len(text_units.tokens(noun)) == 1 for noun in NOUNS[script])
    assert len(set(NOUNS[script])) == len(NOUNS[script]) >= 40
