"""Changes an answer that follows a rule so that it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sn37.domain.tasks.rules import Rule, RuleKind
from sn37.domain.tasks.text_units import sentences

K = RuleKind


def broken(rule: Rule, answer: str) -> str:
    """Return the answer with a small change after which it does not follow the rule."""
    return _CHANGES[rule.kind](rule, answer)


def _without(text: str, answer: str) -> str:
    return re.sub(re.escape(text), "", answer, flags=re.IGNORECASE)


def _and(addition: str) -> Callable[[Rule, str], str]:
    return lambda rule, answer: answer + addition


def _and_too_many(addition: str) -> Callable[[Rule, str], str]:
    return lambda rule, answer: answer + addition * (rule.number + 1)


_CHANGES: Mapping[RuleKind, Callable[[Rule, str], str]] = {
    K.WORDS_AT_LEAST: lambda rule, answer: " ".join(answer.split()[: rule.number - 1]),
    K.WORDS_AT_MOST: _and_too_many(" a"),
    K.SENTENCES_AT_LEAST: lambda rule, answer: "\n".join(sentences(answer)[: rule.number - 1]),
    K.SENTENCES_AT_MOST: _and_too_many(" Oh."),
    K.PARAGRAPHS_AT_LEAST: lambda _, answer: re.sub(r"\n+", "\n", answer),
    K.PARAGRAPHS_AT_MOST: _and_too_many("\n\na"),
    K.BULLETS_AT_LEAST: lambda _, answer: answer.replace("- ", "-"),
    K.BULLETS_AT_MOST: _and_too_many("\n* a"),
    K.CAPITAL_WORDS_AT_LEAST: lambda _, answer: answer.lower(),
    K.CAPITAL_WORDS_AT_MOST: _and_too_many(" ABC"),
    K.PLACEHOLDERS_AT_LEAST: lambda _, answer: answer.replace("[", "("),
    K.HIGHLIGHTS_AT_LEAST: lambda _, answer: answer.replace("*", ""),
    K.KEYWORD_AT_LEAST: lambda rule, answer: _without(rule.texts[0], answer),
    K.KEYWORD_AT_MOST: lambda rule, answer: answer + f" {rule.texts[0]}" * (rule.number + 1),
    K.LETTER_AT_LEAST: lambda rule, answer: _without(rule.texts[0], answer),
    K.LETTER_AT_MOST: lambda rule, answer: answer + rule.texts[0] * (rule.number + 1),
    K.INCLUDES: lambda rule, answer: _without(rule.texts[-1], answer),
    K.EXCLUDES: lambda rule, answer: f"{answer} {rule.texts[-1]}",
    K.SECTIONS: lambda rule, answer: answer.replace(f"{rule.texts[0]} 2", "then"),
    K.UPPER_CASE: _and("a"),
    K.LOWER_CASE: _and("A"),
    K.STARTS_WITH: lambda _, answer: f"X{answer}",
    K.ENDS_WITH: _and("x"),
    K.QUOTED: lambda _, answer: answer[1:],
    K.JSON_KEYS: lambda _, answer: answer[:-1],
    K.TITLE: lambda _, answer: answer.replace("<<", "<"),
    K.NO_COMMAS: _and(","),
    K.NO_DIGITS: _and("7"),
    K.SCRIPT: _and("a"),
    K.POSTSCRIPT: lambda _, answer: answer.replace("P.S.", ""),
}
