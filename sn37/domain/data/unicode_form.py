"""Unicode's canonical form of a text, in time that grows with its length and no faster.

``unicodedata.normalize`` sorts each run of combining marks by insertion: a text of 200,000 marks
takes it more than a minute. Texts are strangers', so such runs are left as they are.
"""

from __future__ import annotations

import unicodedata

# In a row. Unicode's Stream-Safe Text Format (UAX 15, section 13) has the same bound: no writing
# system comes near it.
MOST_MARKS = 30
# Marks by their decomposition alone: they have combining class 0. A test looks for others.
_HIDDEN_MARKS = frozenset("\u0f73\u0f75\u0f81")


def composed(text: str) -> str:
    """The text in NFC; one with more than ``MOST_MARKS`` marks in a row as it is."""
    if text.isascii() or _has_a_long_run(text):
        return text
    return unicodedata.normalize("NFC", text)


def is_mark(character: str) -> bool:
    """Whether it decomposes into characters that belong to the one before."""
    return unicodedata.combining(character) != 0 or character in _HIDDEN_MARKS


def _has_a_long_run(text: str) -> bool:
    run = 0
    for character in text:
        run = run + 1 if is_mark(character) else 0
        if run > MOST_MARKS:
            return True
    return False
