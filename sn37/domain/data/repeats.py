"""Removal of repeated texts: each text counts once, for one signer.

When a pool is read, a signer's equal texts and then its nearly equal texts are removed. That
depends on its own rows alone. When rows are drawn, equal texts of several signers count for the
signer with the fewest rows, so a signer that copies the rows of all others gains no place. Times
do not matter. docs/decisions/0055 has the measurements and what remains possible.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise

from sn37.domain.data.samples import Sample
from sn37.domain.data.unicode_form import composed
from sn37.domain.ids import Hotkey

MAX_SIGNER_ROWS = 20_000  # compared per signer; a draw has some hundreds, of all signers

# Texts are nearly equal if most of their shingles (runs of SHINGLE words) are the same: at least
# the share ALIKE of all shingles of both. One more word in a hundred leaves 0.96.
SHINGLE = 4
ALIKE = 0.7
MIN_WORDS = 12  # with fewer, one word changes half of the shingles: only equal texts are repeats
MAX_WORDS = 1000  # from the beginning; longer texts with an equal beginning count as nearly equal
# A sketch has the smallest hash of each of BINS parts of the shingles (one permutation hashing, Li,
# Owen and Zhang, 2012). The share of equal hashes estimates the share of equal shingles, within .06
# at ALIKE. Rows with BAND equal hashes in a row are compared: 97 % of the pairs with .7 of the
# shingles in common, and 99.98 % of those with .8.
BINS = 64
BAND = 4
# Only the last rows with the same band are compared, so that nobody can make a reader slow. To
# hide a repeat, a signer needs this many other rows between it and the original.
RECENT = 8

EQUAL = "the text of another row of its signer"
NEARLY = "nearly the text of another row of its signer"
BEYOND = f"beyond the first {MAX_SIGNER_ROWS:,} rows of its signer"

# In scripts without spaces between words each letter counts as a word.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
# Characters that Unicode calls default ignorable: they are invisible.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_NONE = 2**64 - 1  # value of a bin without shingles
_ODD, _ODD_2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_EMPTY_BAND = array("Q", [_NONE] * BAND).tobytes()
_MAX_VOCABULARY = 200_000


def repeats(samples: Iterable[Sample], *, salt: str = "") -> dict[str, str]:
    """Return the rows that repeat another row of their own signer: row id to reason.

    The newer one of two such rows stays. So if one of them is in a window that begins later, the
    one that stays is. Unsigned rows count as rows of one writer, and only equal texts of them as
    repeats.

    Time is linear in the number of words: a million take two seconds.

    Args:
        salt: A key for all hashes, such as a block hash that nobody knew when the rows were made.
    """
    by_signer: defaultdict[Hotkey | None, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_signer[sample.provenance.signer].append(sample)
    sketcher, found = _Sketcher(salt), dict[str, str]()
    for signer, rows in by_signer.items():
        _add_repeats(rows, None if signer is None else _Near(), sketcher, found)
    return found


def held_elsewhere(samples: Sequence[Sample], *, key: str) -> frozenset[str]:
    """Return the ids of the rows whose text counts for another signer, with fewer rows.

    Every signed text still counts for exactly one signer. So call this after the window is cut:
    a text must not count for a row that the cut removes. Within a signer's rows each text must
    be unique (``repeats``).

    Args:
        key: Between signers with equally many rows, a hash of it, the text and the hotkey decides.
    """
    num_rows = Counter(s.provenance.signer for s in samples)
    holders: defaultdict[bytes, list[tuple[Hotkey, str]]] = defaultdict(list)
    if len(num_rows.keys() - {None}) > 1:
        for sample in samples:
            if (signer := sample.provenance.signer) is not None:
                holders[text_key(sample)].append((signer, sample.provenance.row_id))
    begun = blake2b(f"sn37/held/1|{key}|".encode()).digest()
    found: set[str] = set()
    for text, held in holders.items():
        if len(held) > 1:
            first = min(held, key=lambda h: (num_rows[h[0]], _keyed(begun, text, h[0]), h[1]))
            found |= {row_id for _, row_id in held} - {first[1]}
    return frozenset(found)


def text_key(sample: Sample) -> bytes:
    """Return a key that ignores case, white space, Unicode form and the order of choices."""
    parts = (sample.prompt, sample.reference, *sorted(map(normal, sample.choices)))
    return blake2b("\0".join(map(normal, parts)).encode(), digest_size=16).digest()


def normal(text: str) -> str:
    """Return a text in lower case and canonical form, with single spaces, nothing invisible."""
    if not text.isascii():
        text = composed(_INVISIBLE.sub("", composed(text)))
    return " ".join(text.casefold().split())


def _add_repeats(
    rows: Iterable[Sample], near: _Near | None, sketcher: _Sketcher, found: dict[str, str]
) -> None:
    """Add the repeats among one signer's rows to ``found``."""
    texts: set[bytes] = set()
    for sample in sorted(rows, key=sketcher.newest_first):
        row_id, text = sample.provenance.row_id, text_key(sample)
        if text in texts:
            found[row_id] = EQUAL
        elif near is None:
            texts.add(text)
        elif len(texts) >= MAX_SIGNER_ROWS:
            found[row_id] = BEYOND
        elif near.has_alike(sketcher.sketch(sample)):
            found[row_id] = NEARLY
        else:
            texts.add(text)


def _keyed(key: bytes, text: bytes, name: str) -> bytes:
    return blake2b(text + name.encode(), digest_size=16, key=key).digest()


class _Near:
    """Index of the rows so far, by the bands of their sketches."""

    def __init__(self) -> None:
        self._by_band: dict[tuple[int, bytes], deque[array[int]]] = {}

    def has_alike(self, sketch: array[int] | None) -> bool:
        """True if an earlier row is nearly equal; if none is, remember this one."""
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
    """Maker of hashes and sketches under one key."""

    def __init__(self, salt: str) -> None:
        self._key = blake2b(f"sn37/repeats/1|{salt}".encode()).digest()
        self._vocabulary = _Vocabulary(self._key)

    def newest_first(self, sample: Sample) -> tuple[float, bytes]:
        """Return a sort key for one signer's rows, the newest row first."""
        origin = sample.provenance
        written = 0.0 if origin.produced_at is None else origin.produced_at.timestamp()
        return -written, _keyed(self._key, b"", origin.row_id)

    def sketch(self, sample: Sample) -> array[int] | None:
        """Return the sketch of the scored text, with the prompt if it is short.

        ``None`` for too few words.
        """
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
    """64-bit number of each word."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __missing__(self, word: str) -> int:
        number = int.from_bytes(blake2b(word.encode(), digest_size=8, key=self._key).digest())
        self[word] = number
        return number


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the estimated share of common shingles among all shingles of two texts."""
    pairs = [(x, y) for x, y in zip(one, other, strict=True) if min(x, y) != _NONE]
    return sum(x == y for x, y in pairs) / len(pairs)


def _bands(sketch: array[int]) -> Iterator[tuple[int, bytes]]:
    raw, length = sketch.tobytes(), BAND * sketch.itemsize
    for first in range(0, len(raw), length):
        if (band := raw[first : first + length]) != _EMPTY_BAND:
            yield first, band


def _words(text: str) -> list[str]:
    return WORD.findall(normal(text))[:MAX_WORDS]
