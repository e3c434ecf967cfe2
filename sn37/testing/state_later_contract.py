"""Contract tests for every state store: rounds that were missed and scored later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sn37.domain.ids import Block, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.state import ScoredLater
from sn37.testing.builders import a_round_record, a_round_result
from sn37.testing.state_store_harness import ALICE, PLAN, POOLS, ROUND, StateStoreHarness

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


def scored_later(reason: Reason = Reason.ABSENT) -> RoundRecord:
    """Return a complete round that was scored later and not judged."""
    record = a_round_record(ROUND)
    later = ScoredLater(source=Hotkey("other"), after=Block(1_080), at=Block(1_100))
    result = replace(record.result, champion=None, skipped=reason, later=later)
    return replace(record, result=result)


class ScoredLaterContract(StateStoreHarness):
    """Missed rounds that are recorded completely afterwards."""

    def _is_recorded(self, record: RoundRecord) -> None:
        state = self.load()
        assert state.rounds == {ROUND.competition: (record.result,)}
        assert state.open_rounds == {}
        (entry,) = record.opened.journal

        async def read(store: StateStore) -> None:
            assert await store.recorded(ROUND) == record.opened
            assert await store.receipts(ROUND) == record.published.receipts
            assert await store.statement(ROUND) == record.published.statement
            found = await store.losses(ROUND.competition, [entry])
            assert found == {entry: {ROUND.sync_block: record.opened.journal[entry]}}

        self.run(read)

    def test_a_round_of_which_nothing_was_recorded_is_recorded_whole(self) -> None:
        record = scored_later()
        self.run(lambda store: store.record_later(record))
        self._is_recorded(record)

    def test_a_round_that_was_sat_out_is_replaced(self) -> None:
        record = scored_later(Reason.DATA_UNAVAILABLE)
        skipped = a_round_result(ROUND, champion=None, skipped=Reason.DATA_UNAVAILABLE)

        async def steps(store: StateStore) -> None:
            await store.freeze_pools(ROUND, POOLS)
            await store.finish_round(skipped)
            await store.record_later(record)

        self.run(steps)
        self._is_recorded(record)

    def test_pools_that_were_frozen_for_nothing_are_gone(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.freeze_pools(ROUND, POOLS)
            await store.record_later(scored_later())

        self.run(steps)
        self._is_recorded(scored_later())
        assert self.run(lambda store: store.pools(ROUND)) == {}

    def test_recording_it_again_changes_nothing(self) -> None:
        record, other = scored_later(), scored_later(Reason.OVERRUN)

        async def steps(store: StateStore) -> None:
            await store.record_later(record)
            await store.record_later(other)

        self.run(steps)
        self._is_recorded(record)

    def test_a_judged_round_stays_as_it_was(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_round(a_round_result(ROUND))
            await store.record_later(scored_later())

        self.run(steps)
        assert self.load().rounds == {ROUND.competition: (a_round_result(ROUND),)}
        assert self.run(lambda store: store.losses(ROUND.competition, [ALICE])) == {ALICE: {}}

    def test_a_round_under_way_is_not_scored_later(self) -> None:
        self.run(lambda store: store.open_round(PLAN))
        with pytest.raises(ValueError, match="open"):
            self.run(lambda store: store.record_later(scored_later()))
        assert self.load().rounds == {}

    def test_what_was_judged_is_not_recorded_as_scored_later(self) -> None:
        with pytest.raises(ValueError, match="not scored later"):
            self.run(lambda store: store.record_later(a_round_record(ROUND)))
        assert self.load().rounds == {}
