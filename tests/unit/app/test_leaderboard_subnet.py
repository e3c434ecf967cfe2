"""Pages beyond finished rounds: uids, stake and consensus, open rounds, the wait in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.domain.ids import Block, CompetitionId, Hotkey, RoundKey
from sn37.domain.metagraph import Consensus, Metagraph, SubnetSnapshot
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_draw,
    a_neuron,
    a_round_plan,
    a_round_result,
    a_submission,
    a_weights_record,
    an_entry_result,
    losses,
    some_weights,
)
from tests.support.boards import TIMES, two_competitions

ONE = CompetitionId(1)
VALIDATOR, ALICE, BOB = Hotkey("validator"), Hotkey("alice"), Hotkey("bob")
SEEN = SubnetSnapshot(
    validator=VALIDATOR,
    metagraph=Metagraph(
        at=a_block_ref(2_500),
        neurons=(
            a_neuron("validator", uid=0, stake_tao=900, validator_permit=True, last_update=2_400),
            a_neuron("larger", uid=1, stake_tao=5_000, validator_permit=True),
            replace(a_neuron("alice", uid=2), incentive=0.75),
            a_neuron("idle", uid=3),
        ),
    ),
    consensus=Consensus(
        at=a_block_ref(2_500),
        weights={ALICE: 0.7},
        validator_trust={VALIDATOR: 0.9},
        own={ALICE: 0.8, BOB: 0.2},
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    found = SqliteStateStore(tmp_path / "state.sqlite")
    asyncio.run(found.save_submissions([a_submission(a_commitment("alice", 100))]))
    yield found
    asyncio.run(found.close())


def board(
    tmp_path: Path, seen: SubnetSnapshot | None = SEEN, schedule: Schedule | None = None
) -> Leaderboard:
    found = Leaderboard(
        SqliteRecordReader(tmp_path / "state.sqlite"),
        schedule=schedule or two_competitions(),
        times=lambda: TIMES,
        network="test",
        subnet=lambda: seen,
    )
    found.read_history()
    return found


def test_own_weights_stand_against_the_consensus(store: SqliteStateStore, tmp_path: Path) -> None:
    sent = some_weights({"alice": 0.6, "bob": 0.4})
    asyncio.run(store.record_weights(a_weights_record(2_160, weights=sent)))
    asyncio.run(store.finish_round(a_round_result(RoundKey(ONE, Block(2_520)))))
    found = board(tmp_path).validator().subnet
    assert found is not None
    assert (found.seen.block, found.age_blocks, found.num_members) == (2_500, 20, 4)
    assert (found.uid, found.trust) == (0, 0.9)
    lines = {w.hotkey: (w.uid, w.sent, w.in_force, w.consensus, w.incentive) for w in found.weights}
    assert lines == {"alice": (2, 0.6, 0.8, 0.7, 0.75), "bob": (None, 0.4, 0.2, 0.0, 0.0)}
    assert [(v.hotkey, v.stake, v.trust, v.is_own) for v in found.validators] == [
        ("larger", 5_000.0, 0.0, False),
        ("validator", 900.0, 0.9, True),
    ]


def test_without_the_file_pages_have_no_uids(store: SqliteStateStore, tmp_path: Path) -> None:
    found = board(tmp_path, None)
    assert found.validator().subnet is None
    assert found.submissions(None).submissions[0].model.uid is None
    assert found.search("uid 2").submissions == ()


def test_a_uid_is_shown_and_found(store: SqliteStateStore, tmp_path: Path) -> None:
    other = a_commitment("5other2", 200)
    asyncio.run(store.save_submissions([a_submission(other)]))
    found = board(tmp_path)
    miner = found.miner(ALICE)
    assert miner is not None
    assert (miner.uid, miner.incentive) == (2, 0.75)
    for text, hotkeys in {
        "uid 2": ["alice"],
        "UID2": ["alice"],
        "2": ["alice", "5other2"],
        "uid 3": [],
        "uid 77": [],
        "99999": [],
    }.items():
        lines = found.search(text).submissions
        assert [line.model.hotkey for line in lines] == hotkeys, text
    assert found.search("2").submissions[0].model.uid == 2


def test_a_member_without_a_commitment_has_a_page(store: SqliteStateStore, tmp_path: Path) -> None:
    idle = board(tmp_path).miner(Hotkey("idle"))
    assert idle is not None
    assert (idle.uid, idle.submissions) == (3, ())
    assert board(tmp_path).miner(Hotkey("nobody")) is None


def test_an_open_round_has_scores_so_far_that_are_not_final(
    store: SqliteStateStore, tmp_path: Path
) -> None:
    key, alice = RoundKey(ONE, Block(2_160)), a_commitment("alice", 100).key
    bob = a_commitment("bob", 150)
    plan = a_round_plan(key, entries=(alice, bob.key), draws=(a_draw(),))

    async def score() -> None:
        await store.save_submissions([a_submission(bob)])
        await store.open_round(plan)
        await store.append(key, alice, losses(1.0, 3.0))

    asyncio.run(score())
    pages = board(tmp_path)
    view = pages.round(ONE, Block(2_160))
    assert view is not None
    first, second = view.entries
    assert (first.verdict, first.score, first.num_samples) == ("being scored", 2.0, 2)
    assert not first.is_final
    assert (second.verdict, second.score) == ("to be scored", None)
    asyncio.run(store.append(key, alice, losses(5.0, first=2)))
    again = pages.round(ONE, Block(2_160))
    assert again is not None
    assert (again.entries[0].score, again.entries[0].num_samples) == (3.0, 3)


@pytest.mark.parametrize(
    ("taken", "place", "rounds"),
    [
        ((2,), 5, (2, None)),
        ((2, 2), 5, (2, None)),
        ((2, 1), 5, (2, 4)),  # a round took one: four rounds wait before it
        ((0, 2), 5, (2, 4)),  # a round took none; at least one is assumed
        ((3, 2), 5, (1, 2)),
        ((2, 1), 1, (0, None)),
    ],
)
def test_the_wait_in_the_queue_is_an_interval_of_what_rounds_took(
    store: SqliteStateStore,
    tmp_path: Path,
    taken: tuple[int, ...],
    place: int,
    rounds: tuple[int, int | None],
) -> None:
    schedule = replace(two_competitions(), max_new_entries=2)
    cadence = schedule.timing.cadence
    begins = schedule.timing.next_sync_block(Block(schedule.timing.genesis + 2_000))
    waiting = [a_commitment(f"queued-{n}", 900 + n) for n in range(5)]
    queued = tuple(
        an_entry_result(c.key, verdict=Verdict.WAITING, reason=Reason.QUEUED, score=None)
        for c in waiting
    )

    async def write() -> None:
        await store.save_submissions([a_submission(c) for c in waiting])
        for number, count in enumerate(taken):
            key = RoundKey(ONE, Block(begins + number * cadence))
            new = [a_commitment(f"new-{number}-{n}", 100 + n).key for n in range(count)]
            scored = tuple(map(an_entry_result, new))
            await store.finish_round(a_round_result(key, entries=(*scored, *queued)))

    asyncio.run(write())
    view = board(tmp_path, schedule=schedule).submission(waiting[place - 1].key)
    assert view is not None
    queue = view.queue
    assert queue is not None
    next_round = begins + len(taken) * cadence
    first, last = rounds
    assert (queue.position, queue.num_waiting) == (place, 5)
    assert queue.round.block == next_round + first * cadence
    assert (queue.latest and queue.latest.block) == (
        None if last is None else next_round + last * cadence
    )
