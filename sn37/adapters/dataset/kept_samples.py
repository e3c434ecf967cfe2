"""The samples of one read: each text once, and no signer beyond his share of a full pool."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from hashlib import sha256

from sn37.domain.collected import MAX_POOL_BYTES
from sn37.domain.ids import Digest, Hotkey
from sn37.domain.samples import Pool, Sample


class Unfit(ValueError):
    """A row that is left out; the message is what such rows are counted under."""


class KeptSamples:
    """Takes samples in any order and makes a pool of them.

    Of a signer who has more text than his part of the room only some rows are kept, which are
    the same ones for every reader. ``left_out`` counts the rows that are not, by reason, and
    is for the reader's own reasons too.
    """

    def __init__(self, num_signers: int) -> None:
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
        """What was kept, ordered by row id; of equal texts the earliest row counts."""
        kept: list[Sample] = []
        for signer, samples in self._samples.items():
            kept += samples if self._sizes[signer] <= self._room else self._most(samples)
        first: dict[Digest, Sample] = {}  # by content, of which the draw needs the hash too
        for sample in kept:
            known = first.setdefault(sample.content_hash, sample)
            if known is not sample and _age(sample) < _age(known):
                first[sample.content_hash] = sample
        self.left_out["repeated"] += len(kept) - len(first)
        return Pool(tuple(sorted(first.values(), key=lambda s: s.provenance.row_id)))

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


def _age(sample: Sample) -> tuple[datetime, str]:
    written = sample.provenance.produced_at
    assert written is not None
    return written, sample.provenance.row_id
