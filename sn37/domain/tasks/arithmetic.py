"""Questions that ask for the value of an arithmetic expression of whole numbers."""

from __future__ import annotations

import re

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.questions import Question
from sn37.domain.tasks.wording import assemble

LEAST_NUMBERS = (
    4  # the smallest form, a * b + c * d, has 2 * 98**4 problems; in all there are more than 7e12
)
LARGEST_NUMBER = 999  # that is not in a product
LARGEST_FACTOR = 99

_TIMES = ("*", "x", "\N{MULTIPLICATION SIGN}", "\N{MIDDLE DOT}")
_SIGNS = {1: "+", -1: "-"}
_TASKS = (
    "Calculate the value of this expression.",
    "What does this come out at?",
    "Evaluate the expression; multiplication comes before addition and subtraction.",
    "Work out the result.",
    "Find the value.",
    "Which whole number is this?",
    "Do this calculation by hand.",
    "Solve this sum; brackets first.",
    "Compute the following.",
    "What is the result of this calculation?",
)
_FORMS = (
    "Answer with the number only.",
    "Write only the result, as a whole number in digits.",
    "Give the final number and nothing else.",
    "Reply with digits, and with a minus sign if the result is negative.",
    "Leave out the steps; the number alone is enough.",
    "Your answer must be one number, without a thousands separator.",
)


def arithmetic(chance: Chance, *, least_numbers: int, most_numbers: int) -> tuple[Question, ...]:
    """Return one question with ``least_numbers`` to ``most_numbers`` numbers.

    Terms are added and subtracted; a term is a number, or a product of numbers and of sums of two.
    """
    count = chance.between(least_numbers, most_numbers)
    text, value = _term(chance, chance.between(1, min(count - 1, 4)))
    while (num_left := count - _num_numbers(text)) > 0:
        term, addend = _term(chance, chance.between(1, min(num_left, 4)))
        sign = chance.pick((1, -1))
        text, value = f"{text} {_SIGNS[sign]} {term}", value + sign * addend
    shown = text.replace("*", chance.pick(_TIMES))
    data = chance.pick(("{}", "{} =", "{} = ?")).format(shown)
    prompt = assemble(chance, task=chance.pick(_TASKS), data=data, form=chance.pick(_FORMS))
    return (Question(problem=text, prompt=prompt, reference=str(value)),)


def _num_numbers(text: str) -> int:
    return len(re.findall("[0-9]+", text))


def _term(chance: Chance, count: int) -> tuple[str, int]:
    """Return a term with ``count`` numbers, at most four, and its value."""
    if count == 1:
        number = chance.between(2, LARGEST_NUMBER)
        return str(number), number
    if count == 2:
        first, second = (chance.between(2, LARGEST_FACTOR) for _ in range(2))
        return f"{first} * {second}", first * second
    if count == 3:
        number, (text, value) = chance.between(2, LARGEST_FACTOR), _bracket(chance)
        return f"{number} * {text}", number * value
    (text, value), (other, factor) = _bracket(chance), _bracket(chance)
    return f"{text} * {other}", value * factor


def _bracket(chance: Chance) -> tuple[str, int]:
    first, second = (chance.between(2, LARGEST_FACTOR) for _ in range(2))
    sign = chance.pick((1, -1))
    return f"({first} {_SIGNS[sign]} {second})", first + sign * second
