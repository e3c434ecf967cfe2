"""The checks of ``if-verifiable`` (IFEval's, PyPI 0.1.2) for our rules, and why some differ.

The package's own ``__init__`` imports ``datasets``, which nothing here needs, so its modules are
loaded without it, from the folder where ``make venv`` puts it. Two checks of it need models that
nltk downloads; ``sentences`` takes its other counter, and words are taken apart without first
dividing sentences.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from sn37.domain.tasks import text_units
from sn37.domain.tasks.rules import Rule, RuleKind, follows

K = RuleKind


def _load(*names: str) -> list[Any]:
    package = ModuleType("if_verifiable")
    package.__path__ = [str(Path(sys.prefix) / "if-verifiable" / "if_verifiable")]
    sys.modules["if_verifiable"] = package
    return [importlib.import_module(f"if_verifiable.ifeval.{name}") for name in names]


# Neither has types.
langdetect: Any = importlib.import_module("langdetect")
nltk: Any = importlib.import_module("nltk")
_CHECKERS, _UTILITIES = _load("instructions", "instructions_util")
_tokenize = partial(nltk.word_tokenize, preserve_line=True)
_UTILITIES.nltk.word_tokenize = _tokenize
langdetect.DetectorFactory.seed = 0


def _check(checker: str, answer: str, **arguments: object) -> bool:
    instruction = getattr(_CHECKERS, checker)("compared")
    instruction.build_description(**arguments)
    return bool(instruction.check_following(answer))


_Theirs = Callable[[Rule, str], bool]


def _count(checker: str, number: str, relation: str, *, is_least: bool, text: str = "") -> _Theirs:
    def theirs(rule: Rule, answer: str) -> bool:
        arguments: dict[str, object] = {
            number: rule.number if is_least else rule.number + 1,
            relation: "at least" if is_least else "less than",
        }
        if text:
            arguments[text] = rule.texts[0]
        return _check(checker, answer, **arguments)

    return theirs


def _sentences(rule: Rule, answer: str) -> bool:
    count = len(_UTILITIES.split_into_sentences(answer))
    is_least = rule.kind is K.SENTENCES_AT_LEAST
    return bool(count >= rule.number if is_least else count <= rule.number)


def _number_of(rule: Rule, is_exactly: Callable[[int], bool]) -> bool:
    """Ask for exactly n, for each n that the rule allows."""
    is_least = rule.kind.endswith("_at_least")
    return any(map(is_exactly, range(rule.number, 99) if is_least else range(rule.number + 1)))


def _paragraphs(rule: Rule, answer: str) -> bool:
    first = re.split(r"[.,?!'\"]", answer.split()[0].lstrip("'").lstrip('"'))[0]
    return _number_of(
        rule,
        lambda n: _check(
            "ParagraphFirstWordCheck", answer, num_paragraphs=n, nth_paragraph=1, first_word=first
        ),
    )


def _bullets(rule: Rule, answer: str) -> bool:
    return _number_of(rule, lambda n: _check("BulletListChecker", answer, num_bullets=n))


THEIRS: Mapping[RuleKind, _Theirs] = {
    **{
        kind: _count(checker, number, relation, is_least=kind.endswith("_at_least"), text=text)
        for kinds, checker, number, relation, text in (
            ((K.WORDS_AT_LEAST, K.WORDS_AT_MOST), "NumberOfWords", "num_words", "relation", ""),
            (
                (K.KEYWORD_AT_LEAST, K.KEYWORD_AT_MOST),
                "KeywordFrequencyChecker",
                "frequency",
                "relation",
                "keyword",
            ),
            (
                (K.LETTER_AT_LEAST, K.LETTER_AT_MOST),
                "LetterFrequencyChecker",
                "let_frequency",
                "let_relation",
                "letter",
            ),
            (
                (K.CAPITAL_WORDS_AT_LEAST, K.CAPITAL_WORDS_AT_MOST),
                "CapitalWordFrequencyChecker",
                "capital_frequency",
                "capital_relation",
                "",
            ),
        )
        for kind in kinds
    },
    K.SENTENCES_AT_LEAST: _sentences,
    K.SENTENCES_AT_MOST: _sentences,
    K.PARAGRAPHS_AT_LEAST: _paragraphs,
    K.PARAGRAPHS_AT_MOST: _paragraphs,
    K.BULLETS_AT_LEAST: _bullets,
    K.BULLETS_AT_MOST: _bullets,
    K.PLACEHOLDERS_AT_LEAST: lambda r, a: _check(
        "PlaceholderChecker", a, num_placeholders=r.number
    ),
    K.HIGHLIGHTS_AT_LEAST: lambda r, a: _check(
        "HighlightSectionChecker", a, num_highlights=r.number
    ),
    K.INCLUDES: lambda r, a: _check("KeywordChecker", a, keywords=list(r.texts)),
    K.EXCLUDES: lambda r, a: _check("ForbiddenWords", a, forbidden_words=list(r.texts)),
    K.SECTIONS: lambda r, a: _check(
        "SectionChecker", a, section_spliter=r.texts[0], num_sections=r.number
    ),
    K.UPPER_CASE: lambda r, a: _check("CapitalLettersEnglishChecker", a),
    K.LOWER_CASE: lambda r, a: _check("LowercaseLettersEnglishChecker", a),
    K.STARTS_WITH: lambda r, a: _check("ConstrainedStartChecker", a, starter=r.texts[0]),
    K.ENDS_WITH: lambda r, a: _check("EndChecker", a, end_phrase=r.texts[0]),
    K.QUOTED: lambda r, a: _check("QuotationChecker", a),
    K.JSON_KEYS: lambda r, a: _check("JsonFormat", a),
    K.TITLE: lambda r, a: _check("TitleChecker", a),
    K.NO_COMMAS: lambda r, a: _check("CommaChecker", a),
    K.POSTSCRIPT: lambda r, a: _check("PostscriptChecker", a, postscript_marker="P.S."),
}
# It has no rule about digits, and instead of an alphabet it asks for a language, which it guesses.
WITHOUT_COUNTERPART = {K.NO_DIGITS, K.SCRIPT}


def _has(pattern: str) -> _Theirs:
    return lambda _, answer: re.search(pattern, answer, re.MULTILINE) is not None


def _in_a_word(rule: Rule, answer: str) -> bool:
    found = (m for t in rule.texts for m in re.finditer(re.escape(t), answer, re.IGNORECASE))
    return any(
        re.search(r"[^\W_]", f" {answer} "[m.start()] + f" {answer} "[m.end() + 1]) for m in found
    )


def _is_english(answer: str) -> bool:
    try:
        return bool(langdetect.detect(answer) == "en")
    except langdetect.LangDetectException:
        return True


def _we_are_stricter(applies: _Theirs) -> _Theirs:
    return lambda rule, answer: not follows(rule, answer) and applies(rule, answer)


_MARK = "[\u0300-\u036f\u0900-\u0903\u093a-\u094f]"
_PAIRS: Mapping[str, tuple[RuleKind, ...]] = {
    "words": (K.WORDS_AT_LEAST, K.WORDS_AT_MOST),
    "sentences": (K.SENTENCES_AT_LEAST, K.SENTENCES_AT_MOST),
    "paragraphs": (K.PARAGRAPHS_AT_LEAST, K.PARAGRAPHS_AT_MOST),
    "bullets": (K.BULLETS_AT_LEAST, K.BULLETS_AT_MOST),
    "capitals": (K.CAPITAL_WORDS_AT_LEAST, K.CAPITAL_WORDS_AT_MOST),
    "keywords": (K.KEYWORD_AT_LEAST, K.KEYWORD_AT_MOST, K.INCLUDES),
    "letters": (K.LETTER_AT_LEAST, K.LETTER_AT_MOST),
}
# Why a verdict may differ: for which rules, and of which answers it is true.
REASONS: Mapping[str, tuple[tuple[RuleKind, ...], _Theirs]] = {
    "white space alone divides our words; theirs also end at hyphens, apostrophes and accents": (
        _PAIRS["words"],
        lambda _, a: any(len(re.findall(r"\w+", w)) > 1 for w in a.split()),
    ),
    "a line's end also ends our sentences, such as headings and bullets": (
        _PAIRS["sentences"],
        lambda _, a: len(text_units.lines(a.strip())) > 1,
    ),
    "a mark ends our sentences only before white space; theirs everywhere but in some cases": (
        _PAIRS["sentences"],
        _has(r"[.!?]+[^\s.!?]"),
    ),
    "we know no abbreviations, single letters or initials": (
        _PAIRS["sentences"],
        _has(r"\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|Inc|Ltd|Jr|Sr|Co)\."),
    ),
    "a sentence of ours has a letter": (
        _PAIRS["sentences"],
        lambda _, a: any(not text_units.has_letter(s) for s in _UTILITIES.split_into_sentences(a)),
    ),
    "marks of other scripts also end our sentences": (
        _PAIRS["sentences"],
        _has("[\u2026\u3002\uff01\uff1f\u0964\u061f]"),
    ),
    "blank lines of ours may hold spaces, come first, or end in another system's way": (
        _PAIRS["paragraphs"],
        _has(r"\n[^\S\n]+\n|\r|\n\n\n|\A\s*\n"),
    ),
    "a bullet of ours has a space after its sign, and text": (
        _PAIRS["bullets"],
        _has(r"^\s*(?:-(?! +\S)|\*(?![ *]))|^\s*\*\s*$|^\s*\* *\*"),
    ),
    "a round bullet is a bullet, too": (_PAIRS["bullets"], _has("\u2022")),
    "capital words of ours have two letters or more": (
        _PAIRS["capitals"],
        lambda _, a: any(w.isupper() and sum(map(str.isalpha, w)) < 2 for w in _tokenize(a)),
    ),
    "signs divide words of theirs into several, of which some are capital": (
        _PAIRS["capitals"],
        lambda _, a: any(
            sum(t.isupper() and sum(map(str.isalpha, t)) > 1 for t in _tokenize(word))
            != len(text_units.capital_words(word))
            for word in a.split()
        ),
    ),
    "a placeholder of ours has a letter or a digit between innermost brackets": (
        (K.PLACEHOLDERS_AT_LEAST,),
        _has(r"\[[^\w\]]*\]|\[[^\]]*\[|\]\s*\]"),
    ),
    "passages between double asterisks count once with us and twice with them": (
        (K.HIGHLIGHTS_AT_LEAST,),
        _has(r"\*\*"),
    ),
    "a highlighted passage of ours begins and ends without space and has words": (
        (K.HIGHLIGHTS_AT_LEAST,),
        _has(r"\*\s[^*\n]*\*|\*[^*\n]*\s\*|\*[^\w*]+\*"),
    ),
    "our keywords are whole words; theirs may be part of a longer one": (
        _PAIRS["keywords"],
        _in_a_word,
    ),
    "an underscore divides our words and not theirs": ((K.EXCLUDES,), _has("_")),
    "a letter with an accent as a mark of its own is another letter": (
        (*_PAIRS["letters"], *_PAIRS["keywords"], K.EXCLUDES),
        _has(_MARK),
    ),
    "our sections have headings on lines of their own, in order, each with a text": (
        (K.SECTIONS,),
        _we_are_stricter(
            lambda rule, a: len(re.findall(rf"{rule.texts[0]}\s?\d", a)) >= rule.number
        ),
    ),
    "they ask for English besides": (
        (K.UPPER_CASE, K.LOWER_CASE),
        lambda _, a: not _is_english(a),
    ),
    "they find a beginning at any line and read it as a pattern": (
        (K.STARTS_WITH,),
        _we_are_stricter(lambda rule, a: re.search(rf"^\s*{rule.texts[0]}", a, re.M) is not None),
    ),
    "they ignore case and quotation marks at the end": (
        (K.ENDS_WITH,),
        _we_are_stricter(
            lambda rule, a: a.strip().strip('"').lower().endswith(rule.texts[0].lower())
        ),
    ),
    "typographic quotation marks are quotation marks": ((K.QUOTED,), _has("[\u201c\u201d]")),
    "a quotation of ours has words": ((K.QUOTED,), _has(r'\A\s*"[\W_]*"\s*\Z')),
    "we ask for an object with keys and texts, they for any JSON": (
        (K.JSON_KEYS,),
        _we_are_stricter(lambda _, a: a.strip("`json \n")[:1] in tuple('{["0123456789')),
    ),
    "our title is the first line; theirs may be anywhere and hold anything": (
        (K.TITLE,),
        _we_are_stricter(_has("<<.+>>")),
    ),
    "commas of other scripts are commas": (
        (K.NO_COMMAS,),
        _has("[\u060c\u3001\uff0c\ufe50\uff64]"),
    ),
    "our postscript is the last of several paragraphs and goes on": (
        (K.POSTSCRIPT,),
        _we_are_stricter(_has(r"[pP]\.\s?[sS]\.")),
    ),
}


def reasons(rule: Rule, answer: str) -> list[str]:
    """Return why our verdict on an answer may differ from theirs."""
    return [
        why
        for why, (kinds, applies) in REASONS.items()
        if rule.kind in kinds and applies(rule, answer)
    ]
