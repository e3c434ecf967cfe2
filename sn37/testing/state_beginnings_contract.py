"""Contract tests for every state store: statements, and how a state begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sn37.domain.data.sampling import manifest
from sn37.domain.round.state import ColdStart
from sn37.testing.builders import (
    a_beginning,
    a_commitment,
    a_round_key,
    a_round_record,
    a_round_result,
    a_signed_receipt,
    a_submission,
)
from sn37.testing.state_store_harness import PLAN, ROUND, StateStoreHarness

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


class BeginningsContract(StateStoreHarness):
    """Statements of rounds, and rounds that are taken over."""

    def test_a_finished_round_keeps_what_its_validator_signed_of_it(self) -> None:
        statement = a_signed_receipt("statement")

        async def finish(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_round(a_round_result(ROUND), (), statement)
            await store.finish_round(a_round_result(ROUND), (), a_signed_receipt("another"))

        self.run(finish)
        assert self.run(lambda store: store.statement(ROUND)) == statement
        assert self.run(lambda store: store.statement(a_round_key(2))) is None

    def test_rounds_that_are_taken_over_are_as_if_they_had_been_recorded_here(self) -> None:
        record = a_round_record(ROUND)
        entry = record.opened.plan.entries[0]
        submission = a_submission(a_commitment(entry.hotkey, entry.block), retired=True)
        beginning = a_beginning(ColdStart.RECEIPTS, source="other", follows_from={1: 720})
        self.run(lambda store: store.begin(beginning, rounds=[record], submissions=[submission]))
        state = self.load()
        assert state.beginning == beginning
        assert state.rounds == {ROUND.competition: (record.result,)}
        assert state.submissions == {entry: submission}
        assert state.open_rounds == {}

        async def read(store: StateStore) -> None:
            assert await store.recorded(ROUND) == record.opened
            assert await store.receipts(ROUND) == record.published.receipts
            assert await store.statement(ROUND) == record.published.statement
            losses = await store.losses(ROUND.competition, [entry])
            assert losses == {entry: {ROUND.sync_block: record.opened.journal[entry]}}

        self.run(read)

    def test_of_rounds_that_were_scored_again_the_draws_stay_as_of_any_other(self) -> None:
        record = a_round_record(ROUND)
        opened = replace(record.opened, plan=replace(record.opened.plan, draws=PLAN.draws))
        beginning = a_beginning(ColdStart.MANIFESTS, source="other", num_rounds_rescored=1)
        self.run(lambda store: store.begin(beginning, rounds=[replace(record, opened=opened)]))
        assert self.load().beginning == beginning
        (drawn,) = self.run(lambda store: store.drawn(ROUND))
        (draw,) = PLAN.draws
        assert (drawn.task, drawn.manifest) == (draw.batch.task, manifest(draw.batch))
        assert self.run(lambda store: store.recorded(ROUND)) == record.opened

    def test_a_state_begins_once(self) -> None:
        beginning = a_beginning(ColdStart.NOTHING)
        self.run(lambda store: store.begin(beginning))
        with pytest.raises(ValueError, match="a beginning"):
            self.run(lambda store: store.begin(a_beginning(ColdStart.FIRST)))
        assert self.load().beginning == beginning

    def test_a_state_with_a_round_has_begun(self) -> None:
        self.run(lambda store: store.open_round(PLAN))
        with pytest.raises(ValueError, match="already has rounds"):
            self.run(lambda store: store.begin(a_beginning(ColdStart.FIRST)))
        assert self.load().beginning is None
