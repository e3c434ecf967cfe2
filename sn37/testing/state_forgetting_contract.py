"""Contract tests for every state store: pruning old rounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sn37.domain.data.sampling import manifest
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.round.history import abridged
from sn37.domain.round.state import DrawnRows, OpenRound, RoundPlan
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_round_key,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    an_entry_key,
    an_entry_result,
    an_outcome,
    losses,
)
from sn37.testing.state_store_harness import ALICE, BOB, POOLS, StateStoreHarness

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore

ONE = CompetitionId(1)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = tuple(a_round_key(1, block) for block in (360, 720, 1080))
CAROL = an_entry_key("carol", 300)
LISTED = an_entry_result(CAROL, verdict=Verdict.WAITING, reason=Reason.QUEUED)


def plan_of(key: RoundKey) -> RoundPlan:
    plan = a_round_plan(key, champion=ALICE, entries=(ALICE, BOB), listed=(LISTED,))
    return replace(plan, unreadable=frozenset({BOB}), unprobed=frozenset({ALICE}))


async def three_rounds(store: StateStore) -> None:
    """Finish rounds with two scored entries each; leave one more round open."""
    for key in (*KEYS, a_round_key(1, 1440), a_round_key(2, 360)):
        await store.open_round(plan_of(key))
        for entry in (ALICE, BOB):
            await store.append(key, entry, losses(1.0))
            await store.record_environment(key, entry, {"device": "cpu"})
            receipt = a_signed_receipt(f"{key} {entry}")
            await store.finish_entry(key, an_outcome(entry), receipt)
        if key.sync_block != 1440:
            rows = (an_entry_result(ALICE), an_entry_result(BOB), LISTED)
            await store.finish_round(a_round_result(key, champion=ALICE, entries=rows))


async def forget_all(store: StateStore, before: int, *keep: EntryKey) -> list[Block]:
    found = []
    while (block := await store.forget(ONE, before=Block(before), keep=keep, at=NOW)) is not None:
        found.append(block)
    return found


class ForgettingContract(StateStoreHarness):
    """Old rounds: what is deleted, what stays, and that each call prunes one round."""

    def test_nothing_is_forgotten_that_is_young_enough(self) -> None:
        self.run(three_rounds)
        before = self.load()
        assert self.run(lambda store: forget_all(store, 360)) == []
        assert self.load() == before

    def test_old_rounds_are_forgotten_one_by_one_the_oldest_first(self) -> None:
        self.run(three_rounds)
        assert self.run(lambda store: forget_all(store, 1080)) == [360, 720]
        assert self.run(lambda store: forget_all(store, 1080)) == []

    def test_of_a_forgotten_round_its_crown_and_who_was_tried_stay(self) -> None:
        self.run(three_rounds)
        whole = self.load().rounds[ONE]
        self.run(lambda store: forget_all(store, 1080))
        rounds = self.load().rounds[ONE]
        assert rounds == (
            *(replace(abridged(r), forgotten_at=NOW) for r in whole[:2]),
            whole[2],
        )
        assert self.load().open_rounds.keys() == {a_round_key(1, 1440)}

    def test_what_a_round_drew_is_known_until_it_is_forgotten(self) -> None:
        async def steps(store: StateStore) -> None:
            assert await store.drawn(KEYS[0]) == ()
            await three_rounds(store)
            (rows,) = await store.drawn(KEYS[0])
            (draw,) = plan_of(KEYS[0]).draws
            assert rows == DrawnRows(
                task=draw.batch.task,
                method=draw.batch.method.value,
                pool_size=draw.pool_size,
                pool_digest=draw.pool_digest,
                manifest=manifest(draw.batch),
            )
            await forget_all(store, 720)
            assert await store.drawn(KEYS[0]) == ()
            assert await store.drawn(KEYS[1]) == (rows,)

        self.run(steps)

    def test_losses_of_an_entry_that_was_not_scored_are_dropped(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(plan_of(KEYS[0]))
            for entry in (ALICE, BOB):
                await store.append(KEYS[0], entry, losses(1.0))
            failed = an_outcome(ALICE, verdict=Verdict.FAILED, reason=Reason.NON_FINITE)
            await store.finish_entry(KEYS[0], failed, None)
            found = await store.losses(ONE, [ALICE, BOB])
            assert found == {ALICE: {}, BOB: {Block(360): (losses(1.0),)}}

        self.run(steps)

    def test_entries_that_are_kept_keep_everything(self) -> None:
        async def steps(store: StateStore) -> None:
            await three_rounds(store)
            await forget_all(store, 1080, BOB)
            for key in KEYS[:2]:
                plan = plan_of(key)
                nobody = frozenset[EntryKey]()
                assert await store.recorded(key) == OpenRound(
                    plan=replace(plan, draws=(), listed=(), unreadable=nobody, unprobed=nobody),
                    journal={BOB: (losses(1.0),)},
                    outcomes={BOB: an_outcome(BOB)},
                    environments={BOB: {"device": "cpu"}},
                )
                assert await store.receipts(key) == (a_signed_receipt(f"{key} {BOB}"),)
            found = await store.losses(ONE, [ALICE, BOB])
            assert list(found[BOB]) == [360, 720, 1080, 1440]
            assert list(found[ALICE]) == [1080, 1440]

        self.run(steps)

    def test_rounds_are_shared_by_those_who_were_scored_in_them_and_are_kept(self) -> None:
        async def steps(store: StateStore) -> None:
            await three_rounds(store)
            failed = an_outcome(CAROL, verdict=Verdict.FAILED, reason=Reason.NON_FINITE)
            await store.finish_entry(a_round_key(1, 1440), failed, None)
            both = frozenset({ALICE, BOB})
            everybody = [ALICE, BOB, CAROL]
            assert await store.shared_rounds(ONE, everybody) == {k.sync_block: both for k in KEYS}
            assert await store.shared_rounds(ONE, [ALICE, CAROL]) == {}
            assert await store.shared_rounds(CompetitionId(3), everybody) == {}
            await store.finish_round(a_round_result(a_round_key(1, 1440)))
            await forget_all(store, 720, BOB)
            assert await store.shared_rounds(ONE, everybody) == {
                Block(block): both for block in (720, 1080, 1440)
            }
            await forget_all(store, 1080, ALICE, BOB)
            assert await store.shared_rounds(ONE, everybody) == {
                Block(block): both for block in (720, 1080, 1440)
            }

        self.run(steps)

    def test_an_entry_that_is_no_longer_kept_goes_from_all_old_rounds(self) -> None:
        self.run(three_rounds)
        assert self.run(lambda store: forget_all(store, 1080, BOB)) == [360, 720]
        marked = self.load().rounds[ONE]
        assert self.run(lambda store: forget_all(store, 1080)) == [360, 720]
        assert self.load().rounds[ONE] == marked
        assert self.run(lambda store: store.receipts(KEYS[0])) == ()

    def test_other_competitions_and_rounds_that_were_sat_out_are_left_alone(self) -> None:
        skipped = a_round_result(a_round_key(1, 1), skipped=Reason.DATA_UNAVAILABLE)

        async def steps(store: StateStore) -> None:
            await store.finish_round(skipped)
            await three_rounds(store)
            await forget_all(store, 2000)
            assert len(await store.receipts(a_round_key(2, 360))) == 2

        self.run(steps)
        assert self.load().rounds[ONE][0] == skipped

    def test_pools_of_a_round_that_was_never_opened_go_when_they_are_old(self) -> None:
        missed, next_ = a_round_key(1, 360), a_round_key(1, 720)

        async def steps(store: StateStore) -> None:
            await store.freeze_pools(missed, POOLS)
            await store.freeze_pools(next_, POOLS)
            assert await forget_all(store, 720) == []
            assert await store.pools(missed) == {}
            assert await store.pools(next_) == POOLS

        self.run(steps)

    def test_who_signed_the_samples_of_a_round_is_known_for_as_long_as_the_round(self) -> None:
        signed = {TaskName("text"): (Hotkey("val-b"), None, Hotkey("val-a"))}
        silent, under_way = KEYS[2], a_round_key(1, 1440)

        async def steps(store: StateStore) -> list[object]:
            await store.open_round(replace(a_round_plan(KEYS[1]), signers=signed))
            await store.finish_round(a_round_result(KEYS[1]))
            await store.open_round(replace(a_round_plan(silent), signers=None))
            await store.finish_round(a_round_result(silent))
            await store.open_round(a_round_plan(under_way))
            await store.open_round(a_round_plan(a_round_key(2, 720)))
            found: list[object] = [await store.signers(ONE)]
            await forget_all(store, 1440)
            found.append(await store.signers(ONE))
            found.append(list(await store.signers(ONE, since=Block(721))))
            return found

        nobody = a_round_plan(under_way).signers
        expected = {KEYS[1].sync_block: signed, under_way.sync_block: nobody}
        assert self.run(steps) == [expected, expected, [under_way.sync_block]]
