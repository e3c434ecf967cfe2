"""Questions that ask to close open brackets: words of a Dyck language and their completion."""

from __future__ import annotations

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.questions import Question
from sn37.domain.tasks.wording import assemble

CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
LEAST_BRACKETS = 20  # with 3 to 8 of them open more than 1e11 problems
LEAST_OPEN = 3

_TASKS = (
    "Close all brackets that are still open.",
    "Which brackets are missing at the end?",
    "Complete the sequence so that all brackets match.",
    "The end of this sequence of brackets was lost. Find it.",
    "Continue the sequence with closing brackets until every bracket has its partner.",
    "Some brackets are not closed yet. Close them in the right order.",
    "Find the shortest ending that balances the brackets.",
    "Finish this line of nested brackets.",
    "Add what is needed at the end to make the brackets balanced.",
    "A program opened these brackets. How must it close the rest?",
)
_FORMS = (
    "Answer with the missing brackets only, separated by single spaces.",
    "Write only the closing brackets, one space apart.",
    "Give the ending alone and put a space after each bracket.",
    "With single spaces, reply with nothing but the brackets to add.",
    "Do not repeat the beginning; list the new brackets with spaces between them.",
    "Separate the brackets of your answer by spaces and write no other text.",
)


def bracket_completion(
    chance: Chance, *, least_brackets: int, most_brackets: int, least_open: int, most_open: int
) -> tuple[Question, ...]:
    """Return one question with a number of brackets, of which a number are left open.

    The true numbers differ by one from those drawn if an odd number would have to be closed.
    """
    num_open = chance.between(least_open, most_open)
    length = chance.between(least_brackets, most_brackets)
    length += (length - num_open) % 2
    shown, still_open = _walk(chance, length, num_open)
    data = chance.pick((" ", "")).join(shown)
    prompt = assemble(chance, task=chance.pick(_TASKS), data=data, form=chance.pick(_FORMS))
    reference = " ".join(CLOSING[bracket] for bracket in reversed(still_open))
    return (Question(problem="".join(shown), prompt=prompt, reference=reference),)


def _walk(chance: Chance, length: int, num_open: int) -> tuple[list[str], list[str]]:
    """Return ``length`` brackets, and the ``num_open`` of them that are open at the end."""
    shown: list[str] = []
    still_open: list[str] = []
    for num_left in range(length, 0, -1):
        may_open = len(still_open) - num_open < num_left  # else all that is left must close
        may_close = still_open and num_open - len(still_open) < num_left
        if may_open and not (may_close and chance.below(2)):
            still_open.append(chance.pick(tuple(CLOSING)))
            shown.append(still_open[-1])
        else:
            shown.append(CLOSING[still_open.pop()])
    return shown, still_open
