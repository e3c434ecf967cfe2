"""Steps: whose time runs, and what the process makes of a step that never ends."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from datetime import timedelta

import pytest

from sn37.app.supervision.deadlines import BUSY_S, Steps, step
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.supervisor import LONGEST_WAIT_S, PAUSES_S, Supervisor
from sn37.domain.events import Degraded, Recovered
from sn37.ports.errors import ChainUnavailable, StoreUnavailable
from sn37.testing.builders import CHAIN_START, a_block_ref
from sn37.testing.fakes import FakeClock, RecordingSink


def names(steps: Steps) -> list[tuple[str, str, float]]:
    return [(s.actor, s.doing, s.silent_s) for s in steps.running()]


class TestTime:
    def test_only_the_innermost_step_ages_and_its_end_starts_the_outer_anew(self) -> None:
        steps = Steps(FakeClock())
        with steps.of("scoring"), step("a round"):
            steps.tick(10)
            with step("a model"):
                steps.tick(20)
                assert names(steps) == [("scoring", "a model", 20)]
            assert names(steps) == [("scoring", "a round", 0)]
        assert names(steps) == []

    def test_a_step_that_moves_on_is_never_overdue(self) -> None:
        clock = FakeClock()
        steps = Steps(clock)
        with steps.of("scoring"), step("a model", within_s=100) as scoring:
            for number in range(50):
                steps.tick(100)
                assert not steps.overdue()
                clock.elapsed += 100
                scoring.move_on(f"block {number}")
            assert (scoring.doing, scoring.since) == (
                "block 49",
                CHAIN_START + timedelta(seconds=5000),
            )

    def test_half_of_its_time_makes_it_slow_and_all_of_it_overdue(self) -> None:
        steps = Steps(FakeClock())
        with steps.of("weights"), step("setting weights") as waiting:
            steps.tick(BUSY_S / 2)
            assert not steps.slow()
            steps.tick(1)
            assert steps.slow() == (waiting,)
            steps.tick(BUSY_S / 2 - 1)
            assert not steps.overdue()
            steps.tick(1)
            assert steps.overdue() == (waiting,)

    def test_a_step_without_a_limit_may_last_for_ever(self) -> None:
        steps = Steps(FakeClock())
        with steps.of("models"), step("waiting for transfers", within_s=math.inf):
            steps.tick(1e9)
            assert not steps.slow()
            assert steps.document() == [
                {
                    "actor": "models",
                    "doing": "waiting for transfers",
                    "since": CHAIN_START.isoformat(timespec="seconds"),
                    "silent_s": 1e9,
                    "within_s": None,
                }
            ]

    async def test_steps_of_tasks_side_by_side_have_their_own_time(self) -> None:
        steps, go_on = Steps(FakeClock()), asyncio.Event()

        async def transfer(name: str) -> None:
            with step(name):
                await go_on.wait()

        with steps.of("models"), step("block 7"):
            tasks = [asyncio.create_task(transfer(name)) for name in ("a", "b")]
            await asyncio.sleep(0)
            steps.tick(5)
            assert names(steps) == [("models", "a", 5), ("models", "b", 5)]
            go_on.set()
            await asyncio.gather(*tasks)
            assert names(steps) == [("models", "block 7", 0)]

    def test_while_all_are_excused_nobody_ages_and_afterwards_all_begin_anew(self) -> None:
        steps = Steps(FakeClock())
        with steps.of("scoring"), step("a model"):
            steps.tick(BUSY_S)
            with steps.excused():
                steps.tick(BUSY_S)
            assert names(steps) == [("scoring", "a model", 0)]

    def test_where_nobody_watches_a_step_costs_nothing(self) -> None:
        with step("anything") as alone:
            alone.move_on("something else")
        assert alone.doing == "something else"

    async def test_a_step_that_outlives_its_actor_ends_without_a_trace(self) -> None:
        steps, held = Steps(FakeClock()), ExitStack()
        with steps.of("models"):
            held.enter_context(step("block 7"))
        with steps.of("models"), step("block 8"):
            held.close()
            assert names(steps) == [("models", "block 8", 0)]
            with step("inside"):
                assert names(steps) == [("models", "inside", 0)]


class TestHeads:
    async def test_an_actor_is_in_a_step_from_a_head_until_it_asks_for_the_next(self) -> None:
        steps, heads = Steps(FakeClock()), Heads()
        subscription = heads.subscribe()
        heads.publish(a_block_ref(7))
        with steps.of("models"):
            await anext(subscription)
            assert names(steps) == [("models", "block 7", 0)]
            waiting = asyncio.ensure_future(subscription.__anext__())
            await asyncio.sleep(0)
            steps.tick(BUSY_S * 1000)
            assert names(steps) == []
            waiting.cancel()


class TestSupervisor:
    async def test_an_outage_lasts_until_the_actor_is_done_with_something(self) -> None:
        sink, clock = RecordingSink(), FakeClock()
        tries = iter([False, False, True])

        async def actor() -> None:
            with step("reading"):
                if not next(tries):
                    raise ChainUnavailable("down")
            assert sink.events[-1] == Recovered(what="chain")

        await Supervisor(clock=clock, sink=sink).run({"chain": actor})
        assert [type(e) for e in sink.events] == [Degraded, Degraded, Recovered]

    @pytest.mark.parametrize(
        ("asked_s", "waited_s"),
        [
            (None, PAUSES_S.first),
            (0.0, PAUSES_S.first),
            (-17.0, PAUSES_S.first),
            (math.nan, PAUSES_S.first),
            (17.0, 17.0),
            (1e12, LONGEST_WAIT_S),
            (math.inf, LONGEST_WAIT_S),
        ],
    )
    async def test_whoever_is_down_is_not_waited_for_longer_than_ten_minutes(
        self, asked_s: float | None, waited_s: float
    ) -> None:
        sink, clock = RecordingSink(), FakeClock()
        tries = iter([False, True])

        async def actor() -> None:
            if not next(tries):
                raise StoreUnavailable("busy", retry_after_s=asked_s)

        before = clock.monotonic()
        await Supervisor(clock=clock, sink=sink).run({"models": actor})
        assert clock.monotonic() - before == waited_s
        assert [e.retry_in_s for e in sink.of(Degraded)] == [waited_s]

    async def test_what_an_actor_was_doing_is_forgotten_when_it_starts_again(self) -> None:
        steps, clock, held = Steps(FakeClock()), FakeClock(), ExitStack()
        tries = iter([False, True])

        async def actor() -> None:
            held.enter_context(step("block 1"))  # and never left
            if not next(tries):
                raise ChainUnavailable("down")
            assert [s.doing for s in steps.running()] == ["block 1"]

        await Supervisor(clock=clock, sink=RecordingSink(), steps=steps).run({"chain": actor})
        assert names(steps) == []
