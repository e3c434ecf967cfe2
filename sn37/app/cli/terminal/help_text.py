"""The parts of a help text: its paragraphs and its examples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator


def examples_of(text: str | None) -> tuple[str, ...]:
    """Return the examples in a help text, a command line each."""
    return tuple(
        line.strip()
        for paragraph in paragraphs(text)
        if is_of_examples(paragraph)
        for line in paragraph.splitlines()
    )


def paragraphs(text: str | None) -> Iterator[str]:
    """Yield the paragraphs of a help text; only examples keep their lines."""
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        yield paragraph if is_of_examples(paragraph) else paragraph.replace("\n", " ")


def is_of_examples(paragraph: str) -> bool:
    """True if each line calls the program."""
    return all(line.lstrip().startswith("sn37 ") for line in paragraph.splitlines())
