"""What the health pages and the service manager are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sn37.app.config.setting_types import host_and_port
from sn37.app.supervision.deadlines import Steps, step
from sn37.app.supervision.health import ATTEMPT_S, MAX_HEAD_AGE_S, HealthBoard
from sn37.app.supervision.heartbeat import BEAT_S, STUCK_S, Pulse
from sn37.domain.events import (
    BlockScored,
    Cautioned,
    Degraded,
    Event,
    HeadAdvanced,
    PoolFrozen,
    Recovered,
    SubmissionFetched,
    WeightsSubmitted,
)
from sn37.domain.ids import Block
from sn37.testing.builders import a_block_ref, every_event
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.telemetry import RecordingSink
from sn37.testing.telemetry_contract import EventSinkContract


def a_head(block: int = 1000) -> HeadAdvanced:
    return HeadAdvanced(head=a_block_ref(block), next_sync=Block(1080))


def an_outage(what: str = "chain", retry_in_s: float = 10.0) -> Degraded:
    return Degraded(what=what, error="connection refused", retry_in_s=retry_in_s)


class TestBoardAsSink(EventSinkContract):
    def sink(self) -> HealthBoard:
        return HealthBoard(clock=FakeClock())

    def broken_sink(self) -> HealthBoard:
        return self.sink()  # it has no destination


class TestBoard:
    def test_before_the_first_block_it_is_not_ready(self) -> None:
        board = HealthBoard(clock=FakeClock())
        assert board.not_ready() == "no block has been seen yet"
        board.emit(a_head())
        assert board.not_ready() == ""

    def test_a_chain_that_stands_still_is_not_followed(self) -> None:
        clock = FakeClock()
        board = HealthBoard(clock=clock)
        board.emit(a_head())
        clock.elapsed += MAX_HEAD_AGE_S
        assert board.not_ready() == ""
        clock.elapsed += 1
        assert board.not_ready() == "the newest block arrived 601 s ago"

    def test_an_outage_lasts_from_its_first_report_until_it_is_over(self) -> None:
        clock = FakeClock()
        board = HealthBoard(clock=clock)
        began = clock.now()
        for _ in range(3):
            board.emit(an_outage(retry_in_s=10.0))
            clock.elapsed += 10.0 + ATTEMPT_S / 2
        assert board.outages()["chain"].since == began
        board.emit(Recovered(what="chain"))
        assert board.outages() == {}

    def test_an_outage_has_an_age(self) -> None:
        clock = FakeClock()
        board = HealthBoard(clock=clock)
        board.emit(an_outage("chain"))
        clock.elapsed += 30.0
        board.emit(an_outage("weights"))
        clock.elapsed += 5.0
        assert board.outages_s() == {"chain": 35.0, "weights": 5.0}

    def test_an_outage_that_is_not_reported_again_is_over(self) -> None:
        clock = FakeClock()
        board = HealthBoard(clock=clock)
        board.emit(an_outage(retry_in_s=10.0))
        clock.elapsed += 10.0 + ATTEMPT_S
        assert board.outages() == {}
        board.emit(an_outage())
        assert board.outages()["chain"].since == clock.now()

    @pytest.mark.parametrize(
        ("what", "works"),
        [
            ("model host", SubmissionFetched),
            ("data source", PoolFrozen),
            ("scorer", BlockScored),
            ("weights", WeightsSubmitted),
        ],
    )
    def test_an_outage_is_over_when_what_failed_has_worked(
        self, what: str, works: type[Event]
    ) -> None:
        board = HealthBoard(clock=FakeClock())
        board.emit(an_outage(what))
        board.emit(an_outage("another"))
        for event in every_event():
            if isinstance(event, works):
                board.emit(event)
        assert set(board.outages()) == {"another"}

    def test_the_status_line_names_block_and_outages(self) -> None:
        board = HealthBoard(clock=FakeClock())
        assert board.status() == "starting"
        board.emit(a_head(1234))
        board.emit(an_outage("model host"))
        assert board.status() == "block 1234; model host degraded since 2026-01-01 00:00 UTC"


@dataclass(slots=True)
class FakeWatch:
    silent_s: float = 0.0
    is_running: bool = False
    beats: int = 0

    def start(self) -> None:
        self.is_running = True

    def beat(self) -> None:
        self.beats += 1

    def close(self) -> None:
        self.is_running = False


@dataclass(slots=True)
class FakeManager:
    told: list[dict[str, str]] = field(default_factory=list)

    def tell(self, **fields: str) -> None:
        self.told.append(fields)


class Patient:
    def __init__(self) -> None:
        self.clock, self.watch, self.manager = FakeClock(), FakeWatch(), FakeManager()
        self.board = HealthBoard(clock=self.clock)
        self.steps = Steps(self.clock)
        self.sink = RecordingSink()
        self.ended: list[str] = []
        self.pulse = Pulse(
            clock=self.clock,
            watchdog=self.watch,
            manager=self.manager,
            board=self.board,
            steps=self.steps,
            sink=self.sink,
            end=self.ended.append,
        )


class TestPulse:
    async def test_it_beats_until_it_is_cancelled(self) -> None:
        patient = Patient()
        running = asyncio.create_task(patient.pulse.run())
        while patient.watch.beats < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        patient.board.emit(a_head())
        while patient.watch.beats < 5:  # noqa: ASYNC110
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        told = patient.manager.told
        assert told[:3] == [{"READY": "1"}, {"WATCHDOG": "1"}, {"STATUS": "starting"}]
        assert [t for t in told if "STATUS" in t][1:] == [{"STATUS": "block 1000"}]
        assert told[-1] == {"STOPPING": "1"}
        assert set(patient.clock.sleeps) == {BEAT_S}

    def test_the_watchdog_runs_as_long_as_it_is_watched(self) -> None:
        patient = Patient()
        with patient.pulse.watched():
            assert patient.watch.is_running
        assert not patient.watch.is_running

    def test_a_loop_that_is_silent_is_neither_healthy_nor_ready(self) -> None:
        patient = Patient()
        patient.board.emit(a_head())
        assert (patient.pulse.healthy()[0], patient.pulse.ready()[0]) == (True, True)
        patient.watch.silent_s = STUCK_S / 2
        assert (patient.pulse.healthy()[0], patient.pulse.ready()[0]) == (False, False)

    def test_without_a_chain_it_lives_and_says_why_it_is_not_ready(self) -> None:
        pulse = Patient().pulse
        assert pulse.healthy()[0]
        is_ready, body = pulse.ready()
        assert (is_ready, body["not_ready"]) == (False, "no block has been seen yet")

    def test_the_pages_name_version_block_and_outages(self) -> None:
        patient = Patient()
        patient.board.emit(a_head(77))
        patient.board.emit(an_outage())
        _, body = patient.pulse.healthy()
        assert (body["block"], body["block_age_s"], body["loop_silent_s"]) == (77, 0.0, 0.0)
        assert body["degraded"] == {
            "chain": {"since": "2026-01-01T00:00:00+00:00", "error": "connection refused"}
        }

    async def test_a_stuck_actor_is_told_once_and_shown_and_ends_the_process(self) -> None:
        patient = Patient()
        patient.board.emit(a_head(77))
        with patient.steps.of("weights"), step("setting weights", within_s=20 * BEAT_S):
            running = asyncio.create_task(patient.pulse.run())
            while not patient.ended:  # noqa: ASYNC110
                await asyncio.sleep(0)
            _, body = patient.pulse.healthy()
            running.cancel()
            await asyncio.wait([running])
        assert patient.watch.beats == 21
        stuck = (
            "stuck since 2026-01-01 00:00 UTC: setting weights; after 20 s "
            "the process ends itself so that it is started again"
        )
        assert patient.sink.events == [Cautioned(what="weights", advice=stuck)]
        assert patient.ended == [f"weights is {stuck}"]
        told = [t["STATUS"] for t in patient.manager.told if "STATUS" in t]
        assert told == ["block 77", f"block 77; weights {stuck}"]
        assert body["steps"] == [
            {
                "actor": "weights",
                "doing": "setting weights",
                "since": "2026-01-01T00:00:00+00:00",
                "silent_s": 21.0,
                "within_s": 20.0,
            }
        ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:9137", ("127.0.0.1", 9137)), ("[::1]:0", ("::1", 0)), ("name:1", ("name", 1))],
)
def test_an_address_has_a_host_and_a_port(text: str, parts: tuple[str, int]) -> None:
    assert host_and_port(text) == parts


@pytest.mark.parametrize("text", ["", "9137", ":9137", "host", "h:x", "h:70000", "h:1/x", "u@h:1"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        host_and_port(text)
