"""Samples: text to score, its provenance, and the requests for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from operator import attrgetter

from sn37.domain.ids import Digest, Hotkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Provenance of a sample."""

    row_id: str  # unique within its source, and the same for all readers
    produced_at: datetime | None = None  # timezone-aware UTC; None for a source without time
    signer: Hotkey | None = None
    stratum: str | None = None  # draws are spread over strata, such as "multi_choice/physics"

    def __post_init__(self) -> None:
        if self.produced_at is not None and self.produced_at.tzinfo is None:
            raise ValueError(f"row {self.row_id}: produced_at must be timezone-aware")


class _Hashed:
    """Base class with a slot for a cached hash, which is not a field of the value."""

    __slots__ = ("_content_hash",)
    _content_hash: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(_Hashed):
    """A prompt and the continuation whose loss is measured, both plain text.

    For text loss the prompt is empty. For a multiple-choice question the prompt is the question
    only, ``choices`` are the options in the source's order, without their letters, and
    ``reference`` is the text of the right one. A scorer may reorder the options.

    Raises:
        ValueError: There are choices, but fewer than two, two equal ones, or not the reference.
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

        So an edited row is another row.
        """
        try:
            return self._content_hash
        except AttributeError:
            self.content()
            return self._content_hash

    def content(self) -> bytes:
        """Return the bytes under the hash, in UTF-8; also cache the hash."""
        content = "\0".join((self.prompt, self.reference, *self.choices)).encode()
        object.__setattr__(self, "_content_hash", Digest(sha256(content).hexdigest()))
        return content


class EmptyWindow(ValueError):
    """The window is empty: the chain had halted, or the limits contradict each other."""


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
    """Request to a live source for every row of the window by a trusted signer.

    ``trusted`` is ``None`` when the source has no signers. ``salt`` is a block hash that did not
    exist when the rows were written. It keys choices among them, so nobody can prepare for these.
    """

    window: TimeWindow
    trusted: frozenset[Hotkey] | None = None
    salt: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Pool:
    """Rows that a draw may choose from, frozen before the draw's seed exists.

    Raises:
        ValueError: Two samples share a row id.
    """

    samples: tuple[Sample, ...]
    # True if the signers' own repeats were removed, with the request's salt.
    is_distinct: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if len({s.provenance.row_id for s in self.samples}) != len(self.samples):
            raise ValueError("a row appears twice in the pool")

    def __repr__(self) -> str:
        # asyncio prints the repr of a finished task's result, which may be a gigabyte of text.
        return f"Pool({len(self.samples)} samples)"

    def by_row_id(self) -> Pool:
        """Return the same rows, ordered by row id."""
        ordered = tuple(sorted(self.samples, key=attrgetter("provenance.row_id")))
        return self if ordered == self.samples else Pool(ordered, self.is_distinct)

    def within(self, window: TimeWindow) -> Pool:
        """Return the rows produced inside ``window``, without those that have no time."""
        since, until = window.since, window.until
        return Pool(
            tuple(
                s
                for s in self.samples
                if (t := s.provenance.produced_at) is not None and since <= t < until
            )
        )
