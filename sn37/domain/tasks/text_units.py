"""Words, sentences, lines and other units of an answer, counted the same way by all validators.

Letters, marks and digits are those of Unicode 3.2, which is part of every version of Python; newer
versions of Python know more letters. All functions take time linear in the length of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby
from unicodedata import ucd_3_2_0 as unicode_3_2

MAX_TOKEN = 60  # characters; longer runs of letters are not composed
_ASCII_TOKEN = re.compile("[a-z0-9]+")
_LINE_END = re.compile(r"\r\n?")
_BULLET = re.compile(r"[-*\u2022] +(?=\S)")
# Marks that end a sentence before white space, perhaps with a closing quotation mark or bracket.
_STOPS = re.compile(
    r"[.!?\u2026\u061f\u0964]++[\"'\u2019\u201d\u00bb)\]*_]*+|[\u3002\uff01\uff1f]++[\u201d\u300d\u300f]*+"
)
_WIDE_STOPS = "\u3002\uff01\uff1f"  # of scripts without spaces
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*\]")
# Between one asterisk or two on each side, on one line, without space inside them at the ends.
_HIGHLIGHT = re.compile(r"(\*\*?)(?=[^\s*])[^*\n]*(?<=[^\s*])\1")


@lru_cache(maxsize=65536)
def category(character: str) -> str:
    """Return a character's general category in Unicode 3.2, such as ``Lu``."""
    return unicode_3_2.category(character)


def is_letter(character: str) -> bool:
    """True for letters of all scripts."""
    return category(character)[0] == "L"


def has_letter(text: str) -> bool:
    """True if the text contains a letter."""
    return any(map(is_letter, text))


def lines(text: str) -> list[str]:
    """Return the lines of a text, with \\n, \\r\\n or \\r between them."""
    return _LINE_END.sub("\n", text).split("\n")


def words(text: str) -> list[str]:
    """Return what white space separates, if it contains a letter or a digit.

    So "don't" and "well-known" are one word each, and a dash or a bullet is not a word.
    """
    return [part for part in text.split() if _has_letter_or_number(part)]


def _has_letter_or_number(text: str) -> bool:
    if text.isascii():  # the same, faster
        return _ASCII_TOKEN.search(text.lower()) is not None
    return any(category(character)[0] in "LN" for character in text)


def tokens(text: str) -> list[str]:
    """Return the runs of letters, marks and digits, composed (NFC of Unicode 3.2) and casefolded.

    "Anna's" is two tokens, "anna" and "s". An underscore separates tokens.
    """
    if text.isascii():  # the same, faster
        return _ASCII_TOKEN.findall(text.lower())
    runs = groupby(text, key=lambda character: category(character)[0] in "LMN")
    return [_composed("".join(run)).casefold() for is_run, run in runs if is_run]


def _composed(token: str) -> str:
    # Composing sorts marks, which takes quadratic time; nobody writes words of so many characters.
    if token.isascii() or len(token) > MAX_TOKEN:
        return token
    return unicode_3_2.normalize("NFC", token)


def sentences(text: str) -> list[str]:
    """Return the sentences: pieces with a letter, up to a full stop, ``!``, ``?`` or a line's end.

    A mark counts before white space or at the end, so "3.14" and "sn37.net" are not divided; an
    abbreviation such as "Dr. Who" is. Each heading and each bullet is a sentence of its own.
    """
    found: list[str] = []
    for line in lines(text):
        begin = 0
        for match in _STOPS.finditer(line):
            end = match.end()
            if end == len(line) or line[end].isspace() or match[0][0] in _WIDE_STOPS:
                found.append(line[begin:end])
                begin = end
        found.append(line[begin:])
    return [piece.strip() for piece in found if has_letter(piece)]


def paragraphs(text: str) -> list[str]:
    """Return the runs of lines between blank lines."""
    runs = groupby(lines(text), key=lambda line: bool(line.strip()))
    return ["\n".join(run) for is_text, run in runs if is_text]


def bullets(text: str) -> list[str]:
    """Return the lines that begin with ``-``, ``*`` or a bullet, a space and more."""
    return [line for line in map(str.strip, lines(text)) if _BULLET.match(line)]


def capital_words(text: str) -> list[str]:
    """Return the words with two letters or more, all of them capital."""
    return [word for word in words(text) if _is_capital(word)]


def _is_capital(word: str) -> bool:
    letters = [category(c) for c in word if is_letter(c)]
    return len(letters) >= 2 and set(letters) == {"Lu"}


def placeholders(text: str) -> list[str]:
    """Return the innermost pairs of square brackets with a letter or digit between them."""
    return [found for found in _PLACEHOLDER.findall(text) if words(found)]


def highlights(text: str) -> list[str]:
    """Return the passages within a line that stand between asterisks, ``*so*`` or ``**so**``."""
    return [match[0] for match in _HIGHLIGHT.finditer(text) if words(match[0])]
