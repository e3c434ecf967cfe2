"""Words around a generated problem, drawn so that no beginning of a prompt is the usual one.

A model that recognises a fixed text could answer it from memory (attack 26).
"""

from __future__ import annotations

from collections.abc import Sequence

from sn37.domain.tasks.chance import Chance

_OPENINGS = (
    "",
    "",
    "",
    "Here is a small exercise.",
    "Please help with the following.",
    "I have a task for you.",
    "This is a puzzle for a quiet afternoon.",
    "A question from our workbook:",
    "Can you solve this one?",
    "Take your time with this one.",
    "One more exercise.",
    "A friend asked me this.",
    "Let us see how you do with this.",
    "The next problem is short.",
    "This came up in class today.",
    "Read carefully.",
    "I would like a second opinion on this.",
    "Something to warm up:",
    "Work through the problem below.",
    "Suppose that you are checking homework.",
)
_LEADS = (
    "Given:",
    "Consider this:",
    "Look at this:",
    "Input:",
    "We have:",
    "This is what we start from:",
    "First the data.",
    "The following is given.",
)


def assemble(chance: Chance, *, task: str, data: str, form: str) -> str:
    """Return a prompt: what to do, with which data, and the form of the answer.

    The parts come in one of several orders, with one of several separators and openings. Data is on
    lines of its own.
    """
    blank, gap = chance.pick(("\n", "\n\n")), chance.pick((" ", "\n"))
    opening = chance.pick(_OPENINGS)
    order = chance.below(4)
    if order == 0:
        return blank.join((_joined(gap, opening, task), data, form))
    if order == 1:
        return blank.join((_joined(gap, opening, task, form), data))
    if order == 2:
        return blank.join((chance.pick(_LEADS), data, _joined(gap, task, form)))
    return blank.join((_joined(gap, opening, form, task), data))


def _joined(gap: str, *parts: str) -> str:
    return gap.join(part for part in parts if part)


def enumerated(items: Sequence[str]) -> str:
    """Return the items as English text, for example ``a, b and c``."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
