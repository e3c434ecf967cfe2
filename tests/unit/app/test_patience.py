"""A store whose disk refuses for a while, as the actors see it."""

from __future__ import annotations

import asyncio

import pytest

from sn37.app.supervision.deadlines import BUSY_S, Steps, step
from sn37.app.supervision.waiting_store import PAUSES_S, PatientStore
from sn37.domain.events import Degraded, Recovered
from sn37.ports.errors import StateUnavailable
from sn37.testing.builders import (
    a_beginning,
    a_round_key,
    a_round_plan,
    an_entry_key,
    losses,
)
from sn37.testing.fakes import FakeClock, FakeStateStore, RecordingSink

FULL = StateUnavailable("the disk is full")


class Setting:
    def __init__(self, num_refusals: int) -> None:
        self.store = FakeStateStore(failures=[FULL] * num_refusals)
        self.clock, self.sink = FakeClock(), RecordingSink()
        self.steps = Steps(self.clock)
        self.patient = PatientStore(self.store, clock=self.clock, sink=self.sink, steps=self.steps)


async def test_what_rests_on_a_refused_write_waits_behind_it() -> None:
    setting, plan = Setting(num_refusals=3), a_round_plan()
    entry = plan.entries[0]
    await asyncio.gather(
        setting.patient.open_round(plan),
        setting.patient.append(plan.key, entry, losses(1.0)),  # it would be a bug in this order
    )
    assert setting.store.memory.journal == {(plan.key, entry): [losses(1.0)]}


async def test_pauses_grow_up_to_a_minute_and_the_end_is_told_once() -> None:
    setting = Setting(num_refusals=10)
    await setting.patient.pools(a_round_key())
    told = setting.sink.of(Degraded)
    assert [e.retry_in_s for e in told][:3] == [PAUSES_S.first, 2.0, 4.0]
    assert max(setting.clock.sleeps) == PAUSES_S.longest
    assert {(e.what, e.error) for e in told} == {("state", "the disk is full")}
    assert setting.sink.events[10:] == [Recovered(what="state")]


async def test_a_start_does_not_wait() -> None:
    setting = Setting(num_refusals=1)
    with pytest.raises(StateUnavailable):
        await setting.patient.load()
    assert setting.sink.events == []


async def test_what_a_start_has_found_out_in_hours_waits_for_the_disk() -> None:
    setting = Setting(num_refusals=3)
    await setting.patient.begin(a_beginning(), rounds=(), submissions=())
    assert (await setting.patient.load()).beginning == a_beginning()


async def test_whoever_is_stopped_while_waiting_holds_up_nobody() -> None:
    setting, key = Setting(num_refusals=10**6), a_round_key()
    waiting = [asyncio.create_task(setting.patient.pools(key)) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    setting.store.failures.clear()
    assert await setting.patient.losses(key.competition, [an_entry_key()]) == {an_entry_key(): {}}


async def test_nobody_is_late_who_waits_for_the_disk() -> None:
    setting = Setting(num_refusals=10**6)
    with setting.steps.of("scoring"), step("a model") as scoring:
        waiting = asyncio.create_task(setting.patient.pools(a_round_key()))
        while not setting.sink.events:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(10):
            setting.steps.tick(BUSY_S)
            await asyncio.sleep(0)
            assert not scoring.is_slow
        waiting.cancel()
        await asyncio.wait([waiting])
