"""Common runs of words between rows of a source and a training set.

A row counts as known if a run of 13 of its words is in the training set. 13 is the length by which
GPT-3's authors removed their benchmarks from its training set (Brown et al., 2020, appendix C), and
lm-evaluation-harness after them. As there, runs that are in more than ten rows do not count: they
are the wording of a source, such as the instruction before every question.

Rows of the source are indexed and texts of the training set pass by, so memory depends on the
former alone. Words are compared in lower case and without punctuation; in scripts without spaces
each letter is a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from sn37.domain.data.repeats import WORD, normal

GRAM = 13  # words of a run
MOST_ROWS = 10  # runs in more rows of the source are its wording, and do not count
MAX_GRAMS = 4_000_000  # indexed, at about 150 bytes each; rows after them are left out
MAX_EXAMPLES = 5
SHOWN_WORDS = 40  # of a common run

# A run's number is the polynomial of its words' numbers at this point, modulo 2^64. One of 4e6
# indexed runs and one of 1e9 of a training set are equal by accident with a probability of 0.0002.
_POINT = 0x9E3779B97F4A7C15
_BITS = 2**64 - 1
_MAX_VOCABULARY = 200_000
_WORDS_AT_A_TIME = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row of the source, and where the training set has a run of its words."""

    row_id: str
    where: str
    words: str  # of the run, in lower case; its beginning if it is long


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Rows of one side that have a run in common with the other side."""

    num_rows: int
    num_short: int  # with fewer than 13 words, too few for a run
    num_known: int

    @property
    def share(self) -> float:
        """Known rows as a share of those that are long enough; 0 if there are none."""
        judged = self.num_rows - self.num_short
        return self.num_known / judged if judged else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOverlap:
    """Result of a comparison."""

    source: Known
    training: Known
    num_mostly_known: int  # rows of the source with at least half of their runs in the training set
    num_left_out: int  # rows of the source that did not fit into the index
    examples: tuple[Example, ...]


class _Vocabulary(dict[str, int]):
    """64-bit number of each word."""

    def __missing__(self, word: str) -> int:
        number = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
        self[word] = number
        return number


@dataclass(slots=True)
class GramIndex:
    """Runs of the rows of a source, for one comparison with a training set."""

    max_grams: int = MAX_GRAMS
    _row_ids: list[str] = field(init=False, default_factory=list)
    _num_grams: list[int] = field(init=False, default_factory=list)  # of each row
    _first: dict[int, int] = field(init=False, default_factory=dict)  # run to row
    _others: dict[int, list[int]] = field(init=False, default_factory=dict)  # run to more rows
    _found: set[int] = field(init=False, default_factory=set)  # runs of the training set
    _num_left_out: int = field(init=False, default=0)
    _vocabulary: _Vocabulary = field(init=False, default_factory=_Vocabulary)

    def add(self, row_id: str, text: str) -> None:
        """Add a row of the source. When the index is full, the row is counted as left out."""
        if len(self._first) >= self.max_grams:
            self._num_left_out += 1
            return
        row = len(self._row_ids)
        runs = {run for _, numbers in self._runs(words_of(text)) for run in numbers}
        for run in runs:
            if run not in self._first:
                self._first[run] = row
            elif len(others := self._others.setdefault(run, [])) < MOST_ROWS:
                others.append(row)
        self._row_ids.append(row_id)
        self._num_grams.append(len(runs))

    def compare(self, texts: Iterable[tuple[str, str]]) -> TrainingOverlap:
        """Compare the rows with a training set, given as places and texts. Linear in its words."""
        num_rows = num_short = num_known = 0
        examples: dict[int, Example] = {}
        for where, text in texts:
            words = words_of(text)
            common = self._common(words)
            num_rows += 1
            num_short += len(words) < GRAM
            num_known += bool(common)
            for place in common if len(examples) < MAX_EXAMPLES else ():
                if (row := common[place]) not in examples:
                    shown = words[place : place + _length(common, place)]
                    examples[row] = Example(
                        row_id=self._row_ids[row], where=where, words=" ".join(shown)
                    )
        known = Counter(row for run in self._found for row in self._rows_of(run))
        return TrainingOverlap(
            source=Known(
                num_rows=len(self._row_ids),
                num_short=self._num_grams.count(0),
                num_known=len(known),
            ),
            training=Known(num_rows=num_rows, num_short=num_short, num_known=num_known),
            num_mostly_known=sum(2 * n >= self._num_grams[row] for row, n in known.items()),
            num_left_out=self._num_left_out,
            examples=tuple(examples.values())[:MAX_EXAMPLES],
        )

    def _common(self, words: Sequence[str]) -> dict[int, int]:
        """Return the places at which a run of the index begins, and a row that it is from."""
        found: dict[int, int] = {}
        for first, numbers in self._runs(words):
            for place, run in enumerate(numbers):
                if run in self._first and len(self._others.get(run, ())) < MOST_ROWS:
                    self._found.add(run)
                    found[first + place] = self._first[run]
        return found

    def _rows_of(self, run: int) -> tuple[int, ...]:
        return (self._first[run], *self._others.get(run, ()))

    def _runs(self, words: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """Yield the numbers of consecutive runs, some thousand at a time, and the first's place."""
        for first in range(0, len(words) - GRAM + 1, _WORDS_AT_A_TIME):
            if len(self._vocabulary) > _MAX_VOCABULARY:
                self._vocabulary.clear()
            part = words[first : first + _WORDS_AT_A_TIME + GRAM - 1]
            one = list(map(self._vocabulary.__getitem__, part))
            two = _joined(one, one[1:], 1)
            four = _joined(two, two[2:], 2)
            eight = _joined(four, four[4:], 4)
            twelve = _joined(eight, four[8:], 4)
            yield first, _joined(twelve, one[12:], 1)


def words_of(text: str) -> list[str]:
    """Return the words of a text, as they are compared."""
    return WORD.findall(normal(text))


def _joined(left: Sequence[int], right: Sequence[int], length: int) -> list[int]:
    """Return the numbers of runs, each followed by a run of ``length`` words."""
    factor = pow(_POINT, length, _BITS + 1)
    return [(v * factor + w) & _BITS for v, w in zip(left, right, strict=False)]


def _length(common: Mapping[int, int], place: int) -> int:
    """Return the number of words from the first of a run to the last of those that follow it."""
    end = place
    while end + 1 in common and end + GRAM - place < SHOWN_WORDS:
        end += 1
    return end + GRAM - place
