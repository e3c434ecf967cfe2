"""Counts habits of prose that make our English hard to read, in comments, strings and documents.

``python -m tests.support.prose`` lists every place and fails when there is a new one; ``make lint``
runs it. CONTRIBUTING.md says what to write instead. Decisions and the changelog are history and
stay.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import sn37

PACKAGE = Path(sn37.__file__).parent
# English words and sentences that models score, or that they are asked.
DATA = ("control_words.py", "list_reasoning.py", "probes.py", "rule_sets.py", "word_sorting.py")
ROOT = Path(__file__).parents[2]

_THINGS = (
    r"(?:keys?|programs?|process(?:es)?|workers?|actors?|nodes?|endpoints?|hosts?|models?|signers?"
    r"|validators?|neurons?|entry|entries|challengers?|champions?|contenders?|newcomers?|rivals?)"
)
# What to look for, and what to write instead.
HABITS = {
    r"(?<![Tt]here )\b(?:is|are|was|were) no "
    r"(?!longer\b|more\b|less\b|one\b|better\b|worse\b)[a-z]": "is not a ...",
    r"\b(?:is|are|was|were|be|been) told\b": "is reported, gets",
    r"\btells? of\b": "reports",
    r"\b[Mm]end(?:s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\b[Ww]hoever\b": "name who it is",
    r"\b[Ww]hat (?:has )?bec[ao]mes? of\b": "what happens to, the status of",
    r"\b(?:comes?|came) to (?:the same|nothing|what|them|it)\b": "is, equals, computes",
    r"\b(?:speaks?|spoke) (?:for|against)\b": "is evidence for, is a problem",
    r"\b(?:[Hh]ears?|[Hh]eard|unheard)\b": "compare, receive, scored",
    r"\b(?:[Bb]ring(?:s|ing)?|brought)\b(?! (?:its|their|your|a) own\b)": "fetch, download, cause",
    rf"\b{_THINGS},? who\b|\b(?:[Hh]is|[Hh]im|[Ww]hom)\b": "that, its: keys and programs are it",
    r"\bwrite it like\b": "expected for example",
    r"\bto be had\b": "available",
    r"\bfor good\b": "for ever, permanently",
    r"\bas it stands\b": "as it is now",
}
# How a sentence must not begin, unless it is a question: it wants a subject.
BEGINNING = re.compile(r"(?:^|(?<=[.!] ))(?:\d\. )?(?:Of|What|Whether) [a-z](?![^.!]*\?)")
_FOUND = {re.compile(habit): instead for habit, instead in HABITS.items()}
_FOUND[BEGINNING] = "begin with the subject or a verb"


def habits_in(text: str) -> Iterator[tuple[str, str]]:
    """Each habit of a piece of prose, as it stands there, and what to write instead."""
    for pattern, instead in _FOUND.items():
        for match in pattern.finditer(text):
            yield match[0], instead


def pieces(file: Path) -> Iterator[tuple[int, str]]:
    """The prose of a file, line by line, with the numbers of the lines."""
    if file.suffix == ".md":
        is_code = False
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            is_code ^= line.startswith("```")
            if not is_code and not line.startswith("    "):
                yield number, _without_names(line)
        return
    source = io.BytesIO(file.read_bytes())
    for token in tokenize.tokenize(source.readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _without_names(token.string.lstrip("# "))
        elif token.type == tokenize.STRING and token.string.startswith('"""'):
            text = token.string.removeprefix('"""')
            for offset, line in enumerate(text.splitlines()):
                yield token.start[0] + offset, _without_names(line.strip())
        elif token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            yield token.start[0], token.string


def _without_names(line: str) -> str:
    return re.sub(r"`[^`]+`", "", line)


def files() -> list[Path]:
    """What users and contributors read."""
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    modules = (m for m in PACKAGE.rglob("*.py") if m.name not in DATA)
    return sorted((*modules, *documents))


def found() -> list[str]:
    """One line for each habit that is left."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {habit!r}, write: {instead}"
        for file in files()
        for number, text in pieces(file)
        for habit, instead in habits_in(text)
    ]


if __name__ == "__main__":
    lines = found()
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(1 if lines else 0)
