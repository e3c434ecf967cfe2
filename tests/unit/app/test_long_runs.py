"""What keeps a validator that runs for months from growing, and changes no verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sn37.app.rounds.past_evidence import past_evidence
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.evidence import ALL_ROUNDS
from sn37.domain.round.history import history_of
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_competition,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_task,
    a_weights_record,
    an_entry_key,
    an_entry_result,
    an_outcome,
    losses,
)
from sn37.testing.fakes import FakeStateStore
from tests.support.fake_world import ONE, World, rows_by_name

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KING, RIVAL, NOVICE = (an_entry_key(name, 100) for name in ("king", "rival", "novice"))
SCHEDULE = a_schedule(a_stage(a_competition(1, tasks=(a_task(num_samples=16),), reward_share=1.0)))


def a_round(number: int, *scored: EntryKey) -> RoundResult:
    return a_round_result(
        a_round_key(1, 360 * number),
        champion=KING,
        entries=(
            *(an_entry_result(key) for key in scored),
            an_entry_result(NOVICE, verdict=Verdict.WAITING),
        ),
    )


async def test_old_rounds_are_held_as_far_as_rules_ask_for_them() -> None:
    store = FakeStateStore()
    keeper = StateKeeper(store)
    rounds = [a_round(n, KING, RIVAL) for n in range(1, WINDOW_ROUNDS + 4)]
    for result in rounds:
        await keeper.finish_round(result)
    restarted = StateKeeper(store)
    await restarted.load()
    for held in (keeper.state.rounds[ONE], restarted.state.rounds[ONE]):
        assert held[3:] == tuple(rounds[3:])
        assert [len(r.entries) for r in held[:3]] == [2, 2, 2]
        assert {(r.champion, r.key) for r in held} == {(r.champion, r.key) for r in rounds}
        assert history_of(held) == history_of(rounds)
    assert keeper.history(ONE) == history_of(rounds)
    assert (await store.load()).rounds[ONE] == tuple(rounds)


async def test_of_forgotten_rounds_what_they_come_to_is_held() -> None:
    store = FakeStateStore()
    keeper = StateKeeper(store)
    rounds = [a_round(n, KING, RIVAL) for n in range(1, 2 * WINDOW_ROUNDS)]
    rounds[1] = replace(rounds[1], champion=RIVAL)
    rounds[3] = a_round_result(rounds[3].key, skipped=Reason.OVERRUN)
    for result in rounds:
        if result.skipped is None:
            await keeper.open_round(a_round_plan(result.key, entries=(KING, RIVAL)))
        await keeper.finish_round(result)
    before, found = keeper.history(ONE), []
    while (block := await forget(keeper, 360 * 11)) is not None:
        found.append(block)
    assert found == [360 * n for n in (1, 2, 3, 5, 6, 7, 8, 9, 10)]
    restarted = StateKeeper(store)
    await restarted.load()
    for held in (keeper, restarted):
        assert [r.key for r in held.state.rounds[ONE]] == [r.key for r in rounds[10:]]
        assert held.state.past[ONE].num_judged == len(found)
        assert held.history(ONE) == before == history_of(rounds)
    assert len((await store.load()).rounds[ONE]) == len(rounds)


async def test_the_rounds_of_the_standings_are_held_also_when_they_were_forgotten() -> None:
    store = FakeStateStore()
    keeper = StateKeeper(store)
    rounds = [a_round(n, KING) for n in range(1, WINDOW_ROUNDS + 3)]
    for result in rounds:
        await keeper.open_round(a_round_plan(result.key, entries=(KING,)))
        await keeper.finish_round(result)
    while await forget(keeper, 1_000_000) is not None:
        pass
    assert [r.key for r in keeper.state.rounds[ONE]] == [r.key for r in rounds[2:]]


async def forget(keeper: StateKeeper, before: int) -> Block | None:
    return await keeper.forget(ONE, before=Block(before), keep=(), at=NOW)


async def test_of_weights_the_rows_are_held_that_may_still_count_and_all_are_stored() -> None:
    store = FakeStateStore()
    keeper = StateKeeper(store)
    records = [a_weights_record(360 * n, extrinsic=f"{n}-1") for n in range(1, WINDOW_ROUNDS + 4)]
    for record in records:
        await keeper.record_weights(record)
    restarted = StateKeeper(store)
    await restarted.load()
    assert keeper.state.weights == restarted.state.weights == tuple(records[3:])
    assert (await store.load()).weights == tuple(records)


class _Asked(FakeStateStore):
    """Remembers since when losses were asked for."""

    since: Block | None = None

    async def losses(
        self,
        competition: CompetitionId,
        entries: Collection[EntryKey],
        *,
        since: Block = ALL_ROUNDS,
    ) -> Mapping[EntryKey, Mapping[Block, tuple[BlockLosses, ...]]]:
        self.since = since
        return await FakeStateStore.losses(self, competition, entries, since=since)


async def test_of_a_long_reign_the_rounds_that_somebody_shared_are_read() -> None:
    store = _Asked()
    rounds = [a_round(n, KING) for n in range(1, 100)]
    rounds += [a_round(100, KING, RIVAL), a_round(101, KING), a_round(102, KING, RIVAL)]
    for result in rounds:
        scored = [e.key for e in result.entries if e.verdict is Verdict.SCORED]
        await store.open_round(a_round_plan(result.key, entries=tuple(scored)))
        for key in scored:
            await store.append(result.key, key, losses())
            await store.finish_entry(result.key, an_outcome(key), None)
        await store.finish_round(result)
    found = await past_evidence(store, SCHEDULE, ONE, [KING, RIVAL, NOVICE])
    assert {key: list(evidence) for key, evidence in found.by_entry.items()} == {
        KING: [36_000, 36_720],
        RIVAL: [36_000, 36_720],
        NOVICE: [],
    }
    assert store.since == 36_000
    store.since = None
    found = await past_evidence(store, SCHEDULE, ONE, [KING, NOVICE])
    assert (found.by_entry, store.since) == ({}, None)


def test_a_commitment_that_was_replaced_takes_no_contenders_place() -> None:
    """Four that were good once would otherwise keep everybody out for ever."""
    world = World()
    world.miner("king", 1.0)
    for number in range(4):
        world.miner(f"former-{number}", 0.9905, block=110 + number)
    world.miner("contender", 0.9906, block=120)
    first = world.run(rounds=1).rounds[ONE][-1]
    assert first.winner == "king"
    for number in range(4):
        world.miner(f"former-{number}", 2.0, block=world.chain.number)
    contender = rows_by_name(world.run(rounds=2).rounds[ONE][-1])["contender"]
    assert (contender.verdict, contender.reason) == (Verdict.SCORED, None)
