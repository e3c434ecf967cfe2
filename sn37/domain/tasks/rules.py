"""Rules that an answer can be checked against, such as "at least 40 words".

``follows`` is a pure function of a rule and an answer. A rule has a canonical text, so it can be
stored, hashed and signed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.canonical import JsonValue
from sn37.domain.tasks import text_units
from sn37.domain.tasks.scripts import Script, is_written_in

# A validator's scorer limits the tokens of an answer; a longer text than this is not an answer.
MAX_CHARACTERS = 100_000
LARGEST_NUMBER = 10_000

_COMMAS = ",\u060c\u3001\uff0c\ufe50\uff64"  # also of the Arabic and the East Asian scripts
_POSTSCRIPT = "P.S."


class RuleKind(StrEnum):
    """Kinds of rules; ``number`` and ``texts`` are the fields of a rule."""

    WORDS_AT_LEAST = "words_at_least"  # number
    WORDS_AT_MOST = "words_at_most"
    SENTENCES_AT_LEAST = "sentences_at_least"
    SENTENCES_AT_MOST = "sentences_at_most"
    PARAGRAPHS_AT_LEAST = "paragraphs_at_least"
    PARAGRAPHS_AT_MOST = "paragraphs_at_most"
    BULLETS_AT_LEAST = "bullets_at_least"
    BULLETS_AT_MOST = "bullets_at_most"
    CAPITAL_WORDS_AT_LEAST = "capital_words_at_least"
    CAPITAL_WORDS_AT_MOST = "capital_words_at_most"
    PLACEHOLDERS_AT_LEAST = "placeholders_at_least"
    HIGHLIGHTS_AT_LEAST = "highlights_at_least"
    KEYWORD_AT_LEAST = "keyword_at_least"  # number, and the keyword as the only text
    KEYWORD_AT_MOST = "keyword_at_most"
    LETTER_AT_LEAST = "letter_at_least"  # number, and the letter
    LETTER_AT_MOST = "letter_at_most"
    INCLUDES = "includes"  # the texts: each word at least once
    EXCLUDES = "excludes"
    SECTIONS = "sections"  # number, and the word before the numbers, such as "Part"
    UPPER_CASE = "upper_case"
    LOWER_CASE = "lower_case"
    STARTS_WITH = "starts_with"  # the text
    ENDS_WITH = "ends_with"
    QUOTED = "quoted"
    JSON_KEYS = "json_keys"  # the texts: the keys
    TITLE = "title"
    NO_COMMAS = "no_commas"
    NO_DIGITS = "no_digits"
    SCRIPT = "script"  # the name of the script
    POSTSCRIPT = "postscript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Raises:
        ValueError: The kind needs a number or texts that are not given, or the reverse.
    """

    kind: RuleKind
    number: int = 0
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        least, most = (1, LARGEST_NUMBER) if self.kind in _WITH_NUMBER else (0, 0)
        if not least <= self.number <= most:
            raise ValueError(f"rule {self.kind}: number {self.number} is not in {least}..{most}")
        least, most = _NUM_TEXTS.get(self.kind, (0, 0))
        if not least <= len(self.texts) <= most or not all(map(self._may_be, self.texts)):
            raise ValueError(f"rule {self.kind}: texts {self.texts}")

    def _may_be(self, text: str) -> bool:
        if self.kind in _OF_LETTERS:
            return len(text) == 1 and text_units.tokens(text) == [text]
        if self.kind in _OF_WORDS:
            return len(text_units.tokens(text)) == 1
        return bool(text.strip()) if self.kind is not RuleKind.SCRIPT else text in set(Script)

    def to_json(self) -> JsonValue:
        """Return the rule as ``[kind, number, [text, ...]]``."""
        return [self.kind.value, self.number, list(self.texts)]

    @classmethod
    def from_json(cls, value: object) -> Rule:
        """Read what ``to_json`` returned.

        Raises:
            ValueError: It is not a rule.
        """
        match value:
            case [str(kind), int(number), list(texts)] if all(isinstance(t, str) for t in texts):
                return cls(kind=RuleKind(kind), number=int(number), texts=tuple(texts))
            case _:
                raise ValueError(f"not a rule: {repr(value)[:100]}")


def follows(rule: Rule, answer: str) -> bool:
    """True if the answer follows the rule; an empty answer and one that is too long do not."""
    if not answer.strip() or len(answer) > MAX_CHARACTERS:
        return False
    return _CHECKS[rule.kind](rule, answer)


_Check = Callable[[Rule, str], bool]
_Count = Callable[[Rule, str], int]


def _at_least(count: _Count) -> _Check:
    return lambda rule, answer: count(rule, answer) >= rule.number


def _at_most(count: _Count) -> _Check:
    return lambda rule, answer: count(rule, answer) <= rule.number


def _num(units: Callable[[str], Sequence[str]]) -> _Count:
    return lambda _, answer: len(units(answer))


def _keywords(rule: Rule, answer: str) -> int:
    return text_units.tokens(answer).count(_keyword(rule.texts[0]))


def _letters(rule: Rule, answer: str) -> int:
    return sum(token.count(rule.texts[0]) for token in text_units.tokens(answer))


def _keyword(text: str) -> str:
    (token,) = text_units.tokens(text)
    return token


def _includes(rule: Rule, answer: str) -> bool:
    return {_keyword(text) for text in rule.texts} <= set(text_units.tokens(answer))


def _excludes(rule: Rule, answer: str) -> bool:
    return not {_keyword(text) for text in rule.texts} & set(text_units.tokens(answer))


def _has_sections(rule: Rule, answer: str) -> bool:
    """True if lines ``Part 1`` to ``Part n`` follow each other, each before some text.

    Such a line may be set as a heading or in bold type, or end with a colon.
    """
    heading = re.compile(re.escape(rule.texts[0]) + " ([0-9]{1,5})")
    found: list[int] = []
    is_empty = False  # the section so far
    for line in text_units.lines(answer):
        match = heading.fullmatch(line.strip(" \t#*:"))
        if match and is_empty:
            return False
        if match:
            found.append(int(match[1]))
            is_empty = True
        elif text_units.words(line):
            is_empty = False
    return found == list(range(1, rule.number + 1)) and not is_empty


def _is_upper(_: Rule, answer: str) -> bool:
    cases = {text_units.category(character) for character in answer}
    return "Lu" in cases and not cases & {"Ll", "Lt"}


def _is_lower(_: Rule, answer: str) -> bool:
    cases = {text_units.category(character) for character in answer}
    return "Ll" in cases and not cases & {"Lu", "Lt"}


def _is_quoted(_: Rule, answer: str) -> bool:
    bare = answer.strip()
    pairs = (('"', '"'), ("\u201c", "\u201d"))
    return (bare[0], bare[-1]) in pairs and bool(text_units.words(bare[1:-1]))


def _has_json_keys(rule: Rule, answer: str) -> bool:
    """True for a JSON object with exactly the keys, each once, and a text with words at each.

    It may stand in a code block.
    """
    bare = answer.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare[3:-3].removeprefix("json").strip()
    try:
        pairs = json.loads(bare, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return False
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return False  # another value, or an array
    return sorted(key for key, _ in pairs) == sorted(rule.texts) and all(
        isinstance(value, str) and text_units.words(value) for _, value in pairs
    )


def _has_title(_: Rule, answer: str) -> bool:
    """True if the first line with text is ``<<title>>``."""
    first = next(line for line in map(str.strip, text_units.lines(answer)) if line)
    inside = first.removeprefix("<<").removesuffix(">>")
    is_wrapped = len(first) == len(inside) + 4
    return is_wrapped and not set(inside) & set("<>") and bool(text_units.words(inside))


def _has_postscript(_: Rule, answer: str) -> bool:
    """True if the last of several paragraphs begins with ``P.S.`` and goes on."""
    paragraphs = text_units.paragraphs(answer)
    last = paragraphs[-1].strip()
    return (
        len(paragraphs) > 1
        and last.startswith(_POSTSCRIPT)
        and bool(text_units.words(last.removeprefix(_POSTSCRIPT)))
    )


_WORDS, _SENTENCES = _num(text_units.words), _num(text_units.sentences)
_PARAGRAPHS, _BULLETS = _num(text_units.paragraphs), _num(text_units.bullets)
_CAPITALS = _num(text_units.capital_words)
_CHECKS: Mapping[RuleKind, _Check] = {
    RuleKind.WORDS_AT_LEAST: _at_least(_WORDS),
    RuleKind.WORDS_AT_MOST: _at_most(_WORDS),
    RuleKind.SENTENCES_AT_LEAST: _at_least(_SENTENCES),
    RuleKind.SENTENCES_AT_MOST: _at_most(_SENTENCES),
    RuleKind.PARAGRAPHS_AT_LEAST: _at_least(_PARAGRAPHS),
    RuleKind.PARAGRAPHS_AT_MOST: _at_most(_PARAGRAPHS),
    RuleKind.BULLETS_AT_LEAST: _at_least(_BULLETS),
    RuleKind.BULLETS_AT_MOST: _at_most(_BULLETS),
    RuleKind.CAPITAL_WORDS_AT_LEAST: _at_least(_CAPITALS),
    RuleKind.CAPITAL_WORDS_AT_MOST: _at_most(_CAPITALS),
    RuleKind.PLACEHOLDERS_AT_LEAST: _at_least(_num(text_units.placeholders)),
    RuleKind.HIGHLIGHTS_AT_LEAST: _at_least(_num(text_units.highlights)),
    RuleKind.KEYWORD_AT_LEAST: _at_least(_keywords),
    RuleKind.KEYWORD_AT_MOST: _at_most(_keywords),
    RuleKind.LETTER_AT_LEAST: _at_least(_letters),
    RuleKind.LETTER_AT_MOST: _at_most(_letters),
    RuleKind.INCLUDES: _includes,
    RuleKind.EXCLUDES: _excludes,
    RuleKind.SECTIONS: _has_sections,
    RuleKind.UPPER_CASE: _is_upper,
    RuleKind.LOWER_CASE: _is_lower,
    RuleKind.STARTS_WITH: lambda rule, answer: answer.lstrip().startswith(rule.texts[0]),
    RuleKind.ENDS_WITH: lambda rule, answer: answer.rstrip().endswith(rule.texts[0]),
    RuleKind.QUOTED: _is_quoted,
    RuleKind.JSON_KEYS: _has_json_keys,
    RuleKind.TITLE: _has_title,
    RuleKind.NO_COMMAS: lambda _, answer: not set(answer) & set(_COMMAS),
    RuleKind.NO_DIGITS: lambda _, answer: "Nd" not in map(text_units.category, answer),
    RuleKind.SCRIPT: lambda rule, answer: is_written_in(Script(rule.texts[0]), answer),
    RuleKind.POSTSCRIPT: _has_postscript,
}
_OF_LETTERS = frozenset({RuleKind.LETTER_AT_LEAST, RuleKind.LETTER_AT_MOST})
_OF_WORDS = frozenset(
    {
        RuleKind.KEYWORD_AT_LEAST,
        RuleKind.KEYWORD_AT_MOST,
        RuleKind.INCLUDES,
        RuleKind.EXCLUDES,
    }
)
_WITH_NUMBER = frozenset(
    {RuleKind.SECTIONS} | {k for k in RuleKind if k.endswith(("_at_least", "_at_most"))}
)
_NUM_TEXTS = {  # least and most
    RuleKind.KEYWORD_AT_LEAST: (1, 1),
    RuleKind.KEYWORD_AT_MOST: (1, 1),
    RuleKind.LETTER_AT_LEAST: (1, 1),
    RuleKind.LETTER_AT_MOST: (1, 1),
    RuleKind.INCLUDES: (1, 20),
    RuleKind.EXCLUDES: (1, 20),
    RuleKind.SECTIONS: (1, 1),
    RuleKind.STARTS_WITH: (1, 1),
    RuleKind.ENDS_WITH: (1, 1),
    RuleKind.JSON_KEYS: (1, 20),
    RuleKind.SCRIPT: (1, 1),
}
