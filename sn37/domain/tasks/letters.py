"""The letter that an answer in free text names, for a question with lettered options.

It is the first option's letter that a mark or an end follows: ``B.``, ``B)``, ``(B)``, ``B:``,
``**B**``, ``B`` at the end of a line or of the answer. So "A good guess is B." names B, and nothing
that follows can change that.
"""

from __future__ import annotations

import re
from functools import cache
from string import ascii_uppercase

MAX_OPTIONS = len(ascii_uppercase)
_BEFORE = r"(?<![^\s(\[*\"':])"  # a space, or what opens a letter, or nothing
_ENDS = r".):\]*\"\n\r"
# The end of a text so far may be the beginning of a character.
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


def named_option(answer: str, num_options: int, *, is_whole: bool = True) -> int | None:
    """Return the index of the option that an answer names, if it names one.

    Args:
        is_whole: The answer has ended. Otherwise it is a beginning, and what it names so far is
            what the whole answer will name.
    """
    text = answer.rstrip() if is_whole else answer.rstrip(_UNFINISHED)
    found = _pattern(num_options, is_whole=is_whole).search(text)
    return ascii_uppercase.index(found[1]) if found else None


@cache
def _pattern(num_options: int, *, is_whole: bool) -> re.Pattern[str]:
    end = rf"(?=[{_ENDS}]|\Z)" if is_whole else rf"(?=[{_ENDS}])"
    return re.compile(rf"{_BEFORE}([A-{ascii_uppercase[num_options - 1]}]){end}")
