"""Questions that ask for a list of numbers after a number of steps, each a change of the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.questions import Question
from sn37.domain.tasks.wording import assemble

LEAST_ITEMS = 6  # 98! / 92! lists, or 7e11
FEWEST_LEFT = 3  # items after each step, so that an answer cannot be guessed
LARGEST_ITEM = 99

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A kind of step: what it does to a list with a number, and how it is asked for."""

    change: Callable[[Numbers, int], Numbers]
    numbers: tuple[int, ...]  # that the step may be asked for with
    wordings: tuple[str, ...]  # with {n} where the number stands


STEPS = (
    Step(
        change=lambda items, _: items[::-1],
        numbers=(0,),
        wordings=("Reverse the list.", "Turn the list around, so that it starts with its end."),
    ),
    Step(
        change=lambda items, n: items[n:] + items[:n],
        numbers=(1, 2, 3),
        wordings=(
            "Move the first {n} item(s) to the end, in the same order.",
            "Rotate the list to the left by {n} place(s).",
        ),
    ),
    Step(
        change=lambda items, n: items[-n:] + items[:-n],
        numbers=(1, 2, 3),
        wordings=(
            "Move the last {n} item(s) to the front, in the same order.",
            "Rotate the list to the right by {n} place(s).",
        ),
    ),
    Step(
        change=lambda items, n: items[n:],
        numbers=(1, 2),
        wordings=("Drop the first {n} item(s).", "Delete {n} item(s) from the front of the list."),
    ),
    Step(
        change=lambda items, n: items[:-n],
        numbers=(1, 2),
        wordings=("Drop the last {n} item(s).", "Delete {n} item(s) from the end of the list."),
    ),
    Step(
        change=lambda items, n: tuple(item + n for item in items),
        numbers=tuple(range(2, 20)),
        wordings=("Add {n} to each number.", "Increase every number by {n}."),
    ),
    Step(
        change=lambda items, n: tuple(item - n for item in items),
        numbers=tuple(range(2, 20)),
        wordings=("Subtract {n} from each number.", "Decrease every number by {n}."),
    ),
    Step(
        change=lambda items, n: tuple(item * n for item in items),
        numbers=(2, 3),
        wordings=("Multiply each number by {n}.", "Replace every number by {n} times itself."),
    ),
    Step(
        change=lambda items, n: tuple(item for item in items if item % n),
        numbers=(2, 3, 5),
        wordings=("Remove all multiples of {n}.", "Keep only what {n} does not divide."),
    ),
    Step(
        change=lambda items, n: tuple(item for item in items if item <= n),
        numbers=tuple(range(60, 121, 10)),
        wordings=("Remove the numbers above {n}.", "Keep only the numbers up to {n}."),
    ),
    Step(
        change=lambda items, n: (items[-1], *items[1:-1], items[0]),
        numbers=(0,),
        wordings=(
            "Exchange the first number and the last.",
            "Let the first and the last number change places.",
        ),
    ),
    Step(
        change=lambda items, _: tuple(sorted(items)),
        numbers=(0,),
        wordings=("Sort the list, smallest number first.", "Bring the list into ascending order."),
    ),
    Step(
        change=lambda items, _: tuple(sorted(items, reverse=True)),
        numbers=(0,),
        wordings=("Sort the list, largest number first.", "Bring the list into descending order."),
    ),
    Step(
        change=lambda items, n: (*items, n),
        numbers=tuple(range(2, LARGEST_ITEM + 1)),
        wordings=("Append {n} to the list.", "Write {n} at the end of the list."),
    ),
    Step(
        change=lambda items, n: (n, *items),
        numbers=tuple(range(2, LARGEST_ITEM + 1)),
        wordings=("Put {n} in front of the list.", "Write {n} at the start of the list."),
    ),
    Step(
        change=lambda items, _: items[::2],
        numbers=(0,),
        wordings=(
            "Keep the first, third, fifth number and so on; drop the others.",
            "Remove every second number, beginning with the second of the list.",
        ),
    ),
)
_TASKS = (
    "Follow the steps one after the other. Which list is left at the end?",
    "Apply each step to the result of the step before, and give the final list.",
    "Change the list as described, step by step.",
    "A robot carries out these steps on the list. What does it hold in the end?",
    "Start with the list and do all steps in their order.",
    "How does the list look after the last step?",
    "Work through the instructions in order and report the list that results.",
    "Each step changes the list. Find the list after all of them.",
)
_FORMS = (
    "Answer with the numbers only, separated by commas.",
    "Write only the final list, with commas between its numbers.",
    "Give the last list and no list before it, with commas.",
    "Reply with the remaining numbers in their order, with commas and without brackets.",
    "Do not explain; the numbers of the final list with commas are enough.",
)


def list_reasoning(
    chance: Chance, *, least_items: int, most_items: int, least_steps: int, most_steps: int
) -> tuple[Question, ...]:
    """Return one question with a list of different numbers and a number of steps.

    No step leaves the list as it is or with fewer than ``FEWEST_LEFT`` numbers, and no kind of step
    comes twice in a row.
    """
    count = chance.between(least_items, most_items)
    start = items = tuple(chance.some(range(2, LARGEST_ITEM + 1), count))
    orders: list[str] = []
    last = None
    for _ in range(chance.between(least_steps, most_steps)):
        last, number, items = _next_step(chance, items, last)
        orders.append(chance.pick(last.wordings).format(n=number))
    prompt = assemble(
        chance,
        task=chance.pick(_TASKS),
        data=f"{chance.pick(('List:', 'The list:', 'Start:', 'Numbers:'))} {_text(start)}\n"
        + _numbered(chance, orders),
        form=chance.pick(_FORMS),
    )
    problem = f"{_text(start)}: {' '.join(orders)}"
    return (Question(problem=problem, prompt=prompt, reference=_text(items)),)


def _next_step(chance: Chance, items: Numbers, last: Step | None) -> tuple[Step, int, Numbers]:
    """Return a step with its number, and the list after it."""
    while True:
        step = chance.pick(STEPS)
        number = chance.pick(step.numbers)
        after = step.change(items, number)
        if step is not last and after != items and len(after) >= FEWEST_LEFT:
            return step, number, after


def _numbered(chance: Chance, orders: list[str]) -> str:
    style = chance.pick(("{}. {}", "{}) {}", "Step {}: {}", "- {1}"))
    return "\n".join(style.format(number, order) for number, order in enumerate(orders, start=1))


def _text(items: Numbers) -> str:
    return ", ".join(map(str, items))
