"""What a dataset yields: text to score, and where each piece came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from operator import attrgetter

from sn37.domain.ids import Digest, Hotkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a sample came from."""

    row_id: str  # unique within its source, and stable: two readers name a row alike
    produced_at: datetime | None = None  # timezone-aware UTC; None for a source without time
    signer: Hotkey | None = None
    stratum: str | None = None  # what a draw is spread over, as "multi_choice/physics"

    def __post_init__(self) -> None:
        if self.produced_at is not None and self.produced_at.tzinfo is None:
            raise ValueError(f"row {self.row_id}: its time must be timezone-aware")


class _Hashed:
    """Room for a hash that is asked for again and again, beside the fields of a value."""

    __slots__ = ("_content_hash",)
    _content_hash: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(_Hashed):
    """A prompt and the continuation whose loss is measured, both plain text.

    For text loss the prompt is empty. Of a multiple-choice question the prompt is the question
    alone, ``choices`` are the options as the source ordered them, without their letters, and
    ``reference`` is the right one's text: whoever scores it may put them in any order.

    Raises:
        ValueError: There are choices, but fewer than two, two alike, or not the reference.
    """

    prompt: str
    reference: str
    provenance: Provenance
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices:
            return
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"row {self.provenance.row_id}: fewer than two different choices")
        if self.reference not in self.choices:
            raise ValueError(f"row {self.provenance.row_id}: the reference is not a choice")

    @property
    def content_hash(self) -> Digest:
        """Hex sha256 of prompt, reference and choices, with NUL between them.

        An edited row is another row.
        """
        try:
            return self._content_hash
        except AttributeError:
            self.content()
            return self._content_hash

    def content(self) -> bytes:
        """What the hash is of, in UTF-8. To make it is half of hashing it: that is done as well."""
        content = "\0".join((self.prompt, self.reference, *self.choices)).encode()
        object.__setattr__(self, "_content_hash", Digest(sha256(content).hexdigest()))
        return content


class EmptyWindow(ValueError):
    """No moment lies inside; the chain stood still, or the limits contradict each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """Half-open UTC interval ``[since, until)``, in chain time."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("window bounds must be timezone-aware")
        if self.since >= self.until:
            raise EmptyWindow(f"empty window: {self.since} >= {self.until}")

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRequest:
    """What a live source is asked for: every row of the window by a trusted signer.

    ``trusted`` is ``None`` when the source has no signers. ``salt`` is a block hash that did not
    exist when the rows were written: a key for choices among them that nobody can prepare for.
    """

    window: TimeWindow
    trusted: frozenset[Hotkey] | None = None
    salt: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Pool:
    """The rows a draw may choose from, frozen before the draw's seed exists.

    Raises:
        ValueError: Two samples share a row id.
    """

    samples: tuple[Sample, ...]
    # Whether what signers repeat of themselves has been taken out, with the request's salt.
    is_distinct: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if len({s.provenance.row_id for s in self.samples}) != len(self.samples):
            raise ValueError("a row appears twice in the pool")

    def __repr__(self) -> str:
        # asyncio spells out the result of a finished task, which may be a gigabyte of text.
        return f"Pool({len(self.samples)} samples)"

    def by_row_id(self) -> Pool:
        """The same rows, ordered by row id."""
        ordered = tuple(sorted(self.samples, key=attrgetter("provenance.row_id")))
        return self if ordered == self.samples else Pool(ordered, self.is_distinct)

    def within(self, window: TimeWindow) -> Pool:
        """The rows produced inside ``window``; rows without a time are left out."""
        since, until = window.since, window.until
        return Pool(
            tuple(
                s
                for s in self.samples
                if (t := s.provenance.produced_at) is not None and since <= t < until
            )
        )
