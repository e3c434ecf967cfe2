"""Which rules the answers to questions follow, and answers that count as none.

An answer that is empty, that repeats itself, or that was also given to another question follows no
rule: such answers satisfy many rules without regard to the question (attack 27).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.tasks import text_units
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.rules import MAX_CHARACTERS, Rule, RuleKind, follows

# Runs of so many words are compared. In English prose of 20 to 1,000 words nearly all of them
# differ, and the five most frequent words are about a quarter of the text.
SHINGLE = 3
MIN_WORDS = 20  # shorter answers repeat themselves if most of their words are the same one
LEAST_DISTINCT = 0.6  # share of the runs that differ
MOST_COMMON = 5
LARGEST_SHARE = 0.6  # of the MOST_COMMON words
# Two answers are one if they have this share of their runs in common, without subject words.
ALIKE = 0.5
LONG_TOKEN = 40  # characters; a longer run of letters is not a word, so its letters count

_BLANK = "*"  # in the place of a word of the subject
_Runs = frozenset[tuple[str, ...]]
_OF_SUBJECT = frozenset(
    {
        RuleKind.INCLUDES,
        RuleKind.EXCLUDES,
        RuleKind.KEYWORD_AT_LEAST,
        RuleKind.KEYWORD_AT_MOST,
    }
)


class AnswerFault(StrEnum):
    """Why an answer follows no rule."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    REPETITIVE = "repetitive"
    CANNED = "canned"  # another question has it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of one answer: whether it follows each rule, in their order."""

    followed: tuple[bool, ...]
    fault: AnswerFault | None = None

    @property
    def share_not_followed(self) -> float:
        """Share of the rules that the answer does not follow, from 0.0 to 1.0."""
        return self.followed.count(False) / len(self.followed)


def judge(tasks: Sequence[InstructionTask], answers: Sequence[str]) -> tuple[Verdict, ...]:
    """Return a verdict for each answer; equal answers are looked for among those given.

    So questions with the same rules, which a source draws in pairs, must be judged in one call.
    Cost grows with the length of the answers, and with the square of the number of questions that
    have the same rules.

    Raises:
        ValueError: The number of answers differs from the number of tasks.
    """
    faults = [fault_of(answer) for answer in answers]
    pairs = list(zip(tasks, answers, strict=True))
    for place in _canned(pairs):
        faults[place] = faults[place] or AnswerFault.CANNED
    return tuple(
        Verdict(followed=tuple(not fault and follows(r, answer) for r in task.rules), fault=fault)
        for (task, answer), fault in zip(pairs, faults, strict=True)
    )


def fault_of(answer: str) -> AnswerFault | None:
    """Return what disqualifies an answer on its own, if anything does."""
    if len(answer) > MAX_CHARACTERS:
        return AnswerFault.TOO_LONG
    words = list(_words(answer))
    if not words:
        return AnswerFault.EMPTY
    return AnswerFault.REPETITIVE if _is_repetitive(words) else None


def _is_repetitive(words: Sequence[str]) -> bool:
    counts = Counter(words).most_common(MOST_COMMON)
    if len(words) < MIN_WORDS:
        return len(words) > 3 and counts[0][1] > len(words) / 2
    runs = _runs(words)
    return len(set(runs)) < LEAST_DISTINCT * len(runs) or sum(
        count for _, count in counts
    ) > LARGEST_SHARE * len(words)


def _words(text: str) -> Iterator[str]:
    """Yield the words that are compared; of a run of letters that is not a word, each letter."""
    for token in text_units.tokens(text):
        if len(token) > LONG_TOKEN:
            yield from token
        else:
            yield token


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(SHINGLE)), strict=False))


def _canned(pairs: Iterable[tuple[InstructionTask, str]]) -> Iterator[int]:
    """Yield the places of answers that another question has, too.

    Equal answers are found everywhere, and answers that are alike among questions with the same
    rules. Both are looked for in the answers as they are, and without the words of their subjects.
    """
    by_text: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    by_rules: defaultdict[tuple[Rule, ...], list[tuple[int, _Runs]]] = defaultdict(list)
    for place, (task, answer) in enumerate(pairs):
        words = tuple(_words(answer))
        subject = _subject(task)
        bare = tuple(_BLANK if word in subject else word for word in words)
        rules = tuple(rule for rule in task.rules if rule.kind not in _OF_SUBJECT)
        for form in {words, bare}:
            by_text[form].add(place)
            by_rules[rules].append((place, frozenset(_runs(form))))
    for places in by_text.values():
        yield from places if len(places) > 1 else ()
    for group in by_rules.values():
        for place, runs in group:
            if any(_are_alike(runs, other) for at, other in group if at != place):
                yield place


def _subject(task: InstructionTask) -> frozenset[str]:
    texts = (text for rule in task.rules if rule.kind in _OF_SUBJECT for text in rule.texts)
    return frozenset(token for text in texts for token in text_units.tokens(text))


def _are_alike(runs: _Runs, other: _Runs) -> bool:
    return len(runs & other) > ALIKE * len(runs | other)
