"""The samples of one read: each text once, and no signer beyond its share of a full pool."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import sha256

from sn37.domain.data.repeats import repeats
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.data.vetting import MAX_POOL_BYTES
from sn37.domain.ids import Hotkey


class Unfit(ValueError):
    """A row that is left out; the message is what such rows are counted under."""


class KeptSamples:
    """Takes samples in any order and makes a pool of them.

    Of a signer with more text than its part of the room only some rows are kept, which are
    the same ones for every reader. ``left_out`` counts the rows that are not, by reason, and
    is for the reader's own reasons too.

    Args:
        salt: Of the request.
    """

    def __init__(self, num_signers: int, *, salt: str = "") -> None:
        self._salt = salt
        self.left_out: Counter[str] = Counter()
        self._room = MAX_POOL_BYTES // max(1, num_signers)
        self._samples: defaultdict[Hotkey | None, list[Sample]] = defaultdict(list)
        self._sizes: Counter[Hotkey | None] = Counter()

    def add(self, sample: Sample) -> None:
        """Its row id is new, its time is known, and its texts are such as ``is_text`` takes."""
        signer = sample.provenance.signer
        samples = self._samples[signer]
        samples.append(sample)
        self._sizes[signer] += _num_characters(sample)
        if self._sizes[signer] > 2 * self._room:  # seldom, since it sorts
            self._samples[signer] = self._most(samples)
            self._sizes[signer] = sum(map(_num_characters, self._samples[signer]))

    def pool(self) -> Pool:
        """What was kept, ordered by row id, without repeats (``domain.repeats``)."""
        kept: list[Sample] = []
        for signer, samples in self._samples.items():
            kept += samples if self._sizes[signer] <= self._room else self._most(samples)
        found = repeats(kept, salt=self._salt)
        self.left_out.update(f"with {why}" for why in found.values())
        distinct = (s for s in kept if s.provenance.row_id not in found)
        return Pool(tuple(sorted(distinct, key=lambda s: s.provenance.row_id)), is_distinct=True)

    def told(self) -> str:
        """What was left out, for a line of the log; begins with a comma."""
        return "".join(f", {count} {why}" for why, count in sorted(self.left_out.items()) if count)

    def _most(self, samples: list[Sample]) -> list[Sample]:
        """As many of a signer's rows as there is room for.

        By a hash of the row id, so that other rows, read later or by others, change little.
        """
        room, kept = self._room, []
        for sample in sorted(samples, key=_rank):
            room -= _num_characters(sample)
            if room < 0:
                break
            kept.append(sample)
        self.left_out["beyond their signer's share"] += len(samples) - len(kept)
        return kept


def is_text(text: str) -> bool:
    """Whether it can be stored, and digests taken of it."""
    if "\0" in text:
        return False
    try:
        # JSON may hold half of a surrogate pair, which cannot be encoded.
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _num_characters(sample: Sample) -> int:
    # Where these are stored they are at least as many bytes, which ``vet`` counts.
    return len(sample.prompt) + len(sample.reference) + sum(map(len, sample.choices))


def _rank(sample: Sample) -> bytes:
    return sha256(sample.provenance.row_id.encode()).digest()
