"""Texts that count once, however often they are signed, and by however many.

What a signer repeats is taken out of its own rows first: equal texts, then nearly equal ones.
That rests on its own rows alone. Of equal texts under several signers the one of the signer with
the fewest rows left counts, so that nobody who repeats the rows of all others gains a place by it.
No clock is asked. docs/decisions/0055 has what remains, and the measurements.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise

from sn37.domain.ids import Hotkey
from sn37.domain.samples import Sample

MAX_SIGNER_ROWS = 20_000  # that are compared; a draw has some hundreds, of all signers together

# Nearly equal are texts whose shingles, runs of SHINGLE words, are the same for the most part:
# at least ALIKE of those that either has. One word more in a hundred leaves 0.96.
SHINGLE = 4
ALIKE = 0.7
MIN_WORDS = 12  # with fewer one word changes half of the shingles: only equal texts are repeats
MAX_WORDS = 1000  # from the beginning; longer texts that begin alike for so long are alike
# A sketch has the least hash of each of BINS parts of the shingles (one permutation hashing, Li,
# Owen and Zhang, 2012): the share of equal ones estimates the share of equal shingles, within .06
# at ALIKE. Rows with BAND equal ones in a row are compared: 97 % of those that are alike by .7,
# and 99.98 % by .8.
BINS = 64
BAND = 4
# Of the rows with one band the last ones are compared, so that nobody makes a reader slow. Rows
# come in the order of a keyed hash: each repeat that is to slip through needs so many other rows.
RECENT = 8

EQUAL = "the text of another row of its signer"
NEARLY = "nearly the text of another row of its signer"
BEYOND = f"beyond the first {MAX_SIGNER_ROWS:,} rows of its signer"
HELD = "the text of a signer with fewer rows"

# Scripts without spaces between words: each letter is one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_NONE = 2**64 - 1  # of a bin without shingles
_ODD, _ODD_2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_EMPTY_BAND = array("Q", [_NONE] * BAND).tobytes()
_MAX_VOCABULARY = 200_000


def repeats(samples: Iterable[Sample], *, salt: str = "") -> dict[str, str]:
    """The rows that do not count: why, by row id.

    The texts that are left to a signer's name may change with the rows of others, but never which
    texts the pool has: each one that somebody signed stays under some name. Unsigned rows are
    taken for one writer's, and only equal ones for repeats.

    Linear in the number of words: a million take a second and a half.

    Args:
        salt: A key for all hashes, such as a block hash that nobody knew when the rows were made.
    """
    by_signer: defaultdict[Hotkey | None, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_signer[sample.provenance.signer].append(sample)
    sketcher, found = _Sketcher(salt), dict[str, str]()
    _distinct(by_signer.pop(None, ()), None, sketcher, found)
    holders: defaultdict[bytes, list[tuple[Hotkey, str]]] = defaultdict(list)
    num_rows: dict[Hotkey, int] = {}
    for signer, rows in by_signer.items():
        assert signer is not None
        left = _distinct(rows, _Near(), sketcher, found)
        num_rows[signer] = len(left)
        for text, row_id in left.items():
            holders[text].append((signer, row_id))
    for text, held in holders.items():
        if len(held) > 1:
            first = min(held, key=lambda h: (num_rows[h[0]], sketcher.hashed(text, h[0])))
            found |= {row_id: HELD for signer, row_id in held if signer != first[0]}
    return found


def text_key(sample: Sample) -> bytes:
    """The same for texts that differ in case, white space, Unicode form or order of the choices."""
    parts = (sample.prompt, sample.reference, *sorted(map(normal, sample.choices)))
    return blake2b("\0".join(map(normal, parts)).encode(), digest_size=16).digest()


def normal(text: str) -> str:
    """A text in lower case and canonical form, with single spaces and nothing invisible."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    return " ".join(text.casefold().split())


def _distinct(
    rows: Iterable[Sample], near: _Near | None, sketcher: _Sketcher, found: dict[str, str]
) -> dict[bytes, str]:
    """What is left of one signer's rows, by text; the others are added to ``found``."""
    left: dict[bytes, str] = {}
    for sample in sorted(rows, key=lambda s: sketcher.hashed(b"", s.provenance.row_id)):
        row_id, text = sample.provenance.row_id, text_key(sample)
        if text in left:
            found[row_id] = EQUAL
        elif near is None:
            left[text] = row_id
        elif len(left) >= MAX_SIGNER_ROWS:
            found[row_id] = BEYOND
        elif near.has_alike(sketcher.sketch(sample)):
            found[row_id] = NEARLY
        else:
            left[text] = row_id
    return left


class _Near:
    """The rows so far, by the bands of their sketches."""

    def __init__(self) -> None:
        self._by_band: dict[tuple[int, bytes], deque[array[int]]] = {}

    def has_alike(self, sketch: array[int] | None) -> bool:
        """Whether a row so far is nearly equal; if none is, this one is remembered."""
        if sketch is None:
            return False
        bands = tuple(_bands(sketch))
        seen = {id(other): other for b in bands for other in self._by_band.get(b, ())}
        if any(likeness(sketch, other) >= ALIKE for other in seen.values()):
            return True
        for band in bands:
            self._by_band.setdefault(band, deque(maxlen=RECENT)).append(sketch)
        return False


class _Sketcher:
    """Hashes and sketches under one key."""

    def __init__(self, salt: str) -> None:
        self._key = blake2b(f"sn37/repeats/1|{salt}".encode()).digest()
        self._vocabulary = _Vocabulary(self._key)

    def hashed(self, text: bytes, name: str) -> bytes:
        return blake2b(text + name.encode(), digest_size=16, key=self._key).digest()

    def sketch(self, sample: Sample) -> array[int] | None:
        """Of what is scored, with its prompt where that is short; ``None`` for too few words."""
        words = _words(sample.reference) if not sample.choices else []
        if len(words) < MIN_WORDS:
            words = _words(" ".join((sample.prompt, sample.reference, *sample.choices)))
        if len(words) < MIN_WORDS:
            return None
        if len(self._vocabulary) > _MAX_VOCABULARY:
            self._vocabulary.clear()
        hashes = list(map(self._vocabulary.__getitem__, words))
        pairs = [(v * _ODD + w) & _NONE for v, w in pairwise(hashes)]
        shingles = [(v * _ODD_2 + w) & _NONE for v, w in zip(pairs, pairs[2:], strict=False)]
        shingles.sort(reverse=True)
        least = {shingle >> 58: shingle for shingle in shingles}  # by bin: the last one stays
        return array("Q", [least.get(place, _NONE) for place in range(BINS)])


class _Vocabulary(dict[str, int]):
    """A number of 64 bits for each word."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __missing__(self, word: str) -> int:
        number = int.from_bytes(blake2b(word.encode(), digest_size=8, key=self._key).digest())
        self[word] = number
        return number


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """The estimated share of shingles that two texts have in common, of all that either has."""
    pairs = [(x, y) for x, y in zip(one, other, strict=True) if min(x, y) != _NONE]
    return sum(x == y for x, y in pairs) / len(pairs)


def _bands(sketch: array[int]) -> Iterator[tuple[int, bytes]]:
    raw, length = sketch.tobytes(), BAND * sketch.itemsize
    for first in range(0, len(raw), length):
        if (band := raw[first : first + length]) != _EMPTY_BAND:
            yield first, band


def _words(text: str) -> list[str]:
    return _WORD.findall(normal(text))[:MAX_WORDS]
