"""The record of a validator as far as it follows from the rounds that it published.

Crowns are those that its statements name: they are signed, but not derived again, as a cold start
does. Weights, and commitments that were never in a round, are not published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sn37.app.cold_start.offered_round import losses_in
from sn37.app.receipts.files import UnreadableReceipt, read_receipt, read_signed
from sn37.app.receipts.signing import VerifySignature
from sn37.app.receipts.statements import UnreadableStatement, digest_of, read_statement
from sn37.app.replay.rescore import CannotRescore, blocks_of
from sn37.app.rounds.outcomes import entry_result
from sn37.domain.ids import CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.records.statement import RoundStatement
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import (
    Beginning,
    DrawnRows,
    EntryResult,
    RoundPlan,
    RoundResult,
    WeightsRecord,
)
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.errors import OfferRefused
from sn37.ports.receipt_source import PublishedRounds
from sn37.ports.record_reader import ListedEntry, RoundUnderWay, Signed

if TYPE_CHECKING:
    from sn37.ports.record_reader import RecordReader, RecordSnapshot


class PublishedRecord:
    """Reader of published rounds, which are snapshots by themselves: they never change.

    Every method may raise ``OfferRefused`` for a document that is not valid, and
    ``ReceiptsUnavailable``. Scores are read for champions, in the rounds that crowned them and in
    the newest ones: a receipt has megabytes.

    Args:
        verify: Checks signatures.
        signer: Validator whose rounds they are, if it is known; else it is the signer of the first
            statement that is read. One of another validator is refused.
    """

    def __init__(
        self,
        source: PublishedRounds,
        *,
        schedule: Schedule,
        verify: VerifySignature,
        signer: Hotkey | None = None,
    ) -> None:
        self._source = source
        self._schedule = schedule
        self._verify = verify
        keys = sorted(source.index(), key=lambda key: (key.sync_block, key.competition))
        self._keys = [k for k in keys if schedule.competition(k.competition, k.sync_block)]
        newest = {
            c: [k for k in self._keys if k.competition == c][-WINDOW_ROUNDS:]
            for c in {k.competition for k in self._keys}
        }
        self._scored = frozenset(k for held in newest.values() for k in held)
        self._submissions: dict[EntryKey, Submission] = {}
        self._newest: RoundStatement | None = None
        self._signer = signer or Hotkey("")

    @property
    def signer(self) -> Hotkey:
        """Signer of the statements; empty before the first was read."""
        return self._signer

    def rows(self) -> Iterator[tuple[int, RoundKey]]:
        """Yield the rows of the rounds that the schedule has."""
        return enumerate(self._keys, start=1)

    @contextmanager
    def snapshot(self) -> Iterator[PublishedRecord]:
        yield self

    def stamp(self) -> str:
        return self._source.name

    def identity(self) -> str:
        return self._source.name

    def finished(self, *, after: int, limit: int) -> Sequence[int]:
        return range(after + 1, len(self._keys) + 1)[:limit]

    def newest_judged(self, competition: CompetitionId) -> int | None:
        mine = [row for row, key in self.rows() if key.competition == competition]
        return next((row for row in reversed(mine) if self.stated(row).later is None), None)

    def result(self, row: int) -> RoundResult:
        stated = self.stated(row)
        plan = stated.plan()
        for submission in stated.submissions:
            self._submissions[submission.commitment.key] = submission
        wanted = {stated.winner, stated.champion} - {None}
        if stated.winner == stated.champion and stated.key not in self._scored:
            wanted = set()
        rows = [
            self._with_score(row, entry) if entry.key in wanted else entry
            for entry in _rows_of(stated)
        ]
        return RoundResult(
            key=stated.key,
            sync=stated.sync,
            manifest_digest=stated.manifest_digest,
            champion=stated.winner,
            entries=(*rows, *stated.listed),
            skipped=None if stated.later is None else Reason.ABSENT,
            later=stated.later,
            clocks=() if plan.premises is None else plan.premises.clocks,
        )

    def entry(self, row: int, key: EntryKey) -> ListedEntry | None:
        stated = self.stated(row)
        rows = [*_rows_of(stated), *stated.listed]
        index = next((n for n, entry in enumerate(rows) if entry.key == key), None)
        if index is None:
            return None
        return ListedEntry(
            entry=self._with_score(row, rows[index]),
            index=index,
            num_scored=sum(entry.verdict is Verdict.SCORED for entry in rows),
        )

    def under_way(self) -> Sequence[RoundUnderWay]:
        return ()

    def plan(self, round_: RoundKey) -> RoundPlan | None:
        row = self._row_of(round_)
        return None if row is None else self.stated(row).plan()

    def signers(self, row: int) -> SampleSigners | None:
        receipt = self._any_receipt(row)
        return None if receipt is None else receipt.signers

    def drawn(self, round_: RoundKey) -> Sequence[DrawnRows]:
        row = self._row_of(round_)
        receipt = None if row is None else self._any_receipt(row)
        rules = self._schedule.competition(round_.competition, round_.sync_block)
        if receipt is None or rules is None:
            return ()
        return [
            DrawnRows(
                task=task.name,
                method=task.method,
                pool_size=receipt.pools[task.name][0],
                pool_digest=receipt.pools[task.name][1],
                manifest=receipt.manifest[task.name],
            )
            for task in rules.tasks
            if task.name in receipt.pools and task.name in receipt.manifest
        ]

    def losses(self, row: int, entry: EntryKey) -> Sequence[BlockLosses]:
        found = self._receipt(row, entry)
        key = self._keys[row - 1]
        rules = self._schedule.competition(key.competition, key.sync_block)
        if found is None or rules is None:
            return ()
        try:
            blocks = blocks_of(found[0], rules)
        except CannotRescore as error:
            raise OfferRefused(f"{self._source.name}: {key}: {error}") from error
        return [losses_in(found[0], block, ()) for block in blocks]

    def receipt_keys(self, round_: RoundKey) -> Sequence[EntryKey]:
        row = self._row_of(round_)
        outcomes = () if row is None else self.stated(row).outcomes
        return [o.key for o in outcomes if o.verdict is Verdict.SCORED]

    def receipt(self, round_: RoundKey, entry: EntryKey) -> SignedReceipt | None:
        row = self._row_of(round_)
        found = None if row is None else self._receipt(row, entry)
        return None if found is None else found[1]

    def statement(self, round_: RoundKey) -> SignedReceipt | None:
        return None if self._row_of(round_) is None else read_signed(self._source.statement(round_))

    def signed(self) -> Signed | None:
        if not self._keys:
            return None
        newest = self.stated(len(self._keys))
        return Signed(
            validator=self._signer,
            code_version=newest.code_version,
            schedule_fingerprint=newest.schedule_fingerprint,
        )

    def submission(self, key: EntryKey) -> Submission | None:
        return self._submissions.get(key)

    def submissions_of(self, hotkey: Hotkey, *, limit: int) -> Sequence[Submission]:
        found = (s for s in self._newest_first() if s.commitment.hotkey == hotkey)
        return list(found)[:limit]

    def newest_submissions(
        self, competition: CompetitionId | None, *, skip: int, limit: int
    ) -> Sequence[Submission]:
        return self._of(competition)[skip : skip + limit]

    def num_submissions(self, competition: CompetitionId | None) -> int:
        return len(self._of(competition))

    def search(self, text: str, *, limit: int) -> Sequence[Submission]:
        wanted = text.lower()
        return [
            s
            for s in self._newest_first()
            if wanted in s.commitment.hotkey.lower() or wanted in s.commitment.model.repo.lower()
        ][:limit]

    def weights(self, *, limit: int) -> Sequence[WeightsRecord]:
        return ()

    def beginning(self) -> Beginning | None:
        return None

    def _of(self, competition: CompetitionId | None) -> list[Submission]:
        found = self._newest_first()
        return [s for s in found if competition in (None, s.commitment.competition)]

    def _newest_first(self) -> list[Submission]:
        def order(submission: Submission) -> tuple[int, str]:
            return -submission.commitment.block, submission.commitment.hotkey

        return sorted(self._submissions.values(), key=order)

    def _row_of(self, round_: RoundKey) -> int | None:
        return self._keys.index(round_) + 1 if round_ in self._keys else None

    def stated(self, row: int) -> RoundStatement:
        """Return the statement on a round.

        Raises:
            LookupError: There is no such row.
            OfferRefused: It is not a statement of this validator on this round of this network.
        """
        if not 0 < row <= len(self._keys):
            raise LookupError(f"row {row} is not of a finished round")
        key = self._keys[row - 1]
        if self._newest is not None and self._newest.key == key:
            return self._newest
        try:
            signed = read_signed(self._source.statement(key))
            stated = read_statement(signed, self._verify)
        except (UnreadableReceipt, UnreadableStatement) as error:
            raise OfferRefused(f"{self._source.name}: {key}: {error}") from error
        if stated.key != key or stated.netuid != self._schedule.netuid:
            raise OfferRefused(
                f"{self._source.name}: {key}: its statement is of {stated.key}, subnet "
                f"{stated.netuid}"
            )
        if self._signer not in ("", signed.hotkey):
            raise OfferRefused(
                f"{self._source.name}: {key}: its statement is signed by {signed.hotkey}, others "
                f"by {self._signer}; read the rounds of one validator"
            )
        self._newest, self._signer = stated, signed.hotkey
        return stated

    def _receipt(self, row: int, entry: EntryKey) -> tuple[Receipt, SignedReceipt] | None:
        """Return a receipt that the statement names; ``None`` if the entry has none."""
        stated = self.stated(row)
        content = self._source.receipt(stated.key, entry)
        if content is None:
            return None
        try:
            receipt, signed = read_receipt(content)
        except UnreadableReceipt as error:
            raise OfferRefused(f"{self._source.name}: {stated.key}: {error}") from error
        is_named = signed is not None and digest_of(signed.document) in stated.receipts
        if signed is None or not is_named or receipt.commitment.key != entry:
            raise OfferRefused(
                f"{self._source.name}: {stated.key}: the receipt of {entry.hotkey} is not the one "
                "that its statement names"
            )
        return receipt, signed

    def _any_receipt(self, row: int) -> Receipt | None:
        for outcome in self.stated(row).outcomes:
            if outcome.verdict is Verdict.SCORED:
                found = self._receipt(row, outcome.key)
                if found is not None:
                    return found[0]
        return None

    def _with_score(self, row: int, entry: EntryResult) -> EntryResult:
        stated = self.stated(row)
        rules = self._schedule.competition(stated.key.competition, stated.key.sync_block)
        outcome = next((o for o in stated.outcomes if o.key == entry.key), None)
        submission = _submissions_in(stated).get(entry.key)
        if rules is None or outcome is None or submission is None:
            return entry
        if outcome.verdict is not Verdict.SCORED:
            return entry
        blocks = tuple(self.losses(row, entry.key))
        try:
            return entry_result(
                submission, outcome, blocks, rules, on_curve=stated.premises is None
            )
        except ValueError as error:
            raise OfferRefused(f"{self._source.name}: {stated.key}: {error}") from error


def _submissions_in(stated: RoundStatement) -> Mapping[EntryKey, Submission]:
    return {s.commitment.key: s for s in stated.submissions}


def _rows_of(stated: RoundStatement) -> list[EntryResult]:
    """Return the rows of the entries, without scores, in the order of their outcomes."""
    known = _submissions_in(stated)
    return [
        EntryResult(
            key=outcome.key,
            repo=known[outcome.key].commitment.model.repo,
            verdict=outcome.verdict,
            reason=outcome.reason,
            detail=outcome.detail,
        )
        for outcome in stated.outcomes
    ]


if TYPE_CHECKING:

    def _of_ports(found: PublishedRecord) -> tuple[RecordReader, RecordSnapshot]:
        return found, found
