"""Contract tests for every state store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sn37.domain.ids import TaskName
from sn37.domain.reasons import Reason
from sn37.domain.round.newcomers import TIMED_ROUNDS
from sn37.domain.round.state import OpenRound, ValidatorState
from sn37.ports.errors import StateUnavailable, StateUnreadable
from sn37.testing.builders import (
    a_commitment,
    a_pool,
    a_round_key,
    a_round_result,
    a_signed_receipt,
    a_submission,
    a_weights_record,
    an_artifact,
    an_entry_key,
    an_outcome,
    losses,
    some_weights,
)
from sn37.testing.state_beginnings_contract import BeginningsContract
from sn37.testing.state_forgetting_contract import ForgettingContract
from sn37.testing.state_later_contract import ScoredLaterContract
from sn37.testing.state_rounds_contract import FinishedRoundsContract, OpenRoundsContract
from sn37.testing.state_store_harness import ALICE, BOB, PLAN, POOLS, ROUND

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


class StateStoreContract(
    OpenRoundsContract,
    FinishedRoundsContract,
    ForgettingContract,
    BeginningsContract,
    ScoredLaterContract,
):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    def test_a_new_store_is_empty(self) -> None:
        assert self.load() == ValidatorState()

    def test_what_was_recorded_is_there_after_a_restart(self) -> None:
        async def steps(store: StateStore) -> ValidatorState:
            await store.save_submissions([a_submission(a_commitment("alice"))])
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses())
            await store.finish_entry(ROUND, an_outcome(ALICE), a_signed_receipt())
            await store.record_weights(a_weights_record(360))
            return await store.load()

        state = self.run(steps)
        assert state == self.load()
        assert state.open_rounds[ROUND] == OpenRound(
            plan=PLAN, journal={ALICE: (losses(),)}, outcomes={ALICE: an_outcome(ALICE)}
        )

    # submissions

    def test_a_submission_is_kept_in_every_detail(self) -> None:
        commitment = a_commitment("bob", 200)
        plain = a_submission(a_commitment("alice", 100))
        full = a_submission(
            commitment,
            clock_block=250,
            artifact=an_artifact(commitment),
            rejection=Reason.NORM,
            detail="model.norm.weight: 1e9 \N{SNOWMAN}",
            duplicate_of=ALICE,
            failures=1,
            missed_rounds=2,
            retired=True,
        )
        self.run(lambda store: store.save_submissions([plain, full]))
        assert self.load().submissions == {ALICE: plain, BOB: full}

    def test_a_submission_is_replaced_by_the_key_of_its_commitment(self) -> None:
        first = a_submission(a_commitment("alice", 100))
        changed, newer = replace(first, failures=1), a_submission(a_commitment("alice", 900))

        async def steps(store: StateStore) -> None:
            await store.save_submissions([first])
            await store.save_submissions([changed, newer])

        self.run(steps)
        assert self.load().submissions == {ALICE: changed, an_entry_key("alice", 900): newer}

    def test_saving_no_submission_is_fine(self) -> None:
        self.run(lambda store: store.save_submissions(()))
        assert self.load() == ValidatorState()

    # the time of newcomers

    def test_the_time_of_newcomers_is_kept_by_round_and_replaced(self) -> None:
        later = a_round_key(2, 720)

        async def steps(store: StateStore) -> None:
            await store.record_newcomers_s(ROUND, 30.5)
            await store.record_newcomers_s(later, 12.0)
            await store.record_newcomers_s(ROUND, 61.25)

        self.run(steps)
        assert self.load().newcomers_s == {ROUND: 61.25, later: 12.0}

    def test_only_the_time_of_the_newest_rounds_is_kept(self) -> None:
        rounds = [a_round_key(1, 360 * n) for n in range(TIMED_ROUNDS + 3)]

        async def steps(store: StateStore) -> None:
            for round_ in rounds:
                await store.record_newcomers_s(round_, 1.0)

        self.run(steps)
        assert list(self.load().newcomers_s) == rounds[3:]

    # pools

    def test_frozen_pools_are_kept_with_every_text_and_in_order(self) -> None:
        self.run(lambda store: store.freeze_pools(ROUND, POOLS))
        assert self.run(lambda store: store.pools(ROUND)) == POOLS

    def test_freezing_again_replaces_all_pools_of_the_round(self) -> None:
        late = {TaskName("text"): a_pool(count=40)}

        async def steps(store: StateStore) -> None:
            await store.freeze_pools(ROUND, POOLS)
            await store.freeze_pools(ROUND, late)

        self.run(steps)
        assert self.run(lambda store: store.pools(ROUND)) == late

    def test_pools_belong_to_one_round(self) -> None:
        self.run(lambda store: store.freeze_pools(ROUND, POOLS))
        assert self.run(lambda store: store.pools(a_round_key(2, 720))) == {}
        assert self.run(lambda store: store.pools(a_round_key(1, 1080))) == {}

    def test_an_empty_pool_is_a_pool(self) -> None:
        empty = {TaskName("text"): a_pool(count=0)}
        self.run(lambda store: store.freeze_pools(ROUND, empty))
        assert self.run(lambda store: store.pools(ROUND)) == empty

    def test_pools_cannot_change_once_the_round_is_open(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.freeze_pools(ROUND, POOLS)
            await store.open_round(PLAN)
            with pytest.raises(ValueError, match="720"):
                await store.freeze_pools(ROUND, {})

        self.run(steps)
        assert self.run(lambda store: store.pools(ROUND)) == POOLS

    def test_pools_cannot_change_once_the_round_is_finished(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.finish_round(a_round_result(ROUND, skipped=Reason.DATA_UNAVAILABLE))
            with pytest.raises(ValueError, match="720"):
                await store.freeze_pools(ROUND, POOLS)

        self.run(steps)

    # weights

    def test_weights_are_kept_in_the_order_of_their_sync_blocks(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.record_weights(a_weights_record(720))
            await store.record_weights(a_weights_record(360))

        self.run(steps)
        assert self.load().weights == (a_weights_record(360), a_weights_record(720))

    def test_the_weights_of_a_sync_block_are_replaced_when_the_chain_has_them(self) -> None:
        weights = some_weights({"alice": 0.1, "bob": 0.2, "carol": 0.7})

        async def steps(store: StateStore) -> None:
            await store.record_weights(a_weights_record(720, weights=weights))
            await store.record_weights(a_weights_record(720, weights=weights, extrinsic="731-2"))

        self.run(steps)
        assert self.load().weights == (a_weights_record(720, weights=weights, extrinsic="731-2"),)

    # what can go wrong

    def test_concurrent_calls_do_not_mix(self) -> None:
        blocks = [losses(float(n), first=n) for n in range(20)]

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await asyncio.gather(*(store.append(ROUND, ALICE, block) for block in blocks))

        self.run(steps)
        journal = self.load().open_rounds[ROUND].journal[ALICE]
        assert sorted(b.losses for b in journal) == [b.losses for b in blocks]

    def test_a_closed_store_answers_no_more(self) -> None:
        async def steps() -> None:
            store = self.open()
            await store.load()
            await store.close()
            with pytest.raises(RuntimeError, match="closed"):
                await store.load()

        asyncio.run(steps())

    def test_closing_twice_is_fine(self) -> None:
        async def steps() -> None:
            store = self.open()
            await store.close()
            await store.close()

        asyncio.run(steps())

    def test_state_of_another_version_is_reported_as_unreadable(self) -> None:
        store = self.unreadable()

        async def steps() -> None:
            try:
                await store.load()
            finally:
                await store.close()

        with pytest.raises(StateUnreadable):
            asyncio.run(steps())

    def test_a_refusing_disk_is_reported_as_unavailable(self) -> None:
        store = self.unavailable()

        async def steps() -> None:
            try:
                await store.save_submissions([a_submission()])
            finally:
                await store.close()

        with pytest.raises(StateUnavailable) as caught:
            asyncio.run(steps())
        assert caught.value.__cause__ is not None
