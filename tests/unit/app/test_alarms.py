"""The actor that reports what does not happen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from sn37.app.actors.alarms import DISK_BLOCKS, Alarms
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.heads import Heads
from sn37.domain.disk.free_space import LOW_BYTES
from sn37.domain.events import DiskLow, Event, Recovered, WeightsOverdue
from sn37.domain.ids import Block
from sn37.domain.round.state import ColdStart
from sn37.domain.weights.overdue import GRACE_BLOCKS, overdue_since
from sn37.testing.builders import (
    a_beginning,
    a_block_ref,
    a_competition,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_weights_record,
)
from sn37.testing.fakes import FakeStateStore
from sn37.testing.fakes.telemetry import RecordingSink

SCHEDULE = a_schedule(a_stage(a_competition(1)))
TIMING = SCHEDULE.timing
SENT = replace(a_weights_record(Block(720)), extrinsic="731-2")
LATE = overdue_since(Block(720), begun=Block(0), timing=TIMING)


async def seen(
    blocks: list[int], *, free: list[int | None] | None = None, weights: Any = SENT, **changes: Any
) -> list[Event]:
    """The events of a validator that sees these heads."""
    keeper, heads, sink = StateKeeper(FakeStateStore()), Heads(), RecordingSink()
    await keeper.load()
    await keeper.finish_round(a_round_result(a_round_key(1, 720)))  # the warm-up is over
    if weights is not None:
        await keeper.record_weights(weights)
    sizes = list(free or [])
    alarms = Alarms(
        keeper=keeper,
        heads=heads.subscribe(),
        schedule=SCHEDULE,
        sink=sink,
        free_bytes=lambda: sizes.pop(0) if sizes else None,
        **changes,
    )
    task = asyncio.create_task(alarms.run())
    for block in blocks:
        heads.publish(a_block_ref(block))
        await heads.all_idle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return list(sink.events)


def test_weights_are_due_at_the_next_sync_block_with_ten_minutes_of_grace() -> None:
    assert 720 + 2 * TIMING.cadence + GRACE_BLOCKS == LATE
    first = TIMING.next_sync_block(Block(300))
    never = overdue_since(None, begun=Block(300), timing=TIMING)
    assert never == first + TIMING.cadence + GRACE_BLOCKS


async def test_overdue_weights_are_reported_once_a_round() -> None:
    blocks = [1_000, LATE - 1, LATE, LATE + 1, LATE + TIMING.cadence]
    event = WeightsOverdue(newest=Block(720), since=LATE)
    assert await seen(blocks) == [event, event]


async def test_a_validator_that_has_just_started_gets_time_to_send_them() -> None:
    begun = LATE + 5_000
    events = await seen([begun, begun + GRACE_BLOCKS - 1, begun + GRACE_BLOCKS])
    (event,) = events
    assert isinstance(event, WeightsOverdue)
    assert event.since == begun + GRACE_BLOCKS


async def test_weights_that_were_not_taken_do_not_count() -> None:
    unsent = replace(SENT, sync_block=Block(1_440), extrinsic=None)
    (event,) = await seen([1_000, LATE + 5_000], weights=unsent)
    assert isinstance(event, WeightsOverdue)
    assert event.newest is None


async def test_a_run_that_sends_none_has_no_overdue_weights() -> None:
    assert await seen([1_000, LATE], offline=True) == []


async def test_a_warm_up_is_waited_for() -> None:
    keeper, heads, sink = StateKeeper(FakeStateStore()), Heads(), RecordingSink()
    await keeper.load()
    await keeper.begin(a_beginning(ColdStart.NOTHING))
    alarms = Alarms(
        keeper=keeper,
        heads=heads.subscribe(),
        schedule=SCHEDULE,
        sink=sink,
        free_bytes=lambda: None,
    )
    task = asyncio.create_task(alarms.run())
    for block in (1_000, 9_000):
        heads.publish(a_block_ref(block))
        await heads.all_idle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sink.events == []


async def test_a_disk_is_looked_at_every_five_minutes_and_reported_when_it_changes() -> None:
    free = [2 * LOW_BYTES, LOW_BYTES - 1, LOW_BYTES - 2, 2 * LOW_BYTES - 1, 2 * LOW_BYTES]
    blocks = [1_000 + n for n in range(4 * DISK_BLOCKS + 1)]
    assert await seen(blocks, free=list(free)) == [
        DiskLow(free_bytes=LOW_BYTES - 1),
        Recovered(what="disk"),
    ]


async def test_a_disk_that_cannot_be_seen_is_not_reported() -> None:
    assert await seen([1_000, 2_000], free=[None, None], weights=None, offline=True) == []
