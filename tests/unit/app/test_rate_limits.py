"""A person waits for a host that limits the rate; what it says is honoured, with a countdown."""

from __future__ import annotations

import io
from pathlib import PurePath

import pytest

from sn37.app.mining.rate_limits import (
    MAX_WAITS,
    Countdown,
    Patience,
    PatientExaminer,
    PatientModels,
    PatientPublisher,
)
from sn37.ports.errors import StoreUnavailable
from sn37.testing.builders import some_constraints
from sn37.testing.builders.models import a_commitment
from sn37.testing.fakes import FakePublisher
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.model_store import FakeModelStore


class Waiter:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.told: list[tuple[str, int]] = []
        self.patience = Patience(clock=self.clock, tell=lambda *told: self.told.append(told))


@pytest.fixture
def waiter() -> Waiter:
    return Waiter()


def limited(seconds: float | None = 3.0) -> StoreUnavailable:
    return StoreUnavailable("the hub answers 429", retry_after_s=seconds)


async def test_a_host_that_says_when_to_ask_again_is_asked_then(waiter: Waiter) -> None:
    store = FakeModelStore()
    commitment = a_commitment("alice")
    published = store.publish(commitment)
    store.failures = [limited(2.5), limited(1)]
    models = PatientModels(store, waiter.patience)
    assert await models.fetch(commitment, some_constraints()) == published
    assert [left for _, left in waiter.told] == [3, 2, 1, 0, 1, 0]
    assert sum(waiter.clock.sleeps) == 4


async def test_a_host_that_does_not_say_when_is_not_waited_for(waiter: Waiter) -> None:
    store = FakeModelStore(failures=[limited(None)])
    with pytest.raises(StoreUnavailable):
        await PatientModels(store, waiter.patience).availability(a_commitment("alice").model)
    assert waiter.told == []


async def test_an_upload_waits_as_well(waiter: Waiter) -> None:
    publisher = FakePublisher(failures=[limited(), limited()])
    patient = PatientPublisher(publisher, waiter.patience)
    uploaded = await patient.upload(PurePath("model"), "alice/model", some_constraints())
    assert uploaded == publisher.uploads["alice/model"]
    await patient.make_public("alice/model")
    assert [left for _, left in waiter.told] == [3, 2, 1, 0, 3, 2, 1, 0]


async def test_a_host_that_puts_it_off_for_ever_is_given_up_within_its_bound(
    waiter: Waiter,
) -> None:
    class Examiner:
        calls = 0

        async def commit_of(self, repo: str, name: str) -> str:
            self.calls += 1
            raise limited(1)

        examine = licence = discard = commit_of

    examiner = Examiner()
    patient = PatientExaminer(examiner, waiter.patience)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match="429"):
        await patient.commit_of("alice/model", "main")
    assert examiner.calls == MAX_WAITS + 1


def test_without_a_terminal_a_wait_is_one_line() -> None:
    stream = io.StringIO()
    countdown = Countdown(stream)
    for left in (90, 89, 0, 5, 0):
        countdown.tell("the hub answers 429", left)
    assert stream.getvalue().splitlines() == [
        "the hub answers 429; trying again in 1:30",
        "the hub answers 429; trying again in 0:05",
    ]


def test_on_a_terminal_one_line_counts_down_and_is_wiped() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    countdown = Countdown(stream)
    for left in (2, 1, 0):
        countdown.tell("why", left)
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().split("\r")[1:] == [
        "why; trying again in 0:02\x1b[K",
        "why; trying again in 0:01\x1b[K",
        "\x1b[K",
    ]
