"""Canonical form of a Unicode text, in time that is linear in its length.

``unicodedata.normalize`` sorts each run of combining marks by insertion: for a text of 200,000
marks it takes more than a minute. Texts are untrusted, so texts with such runs stay unchanged.
"""

from __future__ import annotations

import unicodedata

# Largest number of marks in a row. Unicode's Stream-Safe Text Format (UAX 15, section 13) has the
# same bound: no writing system needs nearly as many.
MOST_MARKS = 30
# Marks only by their decomposition: their combining class is 0. A test searches for others.
_HIDDEN_MARKS = frozenset("\u0f73\u0f75\u0f81")


def composed(text: str) -> str:
    """Return the text in NFC, or unchanged if it has more than ``MOST_MARKS`` marks in a row."""
    if text.isascii() or _has_a_long_run(text):
        return text
    return unicodedata.normalize("NFC", text)


def is_mark(character: str) -> bool:
    """True if a character decomposes into characters that belong to the one before."""
    return unicodedata.combining(character) != 0 or character in _HIDDEN_MARKS


def _has_a_long_run(text: str) -> bool:
    run = 0
    for character in text:
        run = run + 1 if is_mark(character) else 0
        if run > MOST_MARKS:
            return True
    return False
