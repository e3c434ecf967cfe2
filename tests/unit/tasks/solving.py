"""Solves generated questions from their prompts alone, by other means than the generators."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from sn37.domain.data.samples import Sample
from sn37.domain.tasks.arithmetic import arithmetic
from sn37.domain.tasks.brackets import bracket_completion
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.instructions import instructions
from sn37.domain.tasks.list_reasoning import list_reasoning
from sn37.domain.tasks.questions import Make, Question, is_right
from sn37.domain.tasks.rules import Rule
from sn37.domain.tasks.word_list import WORDS
from sn37.domain.tasks.word_sorting import word_sorting
from tests.unit.tasks.breaking import broken

MAKERS: dict[str, Make] = {
    "word_sorting": partial(word_sorting, least_words=6, most_words=30),
    "brackets": partial(
        bracket_completion, least_brackets=20, most_brackets=80, least_open=4, most_open=14
    ),
    "arithmetic": partial(arithmetic, least_numbers=4, most_numbers=9),
    "list_reasoning": partial(
        list_reasoning, least_items=6, most_items=14, least_steps=2, most_steps=7
    ),
}
_KNOWN = frozenset(WORDS)
_TIMES = "*x\N{MULTIPLICATION SIGN}\N{MIDDLE DOT}"
_BACKWARDS = re.compile(
    r"reverse|z to a|last one first|from its end|descending|from the last|nearest to z|backwards"
)
_STEPS = (
    (r"Reverse|Turn the list around", "items.reverse()"),
    (
        r"Move the first (\d+)|Rotate the list to the left by (\d+)",
        "items += items[:n]; del items[:n]",
    ),
    (
        r"Move the last (\d+)|Rotate the list to the right by (\d+)",
        "items[:0] = items[-n:]; del items[-n:]",
    ),
    (r"Drop the first (\d+)|Delete (\d+) item\(s\) from the front", "del items[:n]"),
    (r"Drop the last (\d+)|Delete (\d+) item\(s\) from the end", "del items[-n:]"),
    (r"Add (\d+)|Increase every number by (\d+)", "items = [x + n for x in items]"),
    (r"Subtract (\d+)|Decrease every number by (\d+)", "items = [x - n for x in items]"),
    (
        r"Multiply each number by (\d+)|Replace every number by (\d+)",
        "items = [x * n for x in items]",
    ),
    (
        r"Remove all multiples of (\d+)|Keep only what (\d+)",
        "items = [x for x in items if abs(x) // n * n != abs(x)]",
    ),
    (
        r"Remove the numbers above (\d+)|Keep only the numbers up to (\d+)",
        "items = [x for x in items if not x > n]",
    ),
    (
        r"Exchange the first number|Let the first and the last",
        "items[0], items[-1] = items[-1], items[0]",
    ),
    (r".*(?:smallest number first|into ascending)", "items.sort()"),
    (r".*(?:largest number first|into descending)", "items.sort(); items.reverse()"),
    (r"Append (\d+)|Write (\d+) at the end", "items.append(n)"),
    (r"Put (\d+) in front|Write (\d+) at the start", "items.insert(0, n)"),
    (r"Keep the first, third|Remove every second", "del items[1::2]"),
)


def sorted_words(prompt: str) -> list[str]:
    """Return the words of the prompt in the order that it asks for."""
    lines = [line.replace(",", " ").split() for line in prompt.splitlines()]
    words = [word for line in lines if set(line) <= _KNOWN for word in line]
    return sorted(words, reverse=bool(_BACKWARDS.search(prompt)))


def missing_brackets(prompt: str) -> list[str]:
    """Return the brackets that are missing, by taking away pairs until none is left."""
    (line,) = [x for x in prompt.splitlines() if x and set(x) <= set("()[]{}<> ")]
    left = line.replace(" ", "")
    while (shorter := re.sub(r"\(\)|\[\]|\{\}|<>", "", left)) != left:
        left = shorter
    return list(left[::-1].translate(str.maketrans("([{<", ")]}>")))


def value(prompt: str) -> int:
    """Return the value of the expression in the prompt, by Python's own rules."""
    (line,) = [x for x in prompt.splitlines() if re.fullmatch(rf"[0-9(][-0-9+{_TIMES}() =?]+", x)]
    expression = re.sub(f"[{_TIMES}]", "*", line.strip(" =?"))
    return int(eval(expression, {"__builtins__": {}}))


def list_at_the_end(prompt: str) -> list[int]:
    """Return the list after all steps of the prompt."""
    (found,) = re.findall(r"^(?:List|The list|Start|Numbers): ([0-9, ]+)$", prompt, re.MULTILINE)
    items = [int(number) for number in found.split(",")]
    for order in re.findall(r"^(?:\d+[.)]|Step \d+:|-) (.*)$", prompt, re.MULTILINE):
        (match, change), *others = [
            (m, change) for pattern, change in _STEPS if (m := re.match(pattern, order))
        ]
        assert not others, order
        numbers = [int(group) for group in match.groups() if group]
        names = {"items": items, "n": numbers[0] if numbers else None}
        exec(change, names)
        items = names["items"]  # type: ignore[assignment]
    return items


SOLVERS: dict[str, Callable[[str], Sequence[object]]] = {
    "word_sorting": sorted_words,
    "brackets": missing_brackets,
    "arithmetic": lambda prompt: [value(prompt)],
    "list_reasoning": list_at_the_end,
}


def check_references(task: str, samples: Iterable[Sample]) -> None:
    """Check that each reference is right, also for the solver, and that other answers are not."""
    for sample in samples:
        right = parts(sample.reference)
        assert right == [str(x) for x in SOLVERS[task](sample.prompt)], sample
        assert is_right(sample.reference, sample.reference)
        assert is_right(sample.reference, f"\n {sample.reference}  ")
        for wrong in mutations(right):
            assert not is_right(sample.reference, wrong), sample


def mutations(right: list[str]) -> list[str]:
    """Return answers that differ from the right one in a part or more."""
    changed = [[*right, right[-1]], right[:-1], [*right, *right], [*right, "so"], ["so", *right]]
    swapped = [right[-1], *right[1:-1], right[0]]
    changed += [other for other in (swapped, right[::-1]) if other != right]
    changed += [[*right[:-1], f"{right[-1]}0"], [right[0][:-1], *right[1:]]]
    return ["", *(" ".join(other) for other in changed)]


def parts(reference: str) -> list[str]:
    """Return what commas and white space separate."""
    return reference.replace(",", " ").split()


def instruction_questions(chance: Chance) -> tuple[Question, ...]:
    """Return questions with rules, of the source's own difficulty."""
    return instructions(chance, least_rules=3, most_rules=7)


def broken_answers(task: InstructionTask) -> Iterable[tuple[Rule, str]]:
    """Yield each rule with a changed answer that does not follow it."""
    for rule in task.rules:
        yield rule, broken(rule, task.answer)
