"""Contract tests for every reader of a validator's record."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from sn37.domain.ids import CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import StateUnavailable
from sn37.testing.builders import (
    a_commitment,
    a_draw,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    a_submission,
    a_weights_record,
    an_entry_result,
    an_outcome,
    losses,
)

if TYPE_CHECKING:
    from sn37.ports.record_reader import RecordReader
    from sn37.ports.state_store import StateStore

ALICE, BOB = a_commitment("alice", 100), a_commitment("bob", 200, competition=2)
FIRST, SECOND, OTHER = a_round_key(1, 720), a_round_key(1, 1_080), a_round_key(2, 720)
PLAN = a_round_plan(FIRST, entries=(ALICE.key,), draws=(a_draw(),))
BLOCK = losses(1.0, 2.0)
LISTED = (
    an_entry_result(ALICE.key),
    an_entry_result(BOB.key, verdict=Verdict.WAITING, score=None),
)
RESULT = a_round_result(FIRST, champion=ALICE.key, entries=LISTED)
STRANGER = EntryKey(Hotkey("nobody"), ALICE.block)


class RecordReaderContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def store(self) -> StateStore:
        """Open the store that writes the test's record, empty at first."""

    @abstractmethod
    def reader(self) -> RecordReader:
        """Return a reader of that record."""

    @abstractmethod
    def missing(self) -> RecordReader:
        """Return a reader of a record that is not there."""

    def write(self, *steps: Callable[[StateStore], Awaitable[object]]) -> None:
        """Open the store, make the steps, close it."""

        async def run() -> None:
            store = self.store()
            for step in steps:
                await step(store)
            await store.close()

        asyncio.run(run())

    def write_a_round(self) -> None:
        """Write a finished round with all its details."""
        self.write(
            lambda store: store.save_submissions([a_submission(ALICE), a_submission(BOB)]),
            lambda store: store.open_round(PLAN),
            lambda store: store.append(FIRST, ALICE.key, BLOCK),
            lambda store: store.finish_entry(
                FIRST, an_outcome(ALICE.key), a_signed_receipt("alice")
            ),
            lambda store: store.finish_round(RESULT, statement=a_signed_receipt("stated")),
        )

    def test_a_record_that_is_not_there_is_unavailable(self) -> None:
        with pytest.raises(StateUnavailable), self.missing().snapshot():
            pass

    def test_finished_rounds_are_numbered_in_the_order_in_which_they_began(self) -> None:
        self.write_a_round()
        self.write(
            lambda store: store.open_round(a_round_plan(SECOND)),
            lambda store: store.finish_round(a_round_result(SECOND)),
        )
        with self.reader().snapshot() as snapshot:
            first, second = snapshot.finished(after=0, limit=9)
            assert first < second
            assert snapshot.finished(after=0, limit=1) == [first]
            assert snapshot.finished(after=first, limit=9) == [second]
            assert snapshot.result(first).key == FIRST
            assert snapshot.result(second).key == SECOND
            with pytest.raises(LookupError):
                snapshot.result(second + 1)

    def test_the_newest_judged_round_is_that_of_the_last_sync_block_and_not_missed(self) -> None:
        self.write(
            lambda store: store.finish_round(a_round_result(SECOND)),
            lambda store: store.finish_round(a_round_result(FIRST)),
            lambda store: store.finish_round(
                a_round_result(a_round_key(1, 1_440), skipped=Reason.ABSENT)
            ),
        )
        with self.reader().snapshot() as snapshot:
            newest = snapshot.newest_judged(SECOND.competition)
            assert newest is not None
            assert snapshot.result(newest).key == SECOND
            assert snapshot.newest_judged(OTHER.competition) is None

    def test_one_entry_of_a_round_is_read_with_its_place(self) -> None:
        self.write_a_round()
        with self.reader().snapshot() as snapshot:
            (row,) = snapshot.finished(after=0, limit=9)
            listed = snapshot.entry(row, BOB.key)
            assert listed is not None
            assert (listed.entry, listed.index, listed.num_scored) == (LISTED[1], 1, 1)
            assert snapshot.entry(row, STRANGER) is None

    def test_a_finished_round_keeps_plan_draws_losses_and_documents(self) -> None:
        self.write_a_round()
        with self.reader().snapshot() as snapshot:
            (row,) = snapshot.finished(after=0, limit=9)
            plan = snapshot.plan(FIRST)
            assert plan is not None
            assert (plan.entries, plan.draws) == ((ALICE.key,), ())
            (drawn,) = snapshot.drawn(FIRST)
            assert len(drawn.manifest) == len(PLAN.draws[0].batch.samples)
            assert list(snapshot.losses(row, ALICE.key)) == [BLOCK]
            assert list(snapshot.losses(row, BOB.key)) == []
            assert list(snapshot.receipt_keys(FIRST)) == [ALICE.key]
            assert snapshot.receipt(FIRST, ALICE.key) == a_signed_receipt("alice")
            assert snapshot.receipt(FIRST, BOB.key) is None
            assert snapshot.statement(FIRST) == a_signed_receipt("stated")
            assert snapshot.under_way() == []

    def test_a_round_that_is_not_recorded_has_nothing(self) -> None:
        self.write_a_round()
        with self.reader().snapshot() as snapshot:
            assert snapshot.plan(OTHER) is None
            assert snapshot.statement(OTHER) is None
            assert list(snapshot.drawn(OTHER)) == []
            assert list(snapshot.receipt_keys(OTHER)) == []

    def test_an_open_round_shows_how_far_it_is_and_its_losses(self) -> None:
        self.write_a_round()
        self.write(
            lambda store: store.open_round(a_round_plan(SECOND, entries=(ALICE.key, BOB.key))),
            lambda store: store.append(SECOND, ALICE.key, BLOCK),
            lambda store: store.append(SECOND, ALICE.key, losses(3.0, first=2)),
            lambda store: store.finish_entry(SECOND, an_outcome(ALICE.key), None),
        )
        with self.reader().snapshot() as snapshot:
            (found,) = snapshot.under_way()
            assert (found.plan.key, found.plan.draws) == (SECOND, ())
            assert set(found.outcomes) == {ALICE.key}
            assert found.num_blocks == {ALICE.key: 2}
            assert list(snapshot.losses(found.row, ALICE.key)) == [BLOCK, losses(3.0, first=2)]
            assert found.row not in snapshot.finished(after=0, limit=9)

    def test_submissions_are_listed_the_newest_first_and_found_by_part_of_a_name(self) -> None:
        later = a_commitment("alice", 300)
        self.write_a_round()
        self.write(lambda store: store.save_submissions([a_submission(later)]))
        with self.reader().snapshot() as snapshot:
            two = CompetitionId(2)

            def keys(found: object) -> list[EntryKey]:
                assert isinstance(found, list | tuple)
                return [s.commitment.key for s in found]

            everything = keys(snapshot.newest_submissions(None, skip=0, limit=9))
            assert everything == [later.key, BOB.key, ALICE.key]
            assert keys(snapshot.newest_submissions(None, skip=1, limit=1)) == [BOB.key]
            assert keys(snapshot.newest_submissions(two, skip=0, limit=9)) == [BOB.key]
            assert (snapshot.num_submissions(None), snapshot.num_submissions(two)) == (3, 1)
            alices = keys(snapshot.submissions_of(ALICE.hotkey, limit=9))
            assert alices == [later.key, ALICE.key]
            assert keys(snapshot.search("OB/MOD", limit=9)) == [BOB.key]
            assert keys(snapshot.search("alice", limit=1)) == [later.key]
            assert keys(snapshot.search("%", limit=9)) == []
            assert snapshot.submission(BOB.key) == a_submission(BOB)
            assert snapshot.submission(STRANGER) is None

    def test_weights_are_listed_the_newest_first(self) -> None:
        records = [a_weights_record(720), a_weights_record(1_080)]
        self.write(*(lambda store, r=r: store.record_weights(r) for r in records))
        with self.reader().snapshot() as snapshot:
            assert list(snapshot.weights(limit=9)) == records[::-1]
            assert list(snapshot.weights(limit=1)) == [records[1]]

    def test_an_empty_record_has_neither_rounds_nor_a_beginning(self) -> None:
        self.write(lambda store: store.load())
        with self.reader().snapshot() as snapshot:
            assert snapshot.finished(after=0, limit=9) == []
            assert (snapshot.beginning(), snapshot.signed()) == (None, None)
            assert list(snapshot.weights(limit=1)) == []

    def test_the_stamp_changes_with_the_record_and_not_by_reading(self) -> None:
        self.write_a_round()
        reader = self.reader()
        before = reader.stamp()
        with reader.snapshot() as snapshot:
            snapshot.finished(after=0, limit=9)
        assert reader.stamp() == before
        identity = reader.identity()
        self.write(lambda store: store.record_weights(a_weights_record(720)))
        assert reader.stamp() != before
        assert reader.identity() == identity
