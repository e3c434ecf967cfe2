"""Vetting of the rows that a source returns, before they enter a pool."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from hashlib import sha256
from math import log2

from sn37.domain.data.deviations import limit, limits_for
from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.ids import Hotkey

# Three times the text of the longest context among the competitions. More would not be scored,
# and would overload a page or a database.
MAX_CHARACTERS = 200_000  # per row, all its texts together
MAX_NAME_CHARACTERS = 500
MAX_POOL_BYTES = 2**29  # of ASCII JSON: the store allows a gigabyte, and memory holds copies

# The smallest units of deviations. Without them, in a pool whose rows hardly differ any other row
# would be an outlier.
LEAST_LENGTH_UNIT = 0.5  # doublings of the length
LEAST_REPETITION_UNIT = 0.05  # share of the text
CHUNK = 8  # characters

MOST_OF_A_BYTE = 6  # a byte of UTF-8 becomes at most this many bytes of JSON
_PLAIN = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))  # unchanged in JSON


class ContractBroken(ValueError):
    """The source returned rows that break its contract; the message names the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Rows that were left out of a pool for one reason."""

    why: str
    row_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A pool ordered by row id, and the rows that were left out of it."""

    pool: Pool
    set_aside: tuple[SetAside, ...] = ()

    def without(self, suspects: Mapping[str, str]) -> Collected:
        """Return the same without ``suspects``, row id to reason; unknown ids are ignored."""
        kept = tuple(s for s in self.pool.samples if s.provenance.row_id not in suspects)
        found = (
            (s.provenance.row_id, suspects[s.provenance.row_id])
            for s in self.pool.samples
            if s.provenance.row_id in suspects
        )
        return Collected(pool=Pool(kept), set_aside=self.set_aside + _by_reason(found))


def vet(pool: Pool, request: PoolRequest) -> Collected:
    """Set aside rows that cannot be stored or scored, and order the rest by row id.

    Raises:
        ContractBroken: A row was not requested.
    """
    faults: dict[str, str] = {}
    sizes: Counter[Hotkey | None] = Counter()
    for sample in pool.samples:
        _require_asked_for(sample, request)
        why, size = look_at(sample)
        sizes[sample.provenance.signer] += size
        if why is not None:
            faults[sample.provenance.row_id] = why
    room = MAX_POOL_BYTES // max(1, len(request.trusted or ()))
    # Each signer has a fixed part, so a flood of one signer costs the others no rows.
    if beyond := {signer for signer, size in sizes.items() if size > room}:
        sound = [s for s in pool.samples if s.provenance.row_id not in faults]
        theirs = (s for s in sound if s.provenance.signer in beyond)  # rare, so look again
        faults |= _beyond_room(((s, look_at(s)[1]) for s in theirs), room)
    ordered = pool.by_row_id()
    return Collected(pool=ordered).without(faults) if faults else Collected(pool=ordered)


def _beyond_room(sizes: Iterable[tuple[Sample, int]], room: int) -> dict[str, str]:
    """Return rows to leave out of signers with more text than their part of the store.

    A hash chooses the rows, so one row more or fewer changes little. A signer that floods the
    store loses only its own rows.
    """
    left: defaultdict[Hotkey | None, int] = defaultdict(lambda: room)
    beyond: dict[str, str] = {}
    for sample, size in sorted(sizes, key=lambda row: sha256(_row_id(row[0]).encode()).digest()):
        signer = sample.provenance.signer
        left[signer] -= size
        if left[signer] < 0:
            beyond[sample.provenance.row_id] = "more text than its signer's part of the store"
    return beyond


def vet_draw(samples: tuple[Sample, ...], count: int) -> tuple[Sample, ...]:
    """Check and return the samples of a static source, none of which may be set aside.

    Raises:
        ContractBroken: There are more or fewer than ``count``, or one cannot be scored.
    """
    if len({s.provenance.row_id for s in samples}) != count or len(samples) != count:
        raise ContractBroken(f"{len(samples)} samples, not {count} distinct ones")
    for sample in samples:
        why, _ = look_at(sample)
        if why is not None:
            raise ContractBroken(f"row {sample.provenance.row_id!r} has {why}")
    return samples


def outliers(samples: Iterable[Sample], *, max_deviations: float) -> dict[str, str]:
    """Return rows that are far longer or far more repetitive than others: row id to reason.

    Length is measured in doublings. Repetition is the share of a text's chunks of 8 characters
    that occurred before: almost 0 in prose, almost 1 in a text that repeats itself.

    The limits are those of ``deviations.limits_for``: a signer's row is set aside beyond the second
    highest limit of the other signers.
    """
    rows = tuple(samples)
    signers = [s.provenance.signer for s in rows]
    found: dict[str, str] = {}
    for name, values, least_unit in (
        ("length", [_length(s) for s in rows], LEAST_LENGTH_UNIT),
        ("repetition", [_repetition(s) for s in rows], LEAST_REPETITION_UNIT),
    ):
        limit_of = partial(limit, max_deviations=max_deviations, least_unit=least_unit)
        limits = limits_for(signers, values, limit_of)
        for sample, value, highest in zip(rows, values, limits, strict=True):
            if value > highest:
                found.setdefault(sample.provenance.row_id, f"outlier by {name}")
    return found


def _require_asked_for(sample: Sample, request: PoolRequest) -> None:
    written, signer = sample.provenance.produced_at, sample.provenance.signer
    if written is None:
        fault = "has no time"
    elif written not in request.window:
        fault = f"of {written.isoformat()} lies outside the window"
    elif request.trusted is None or signer in request.trusted:
        return
    else:
        fault = f"is signed by {signer!r}, which is not trusted" if signer else "is unsigned"
    raise ContractBroken(f"row {sample.provenance.row_id!r} {fault}")


def look_at(sample: Sample) -> tuple[str | None, int]:
    """Return a sample's fault, if any, and the most bytes that it takes in the store."""
    origin = sample.provenance
    names = (origin.row_id, origin.stratum or "", origin.signer or "")
    if max(map(len, names)) > MAX_NAME_CHARACTERS:
        return f"a row id, stratum or signer of more than {MAX_NAME_CHARACTERS} characters", 0
    if not _has_utc(sample):
        return "a time that does not exist in UTC", 0
    if not sample.reference:
        return "nothing to score", 0
    # Joining is safe: Python does not combine two surrogate halves that become neighbours.
    text = "".join((*names, sample.prompt, sample.reference, *sample.choices))
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS:,} characters", 0
    if "\0" in text:
        return "a NUL in the text", 0
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair in the text", 0
    return None, len(raw) + (MOST_OF_A_BYTE - 1) * len(raw.translate(None, _PLAIN))


def _has_utc(sample: Sample) -> bool:
    """Return False for a time of a few hours before the year 1 or after the year 9999 in UTC."""
    try:
        if (written := sample.provenance.produced_at) is not None:
            written.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _row_id(sample: Sample) -> str:
    return sample.provenance.row_id


def _length(sample: Sample) -> float:
    return round(log2(1 + len(sample.prompt) + len(sample.reference)), 3)


def _repetition(sample: Sample) -> float:
    text = sample.reference
    chunks = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)]
    return round(1 - len(set(chunks)) / len(chunks), 3)


def _by_reason(found: Iterable[tuple[str, str]]) -> tuple[SetAside, ...]:
    rows: dict[str, list[str]] = {}
    for row_id, why in found:
        rows.setdefault(why, []).append(row_id)
    return tuple(SetAside(why=why, row_ids=tuple(ids)) for why, ids in sorted(rows.items()))
