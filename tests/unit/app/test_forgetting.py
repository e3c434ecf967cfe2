"""Old history goes, and every later round ends as it would have ended."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.app.actors.pruner import Pruner, require_enough_history
from sn37.app.audit.auditor import Auditor, AuditResult
from sn37.app.errors import CommandError
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.domain.ids import Block, BlockRef, Digest
from sn37.domain.reasons import Reason
from sn37.domain.records.history_pruning import forget_before, forgotten_of, remembered
from sn37.domain.round.history import abridged
from sn37.domain.round.state import OpenRound, RoundPlan, RoundResult, ValidatorState
from sn37.domain.round.winner import KingOfTheHill
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    a_timing,
    an_entry_key,
    an_entry_result,
    some_samples,
    time_of,
)
from sn37.testing.fakes import FakeClock, FakeStateStore
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import ONE, World, is_signed_by_fake, one_competition

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NUM_ROUNDS = 4
CHAMPION = an_entry_key("champion", 1)


def a_world(seed: int) -> World:
    """Crowns that pass on, contenders that come and go or commit again; one fails, one is refused
    and one cannot be read, until they commit again."""
    world = World()
    for number in range(8):
        quality = 1 - 0.004 * ((seed >> (3 * number)) & 7)
        world.miner(f"miner-{number}", quality, block=100 + 230 * number)
    for number in (1, 3):
        world.miner(f"miner-{number}", world.qualities[f"miner-{number}"], block=1_500 + number)
    world.miner("broken", float("nan"), block=120)
    refused = world.miner("refused", 1.0, block=130)
    world.models.rejections[refused.model.revision] = Reason.UNSAFE_FILE
    world.chain.add(a_commitment("hidden", 140))
    for name in ("refused", "hidden"):
        world.miner(name, 1.1, block=1_600)
    return world


def forget(memory: Memory, before: int) -> None:
    """What a validator does after a round, with another age in the place of days."""

    async def go() -> None:
        store = FakeStateStore(memory=memory)
        keep = remembered(await store.load(), ONE, Block(before))
        while await store.forget(ONE, before=Block(before), keep=keep, at=NOW) is not None:
            pass

    asyncio.run(go())


@settings(max_examples=4)
@given(
    st.integers(0, 2**24 - 1),
    st.lists(st.integers(0, 3_600), min_size=NUM_ROUNDS, max_size=NUM_ROUNDS),
)
def test_whatever_is_forgotten_and_when_every_later_round_ends_alike(
    seed: int, ages: list[int]
) -> None:
    whole, short = a_world(seed), a_world(seed)
    for number, before in enumerate(ages, start=1):
        expected, found = whole.run(rounds=number), short.run(rounds=number)
        newest = expected.rounds[ONE][-1]
        assert found.rounds[ONE][-1] == newest
        assert found.submissions == expected.submissions
        assert found.weights == expected.weights
        assert [abridged(r) for r in found.rounds[ONE]] == [
            replace(abridged(r), forgotten_at=f.forgotten_at)
            for r, f in zip(expected.rounds[ONE], found.rounds[ONE], strict=True)
        ]
        forget(short.store.memory, min(before, newest.key.sync_block))
    result = audit(short.store.memory)
    assert result.differences == ()
    assert result.receipts == sum(map(len, short.store.memory.receipts.values()))
    (gone,) = result.forgotten or (None,)
    assert (gone.num_rounds if gone else 0) == sum(
        r.forgotten_at is not None for r in short.store.memory.results.values()
    )


def test_rounds_that_are_no_longer_held_change_no_later_one() -> None:
    whole, short = a_world(0o1234567), a_world(0o1234567)
    for world in (whole, short):
        world.dataset.rows = list(some_samples(17_000, since=time_of(0), every_s=10))
        world.miner("late", 0.5, block=11_600)
        world.run(rounds=WINDOW_ROUNDS + 6, until=15_000)
    recorded = sorted(short.store.memory.results)
    forget(short.store.memory, recorded[-WINDOW_ROUNDS].sync_block)
    held = asyncio.run(held_by(short.store))
    assert [r.key for r in held.rounds[ONE]] == recorded[-WINDOW_ROUNDS:]
    assert held.past[ONE].num_judged == len(recorded) - WINDOW_ROUNDS
    expected, found = (w.run(rounds=WINDOW_ROUNDS + 10, until=16_000) for w in (whole, short))
    assert len(found.rounds[ONE]) > WINDOW_ROUNDS
    assert found.rounds[ONE] == expected.rounds[ONE][-len(found.rounds[ONE]) :]
    assert found.rounds[ONE][-1].winner == "late"
    assert (found.submissions, found.weights) == (expected.submissions, expected.weights)


async def held_by(store: FakeStateStore) -> ValidatorState:
    """What a validator that is started now holds of it."""
    keeper = StateKeeper(store)
    await keeper.load()
    return keeper.state


def test_an_audit_finds_a_changed_digit_in_what_is_left_of_a_round() -> None:
    world = a_world(0o1234567)
    world.run(rounds=3)
    memory = world.store.memory
    forget(memory, max(memory.results).sync_block)
    assert audit(memory).differences == ()
    old = min(memory.results)
    kept = next(key for key in memory.journal if key[0] == old)
    blocks = memory.journal[kept]
    first, *others = blocks[0].losses
    blocks[0] = replace(blocks[0], losses=(math.nextafter(first, 9), *others))
    places = [d.where for d in audit(memory).differences]
    assert f"competition 1, sync block {old.sync_block}, receipt of {kept[1].hotkey}, losses, " in (
        place.removesuffix("text 0") for place in places
    )


def audit(memory: Memory) -> AuditResult:
    auditor = Auditor(
        store=FakeStateStore(memory=memory),
        schedule=one_competition(),
        fingerprint=Digest("f" * 64),
        rule=KingOfTheHill(),
        verify=is_signed_by_fake,
    )
    return asyncio.run(auditor.run())


def rounds_of(count: int) -> tuple[RoundResult, ...]:
    return tuple(a_round_result(a_round_key(1, 360 * n)) for n in range(1, count + 1))


def test_the_window_of_the_standings_is_never_forgotten() -> None:
    for count in (1, WINDOW_ROUNDS, WINDOW_ROUNDS + 5):
        rounds = rounds_of(count)
        before = forget_before(ValidatorState(rounds={ONE: rounds}), ONE, keep_blocks=0)
        young = [r for r in rounds if before is None or r.key.sync_block >= before]
        assert len(young) == min(count, WINDOW_ROUNDS)
    assert forget_before(ValidatorState(), ONE, keep_blocks=0) is None


def test_rounds_are_kept_for_as_long_as_they_are_wanted() -> None:
    state = ValidatorState(rounds={ONE: rounds_of(100)})
    assert forget_before(state, ONE, keep_blocks=360 * 50) == 360 * 50


def test_a_round_under_way_and_what_follows_it_are_not_forgotten() -> None:
    plan: RoundPlan = a_round_plan(a_round_key(1, 700))
    state = ValidatorState(
        rounds={ONE: rounds_of(100)}, open_rounds={plan.key: OpenRound(plan=plan)}
    )
    assert forget_before(state, ONE, keep_blocks=0) == 700
    assert plan.entries[0] in remembered(state, ONE, Block(10**6))


def test_who_may_still_be_heard_is_remembered_and_who_is_retired_is_not() -> None:
    contender, retired, late = (an_entry_key(n, 100) for n in ("contender", "retired", "late"))
    champion, other = an_entry_key("champion", 100), an_entry_key("other", 100)
    submissions = {
        s.commitment.key: s
        for s in (
            a_submission(a_commitment("contender", 100)),
            a_submission(a_commitment("retired", 100), retired=True),
            a_submission(a_commitment("late", 100), retired=True),
            a_submission(a_commitment("champion", 100), retired=True),
            a_submission(a_commitment("other", 100, competition=2)),
        )
    }
    rows = tuple(an_entry_result(key) for key in (champion, late))
    state = ValidatorState(
        submissions=submissions,
        rounds={
            ONE: (
                a_round_result(a_round_key(1, 360), champion=champion),
                a_round_result(a_round_key(1, 720), champion=champion, entries=rows),
                a_round_result(a_round_key(1, 1080), skipped=Reason.DATA_UNAVAILABLE),
            )
        },
    )
    assert remembered(state, ONE, Block(720)) == {contender, champion, late}
    assert remembered(state, ONE, Block(721)) == {contender, champion}
    assert other not in remembered(state, ONE, Block(0))
    assert retired not in remembered(state, ONE, Block(0))
    first, second, third = state.rounds[ONE]
    postponing = {ONE: (first, replace(second, postponed=(retired,)), third)}
    kept = remembered(replace(state, rounds=postponing), ONE, Block(720))
    assert kept == {contender, champion, late, retired}


def test_a_commitment_is_remembered_until_a_round_in_which_another_had_replaced_it() -> None:
    old, new = a_commitment("alice", 100), a_commitment("alice", 800)
    elsewhere = a_commitment("bob", 100)
    known = [old, new, elsewhere, a_commitment("bob", 500, competition=2)]
    for newest, expected in ((360, {old, new, elsewhere}), (720, {old, new}), (1080, {new})):
        state = ValidatorState(
            submissions={c.key: a_submission(c) for c in known},
            rounds={ONE: (a_round_result(a_round_key(1, newest), champion=CHAMPION),)},
        )
        assert remembered(state, ONE, Block(10**6)) == {c.key for c in expected} | {CHAMPION}


def test_a_replaced_entry_is_remembered_for_as_many_judged_rounds_as_it_may_come_back_in() -> None:
    """Whatever was sat out since: else its evidence would be gone when it is scored again."""
    old, new = a_commitment("alice", 100), a_commitment("alice", 800)
    rows = tuple(an_entry_result(key) for key in (CHAMPION, old.key))
    first = a_round_result(a_round_key(1, 720), champion=CHAMPION, entries=rows)
    for skipped in (Reason.DATA_UNAVAILABLE, None):
        later = (
            a_round_result(a_round_key(1, 360 * n), champion=CHAMPION, skipped=skipped)
            for n in range(3, 40)
        )
        state = ValidatorState(
            submissions={c.key: a_submission(c) for c in (old, new)}, rounds={ONE: (first, *later)}
        )
        kept = remembered(state, ONE, Block(360 * 39))
        assert (old.key in kept) is (skipped is not None)
        gone = {key: replace(s, retired=True) for key, s in state.submissions.items()}
        assert remembered(replace(state, submissions=gone), ONE, Block(360 * 39)) == {CHAMPION}


@pytest.mark.parametrize(
    ("days", "cadence", "enough"), [(1, 360, 2), (1, 180, 1), (9, 3_600, 12), (11, 3_600, 12)]
)
def test_a_history_too_short_for_the_rules_is_refused(days: int, cadence: int, enough: int) -> None:
    schedule = a_schedule(a_stage(), timing=a_timing(cadence=cadence))
    require_enough_history(enough, schedule)
    if days < enough:
        with pytest.raises(CommandError, match=f"--keep-history {days}: .* at least {enough} days"):
            require_enough_history(days, schedule)


def forgetter_of(store: FakeStateStore, *, days: int) -> Callable[[int], None]:
    """Runs the actor over so many heads."""

    async def go(num_heads: int) -> None:
        keeper, heads = StateKeeper(store), Heads()
        await keeper.load()
        actor = Pruner(keeper=keeper, heads=heads.subscribe(), clock=FakeClock(), keep_days=days)
        task = asyncio.create_task(actor.run())
        for number in range(num_heads):
            heads.publish(BlockRef(Block(1_000_000 + number), "0x"))
            await heads.all_idle()
        task.cancel()

    return lambda num_heads: asyncio.run(go(num_heads))


def a_long_history(count: int = 60) -> FakeStateStore:
    store = FakeStateStore()

    async def go() -> None:
        for result in rounds_of(count):
            await store.open_round(a_round_plan(result.key))
            await store.finish_round(result)

    asyncio.run(go())
    return store


def test_a_validator_forgets_ten_rounds_at_a_head_until_nothing_is_too_old() -> None:
    store = a_long_history()
    run = forgetter_of(store, days=1)  # 20 rounds, but the standings need 24
    run(1)
    (gone,) = forgotten_of(asyncio.run(store.load()))
    assert (gone.num_rounds, gone.newest) == (10, 3_600)
    run(5)
    (gone,) = forgotten_of(asyncio.run(store.load()))
    assert (gone.num_rounds, gone.newest) == (36, 36 * 360)


def test_what_a_kill_left_is_forgotten_by_the_next_start() -> None:
    whole, store = a_long_history(), a_long_history()
    forgetter_of(whole, days=1)(9)
    for _ in range(9):
        forgetter_of(store, days=1)(1)
    for memory in (whole.memory, store.memory):
        for key, result in memory.results.items():
            memory.results[key] = replace(result, forgotten_at=result.forgotten_at and NOW)
    assert deepcopy(store.memory) == whole.memory
