"""Facts of a round for its row: plain values, read from the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sn37.domain.ids import Block, CompetitionId, EntryKey, Uid
from sn37.domain.round.state import TaskScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Cost of scoring one entry."""

    seconds: float  # wall-clock time
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """An entry against the champion before the round, on all samples of both up to this round."""

    gain: float | None  # 0.05: its loss is 5 % lower
    error: float | None  # one standard error of ``gain``
    evidence: float | None  # natural logarithm of the e-value
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """One entry of a round. Texts are printable and bounded; numbers are finite or ``None``."""

    key: EntryKey
    uid: Uid | None  # at the sync block; ``None`` if it was not recorded
    repo: str
    revision: str
    verdict: str
    reason: str  # code; empty if there is none
    score: float | None
    num_samples: int
    tasks: tuple[TaskScore, ...]
    challenge: Challenge | None  # ``None`` for the champion, and where it is not known
    margin: float | None  # by which it would have to be beaten if it were champion
    standing: float  # share of the competition after the round
    weight: float | None  # in the newest weights; ``None`` if none were set yet
    timing: Timing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFacts:
    """A finished round. ``entries`` are in the order of the round's table."""

    competition: CompetitionId
    name: str
    sync_block: Block
    sync_hash: str
    at: datetime | None  # time of the sync block
    status: str  # finished, missed, scored later, not recorded
    why_missed: str
    champion: EntryKey | None  # after the round
    before: EntryKey | None  # champion before it
    margin: float | None  # to beat the champion before the round
    needed: float  # evidence that crowns, as in ``Challenge.evidence``
    entries: tuple[EntryFacts, ...]
    wins: tuple[int | None, ...]  # entries that each beats, as existing validators count
