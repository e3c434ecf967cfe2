"""Reading a validator's record while the validator runs, for pages.

A page is one snapshot: it sees one state of the record, and it never delays the validator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sn37.domain.ids import CompetitionId, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryOutcome,
    EntryResult,
    RoundPlan,
    RoundResult,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundUnderWay:
    """A round that is open, and how far its scoring is."""

    row: int
    plan: RoundPlan  # without its draws
    outcomes: Mapping[EntryKey, EntryOutcome]
    num_blocks: Mapping[EntryKey, int]  # journalled blocks of samples, also of finished entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Facts of the newest statement: who keeps this record, and by which program and rules."""

    validator: Hotkey
    code_version: str
    schedule_fingerprint: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """One entry of a finished round, and its place among the others."""

    entry: EntryResult
    index: int  # in ``RoundResult.entries``
    num_scored: int  # entries of the round that were scored


class RecordSnapshot(Protocol):
    """One state of the record. Rows number the rounds in the order in which they were begun.

    Each method may raise ``StateUnreadable`` or ``StateUnavailable``.
    """

    def finished(self, *, after: int, limit: int) -> Sequence[int]:
        """Return the rows of finished rounds beyond ``after``, in order."""
        ...

    def newest_judged(self, competition: CompetitionId) -> int | None:
        """Return the row of the newest finished round that was not missed, if there is one."""
        ...

    def result(self, row: int) -> RoundResult:
        """Return the result of a finished round.

        Raises:
            LookupError: The row is not of a finished round.
        """
        ...

    def entry(self, row: int, key: EntryKey) -> ListedEntry | None:
        """Return one entry of a finished round; much cheaper than the whole round."""
        ...

    def under_way(self) -> Sequence[RoundUnderWay]:
        """Return the open rounds, the oldest first."""
        ...

    def plan(self, round_: RoundKey) -> RoundPlan | None:
        """Return the plan of an opened round without its draws, ``None`` if it has none."""
        ...

    def signers(self, row: int) -> SampleSigners | None:
        """Return who signed a round's samples; ``None`` if that was not recorded."""
        ...

    def drawn(self, round_: RoundKey) -> Sequence[DrawnRows]:
        """Return the draws of an opened round, in the order of its tasks."""
        ...

    def losses(self, row: int, entry: EntryKey) -> Sequence[BlockLosses]:
        """Return an entry's losses in a round, open or finished, in the order of scoring."""
        ...

    def receipt_keys(self, round_: RoundKey) -> Sequence[EntryKey]:
        """Return the entries of a round that have a receipt, in the order of scoring."""
        ...

    def receipt(self, round_: RoundKey, entry: EntryKey) -> SignedReceipt | None:
        """Return the receipt of one entry, if it has one."""
        ...

    def statement(self, round_: RoundKey) -> SignedReceipt | None:
        """Return the statement on a finished round, if there is one."""
        ...

    def signed(self) -> Signed | None:
        """Return the facts of the newest statement; ``None`` before the first one."""
        ...

    def submission(self, key: EntryKey) -> Submission | None:
        """Return one submission, if it is recorded."""
        ...

    def submissions_of(self, hotkey: Hotkey, *, limit: int) -> Sequence[Submission]:
        """Return the newest submissions of a hotkey, the newest first."""
        ...

    def newest_submissions(
        self, competition: CompetitionId | None, *, skip: int, limit: int
    ) -> Sequence[Submission]:
        """Return submissions, the newest first; of one competition, or of all."""
        ...

    def num_submissions(self, competition: CompetitionId | None) -> int:
        """Return the number of submissions; of one competition, or of all."""
        ...

    def search(self, text: str, *, limit: int) -> Sequence[Submission]:
        """Return the newest submissions whose hotkey or repository contains ``text``."""
        ...

    def weights(self, *, limit: int) -> Sequence[WeightsRecord]:
        """Return the newest weights, the newest first."""
        ...

    def beginning(self) -> Beginning | None:
        """Return how the record began; ``None`` in records of older versions."""
        ...


class RecordReader(Protocol):
    """Opens snapshots of one validator's record. Safe to use from several threads."""

    def snapshot(self) -> AbstractContextManager[RecordSnapshot]:
        """Open a snapshot for one page.

        Raises:
            StateUnavailable: There is no record, or it cannot be read now.
            StateUnreadable: It is damaged, or of another version.
        """
        ...

    def stamp(self) -> str:
        """Return a text that changes with every change of the record; costs next to nothing."""
        ...

    def identity(self) -> str:
        """Return a text that changes when another record takes the place of this one."""
        ...
