"""Texts of a made-up world, which tiny models can learn a little of: one for each number."""

from __future__ import annotations

_THINGS = ("apples", "boats", "chairs", "doors", "engines", "flags", "gates", "hats", "inks")
_PLACES = ("Ankara", "Berlin", "Cairo", "Delhi", "Essen", "Florence", "Geneva")
LETTERS = "ABCD"


def question(number: int) -> str:
    thing, place = _THINGS[number % len(_THINGS)], _PLACES[number % len(_PLACES)]
    more = _more(number)
    return f"There are {number} {thing} in {place}. How many {thing} are there with {more} more?"


def answer(number: int) -> str:
    thing, total = _THINGS[number % len(_THINGS)], number + _more(number)
    return (
        f"There are {number} {thing}, and {_more(number)} more make {total}. "
        f"The answer is {total} {thing}."
    )


def page(number: int) -> str:
    """A page of a few sentences."""
    return " ".join(answer(number * 7 + n) for n in range(2 + number % 4))


def choices(number: int) -> tuple[str, str]:
    """A question with lettered options, and the letter of the right one."""
    total = number + _more(number)
    right = number % len(LETTERS)
    options = [total if place == right else total + 3 + place for place in range(len(LETTERS))]
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=True)]
    return "\n".join((question(number), *lines)), LETTERS[right]


def _more(number: int) -> int:
    return 2 + number % 11
