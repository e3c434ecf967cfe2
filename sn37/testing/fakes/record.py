"""A validator's record in memory, for pages: what a ``FakeStateStore`` over the memory wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sn37.domain.data.sampling import manifest
from sn37.domain.ids import CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import Beginning, DrawnRows, RoundPlan, RoundResult, WeightsRecord
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.errors import StateUnavailable
from sn37.ports.record_reader import ListedEntry, RoundUnderWay, Signed
from sn37.testing.fakes.memory import Memory

if TYPE_CHECKING:
    from sn37.ports.record_reader import RecordReader, RecordSnapshot


@dataclass(slots=True)
class FakeRecord:
    """Reader of a memory. A round has its row by the order in which it was first seen."""

    memory: Memory = field(default_factory=Memory)
    is_there: bool = True
    _rows: list[RoundKey] = field(default_factory=list)

    @contextmanager
    def snapshot(self) -> Iterator[FakeSnapshot]:
        if not self.is_there:
            raise StateUnavailable("no validator has run; name its folder with --state-dir")
        self._rows += [key for key in self._known() if key not in self._rows]
        yield FakeSnapshot(self.memory, tuple(self._rows))

    def stamp(self) -> str:
        return repr(self.memory)

    def identity(self) -> str:
        return str(id(self.memory))

    def _known(self) -> Sequence[RoundKey]:
        return sorted({*self.memory.plans, *self.memory.results}, key=lambda k: k.sync_block)


@dataclass(slots=True)
class FakeSnapshot:
    """One state of the memory."""

    _memory: Memory
    _rows: tuple[RoundKey, ...]

    def finished(self, *, after: int, limit: int) -> Sequence[int]:
        rows = enumerate(self._rows, start=1)
        return [row for row, key in rows if row > after and key in self._memory.results][:limit]

    def newest_judged(self, competition: CompetitionId) -> int | None:
        rows = [
            (key.sync_block, row)
            for row, key in enumerate(self._rows, start=1)
            if key.competition == competition
            and (result := self._memory.results.get(key)) is not None
            and result.skipped is None
        ]
        return max(rows)[1] if rows else None

    def result(self, row: int) -> RoundResult:
        found = self._memory.results.get(self._key(row))
        if found is None:
            raise LookupError(f"row {row} is not of a finished round")
        return found

    def entry(self, row: int, key: EntryKey) -> ListedEntry | None:
        entries = self.result(row).entries
        index = next((n for n, entry in enumerate(entries) if entry.key == key), None)
        if index is None:
            return None
        num_scored = sum(entry.verdict is Verdict.SCORED for entry in entries)
        return ListedEntry(entry=entries[index], index=index, num_scored=num_scored)

    def under_way(self) -> Sequence[RoundUnderWay]:
        memory, found = self._memory, []
        for row, key in enumerate(self._rows, start=1):
            if key in memory.plans and key not in memory.results:
                counted = {e: len(b) for (k, e), b in memory.journal.items() if k == key}
                found.append(
                    RoundUnderWay(
                        row=row,
                        plan=replace(memory.plans[key], draws=()),
                        outcomes=memory.outcomes.get(key, {}),
                        num_blocks=counted,
                    )
                )
        return sorted(found, key=lambda u: (u.plan.key.sync_block, u.plan.key.competition))

    def plan(self, round_: RoundKey) -> RoundPlan | None:
        found = self._memory.plans.get(round_)
        return None if found is None else replace(found, draws=())

    def signers(self, row: int) -> SampleSigners | None:
        plan = self._memory.plans.get(self._key(row))
        return None if plan is None else plan.signers

    def drawn(self, round_: RoundKey) -> Sequence[DrawnRows]:
        plan = self._memory.plans.get(round_)
        return [
            DrawnRows(
                task=draw.batch.task,
                method=draw.batch.method,
                pool_size=draw.pool_size,
                pool_digest=draw.pool_digest,
                manifest=manifest(draw.batch),
            )
            for draw in (() if plan is None else plan.draws)
        ]

    def losses(self, row: int, entry: EntryKey) -> Sequence[BlockLosses]:
        return tuple(self._memory.journal.get((self._key(row), entry), ()))

    def receipt_keys(self, round_: RoundKey) -> Sequence[EntryKey]:
        return [key for key, _ in self._receipts(round_)]

    def receipt(self, round_: RoundKey, entry: EntryKey) -> SignedReceipt | None:
        return dict(self._receipts(round_)).get(entry)

    def statement(self, round_: RoundKey) -> SignedReceipt | None:
        return self._memory.statements.get(round_)

    def signed(self) -> Signed | None:
        return None

    def submission(self, key: EntryKey) -> Submission | None:
        return self._memory.submissions.get(key)

    def submissions_of(self, hotkey: Hotkey, *, limit: int) -> Sequence[Submission]:
        return [s for s in self._of(None) if s.commitment.hotkey == hotkey][:limit]

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
            for s in self._of(None)
            if wanted in s.commitment.hotkey.lower() or wanted in s.commitment.model.repo.lower()
        ][:limit]

    def weights(self, *, limit: int) -> Sequence[WeightsRecord]:
        return [record for _, record in sorted(self._memory.weights.items(), reverse=True)][:limit]

    def beginning(self) -> Beginning | None:
        return self._memory.beginning

    def _key(self, row: int) -> RoundKey:
        if not 0 < row <= len(self._rows):
            raise LookupError(f"row {row} is not of a round")
        return self._rows[row - 1]

    def _receipts(self, round_: RoundKey) -> list[tuple[EntryKey, SignedReceipt]]:
        """Pair receipts with the outcomes that have them, which are in the same order."""
        outcomes = self._memory.outcomes.get(round_, {}).values()
        scored = [o.key for o in outcomes if o.verdict is Verdict.SCORED]
        return list(zip(scored, self._memory.receipts.get(round_, ()), strict=False))

    def _of(self, competition: CompetitionId | None) -> list[Submission]:
        found = [
            s
            for s in self._memory.submissions.values()
            if competition in (None, s.commitment.competition)
        ]
        return sorted(found, key=lambda s: (-s.commitment.block, s.commitment.hotkey))


if TYPE_CHECKING:
    _reader: RecordReader = FakeRecord()
    _snapshot: RecordSnapshot = FakeSnapshot(Memory(), ())
