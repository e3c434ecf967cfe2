"""Samples kept from one read: each text once, and from each signer at most its share."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import sha256

from sn37.domain.data.repeats import repeats
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.data.vetting import MAX_POOL_BYTES
from sn37.domain.ids import Hotkey


class Unfit(ValueError):
    """A row that is left out; the message is the reason under which it is counted."""


class KeptSamples:
    """Collects samples in any order and makes a pool of them.

    A signer with more text than its share keeps only some rows, which are the same for every
    reader. ``left_out`` counts the rows that are left out, by reason; the caller may add its
    own reasons.

    Args:
        num_signers: Number of signers that share the space of a pool.
        salt: Of the request.
    """

    def __init__(self, num_signers: int, *, salt: str = "") -> None:
        self._salt = salt
        self.left_out: Counter[str] = Counter()
        self._room = MAX_POOL_BYTES // max(1, num_signers)
        self._samples: defaultdict[Hotkey | None, list[Sample]] = defaultdict(list)
        self._sizes: Counter[Hotkey | None] = Counter()

    def add(self, sample: Sample) -> None:
        """Add a sample with a new row id, a known time and texts that ``is_text`` accepts."""
        signer = sample.provenance.signer
        samples = self._samples[signer]
        samples.append(sample)
        self._sizes[signer] += _num_characters(sample)
        if self._sizes[signer] > 2 * self._room:  # seldom, since it sorts
            self._samples[signer] = self._most(samples)
            self._sizes[signer] = sum(map(_num_characters, self._samples[signer]))

    def pool(self) -> Pool:
        """Return the kept samples by row id, without repeats (``domain.data.repeats``)."""
        kept: list[Sample] = []
        for signer, samples in self._samples.items():
            kept += samples if self._sizes[signer] <= self._room else self._most(samples)
        found = repeats(kept, salt=self._salt)
        self.left_out.update(f"with {why}" for why in found.values())
        distinct = (s for s in kept if s.provenance.row_id not in found)
        return Pool(tuple(sorted(distinct, key=lambda s: s.provenance.row_id)), is_distinct=True)

    def told(self) -> str:
        """Return the counts of left out rows for a log line; begins with a comma."""
        return "".join(f", {count} {why}" for why, count in sorted(self.left_out.items()) if count)

    def _most(self, samples: list[Sample]) -> list[Sample]:
        """Return as many of a signer's rows as its share has room for.

        Chosen by a hash of the row id, so that additional rows change little.
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
    """True if the text can be stored and hashed."""
    if "\0" in text:
        return False
    try:
        # JSON may contain half of a surrogate pair, which cannot be encoded.
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _num_characters(sample: Sample) -> int:
    # The texts have at least as many bytes where they are stored; ``vet`` counts these.
    return len(sample.prompt) + len(sample.reference) + sum(map(len, sample.choices))


def _rank(sample: Sample) -> bytes:
    return sha256(sample.provenance.row_id.encode()).digest()
