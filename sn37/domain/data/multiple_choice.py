"""Parser of multiple-choice questions: the question, its options, and the right one.

A text that can be read in more than one way is left out. Options are lettered from A on, in one
style: ``A.``, ``A)``, ``(A)`` or ``A:``, with space around. Letters at the beginning of lines are
tried first; without such options, letters anywhere. A letter with a dot inside an option
("E. coli") is harmless unless the text could be split there too; then it is left out. So is a text
with U+2581, which many tokenizers read as a space: one in an option would decide it for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase

from sn37.domain.data.unicode_form import composed

MAX_OPTIONS = 10
MAX_CHARS = 20_000  # per challenge; questions have a few hundred
_MAX_LABELS = 100  # per style in a text; the parser compares pairs of them

_LETTERS = ascii_uppercase[: MAX_OPTIONS + 1]  # one more, to detect too many options
# The lookbehind comes last because a search for a class of characters is fast.
_STYLES = tuple(
    re.compile(pattern.replace("X", f"([{_LETTERS}])") + r"(?!\S)")
    for pattern in (r"X\.(?<!\S..)", r"X\)(?<!\S..)", r"\(X\)(?<!\S...)", r"X:(?<!\S..)")
)
_SPACE_OF_TOKENIZERS = "\u2581"
_SOMETHING = re.compile(r"\S")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_REFERENCE = re.compile(r"\(?\s*([A-Za-z])\s*(?:[.):](.*))?", re.DOTALL)

_Label = re.Match[str]  # an option's letter, in one of the styles


class MultipleChoiceFault(StrEnum):
    """Each way in which a text can fail to be a multiple-choice question."""

    TOO_LONG = "too_long"
    LOST = "lost"  # tokenizers of many models cannot restore the text
    NO_OPTIONS = "no_options"  # fewer than two non-empty options
    TOO_MANY = "too_many"
    AMBIGUOUS = "ambiguous"  # it could be read in another way
    NO_QUESTION = "no_question"  # no text before the options
    DUPLICATE = "duplicate"  # two options are the same
    ANSWER = "answer"  # the reference does not name an option, or contradicts itself


class NotMultipleChoice(ValueError):
    """The text is not a multiple-choice question; ``fault`` says why."""

    def __init__(self, fault: MultipleChoiceFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleChoice:
    """A parsed question; ``answer`` is one of ``options``, which have no letters."""

    question: str
    options: tuple[str, ...]
    answer: str


def parse_multiple_choice(challenge: str, reference: str) -> MultipleChoice:
    """Parse a challenge; ``reference`` is the right letter, or letter and option.

    Raises:
        NotMultipleChoice: The text can be read in no way, or in more than one.
    """
    if len(challenge) > MAX_CHARS:
        raise NotMultipleChoice(MultipleChoiceFault.TOO_LONG)
    if _SPACE_OF_TOKENIZERS in challenge:
        raise NotMultipleChoice(MultipleChoiceFault.LOST)
    text = challenge.replace("\r\n", "\n").replace("\r", "\n")
    labels = _reading(text)
    question, options = text[: labels[0].start()].strip(), _options(text, labels)
    if len(options) > MAX_OPTIONS:
        raise NotMultipleChoice(MultipleChoiceFault.TOO_MANY)
    if not question:
        raise NotMultipleChoice(MultipleChoiceFault.NO_QUESTION)
    if any(_BLANK_LINE.search(option) for option in options):  # other text follows an option
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    if len({_folded(option) for option in options}) < len(options):
        raise NotMultipleChoice(MultipleChoiceFault.DUPLICATE)
    return MultipleChoice(question=question, options=options, answer=_answer(reference, options))


def _reading(text: str) -> Sequence[_Label]:
    """Return the letters of the options in the only possible reading."""
    by_style = [list(style.finditer(text)) for style in _STYLES]
    if any(len(labels) > _MAX_LABELS for labels in by_style):
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    readings = [r for labels in by_style if (r := _line_reading(text, labels))]
    readings = readings or [r for labels in by_style if (r := _inline_reading(text, labels))]
    if not readings:
        raise NotMultipleChoice(MultipleChoiceFault.NO_OPTIONS)
    if len(readings) > 1:
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    return readings[0]


def _line_reading(text: str, labels: Sequence[_Label]) -> Sequence[_Label]:
    """Return all letters that begin a line if they are A, B, C...; else none."""
    found = [x for x in labels if not text[: x.start()].rpartition("\n")[2].strip()]
    letters = "".join(x[1] for x in found)
    if len(letters) < 2 or not _LETTERS.startswith(letters) or not all(_options(text, found)):
        return ()
    return _ended(found, labels)


def _inline_reading(text: str, labels: Sequence[_Label]) -> Sequence[_Label]:
    """Return the longest A, B, C... with text after each letter; none if shorter than two."""
    chains: dict[str, list[list[_Label]]] = {"@": [[]]}  # by their last letter; "@" precedes "A"
    for label in labels:
        longer = [
            [*chain, label]
            for chain in chains.get(chr(ord(label[1]) - 1), [])
            if not chain or _SOMETHING.search(text, chain[-1].end(), label.start())
        ]
        if longer:  # keep two chains per label: that is ambiguous, and there could be 10^10
            chains.setdefault(label[1], []).extend(longer[:2])
    found = chains[max(chains)]
    if len(found[0]) < 2:
        return ()
    if len(found) > 1 or not all(_options(text, found[0])):
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    return _ended(found[0], labels)


def _ended(found: Sequence[_Label], labels: Sequence[_Label]) -> Sequence[_Label]:
    """Return ``found``, unless the next letter follows: that would be ambiguous."""
    last = found[-1]
    if any(x.start() >= last.end() and ord(x[1]) == ord(last[1]) + 1 for x in labels):
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    return found


def _options(text: str, labels: Sequence[_Label]) -> tuple[str, ...]:
    stops = [*(label.start() for label in labels[1:]), len(text)]
    return tuple(
        text[label.end() : stop].strip() for label, stop in zip(labels, stops, strict=True)
    )


def _answer(reference: str, options: Sequence[str]) -> str:
    """Return the option that the reference names by its letter."""
    match = _REFERENCE.fullmatch(reference.strip())
    place = _LETTERS.find(match[1].upper()) if match else -1
    if match is None or not 0 <= place < len(options):
        raise NotMultipleChoice(MultipleChoiceFault.ANSWER)
    said, answer = _folded(match[2] or ""), options[place]
    if said and said != _folded(answer):
        raise NotMultipleChoice(MultipleChoiceFault.ANSWER)
    # "A" is a letter, but may also be the text of option B.
    if any(_folded(reference) == _folded(x) for x in options if x != answer):
        raise NotMultipleChoice(MultipleChoiceFault.AMBIGUOUS)
    return answer


def _folded(text: str) -> str:
    """Return a form of an option that is equal for options that mean the same."""
    return " ".join(composed(text).casefold().split())
