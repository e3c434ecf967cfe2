"""Messages to an operator's chat: what is said, how often, and what strangers can put in them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.actors.alarms import DISK, Alarms
from sn37.app.config.settings import load_settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.notifications.bodies import MAX_CHARACTERS, BodyFormat, body_of, format_of
from sn37.app.notifications.notices import LONG_S, Notice, NoticeKind, Notices
from sn37.app.notifications.notifier import CLOSE_S, Notifier
from sn37.app.notifications.outbox import GIVE_UP_S, LONGEST_WAIT_S, WINDOW_S, Outbox, Parcel
from sn37.app.wiring.notifications import build_notifier, try_webhook
from sn37.domain.events import (
    Degraded,
    Dependency,
    DiskLow,
    Event,
    Recovered,
    RoundFinished,
    WeightsOverdue,
    WeightsSubmitted,
)
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.reasons import Reason
from sn37.ports.errors import WebhookRefused, WebhookUnavailable
from sn37.testing.builders import (
    a_round_key,
    a_round_result,
    an_entry_key,
    an_entry_result,
    every_event,
    some_weights,
)
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.webhook import FakeWebhook
from sn37.testing.telemetry_contract import EventSinkContract
from sn37.testing.webhook_contract import WebhookContract
from tests.support.fake_world import World

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ONE = CompetitionId(1)
ALICE, BOB = an_entry_key("alice"), an_entry_key("bob", 200)
WAIT_S = 30.0
SECRET = "https://discord.com/api/webhooks/1/very-secret"


class TestFakeWebhook(WebhookContract):
    @pytest.fixture(autouse=True)
    def _fake(self) -> None:
        self.fake = FakeWebhook()

    def webhook(self) -> FakeWebhook:
        return self.fake

    def received(self) -> list[bytes]:
        return self.fake.bodies

    def busy(self, retry_after_s: float | None) -> FakeWebhook:
        self.fake.failures = [WebhookUnavailable("wait", retry_after_s=retry_after_s)]
        return self.fake

    def refusing(self) -> FakeWebhook:
        self.fake.failures = [WebhookRefused("no")]
        return self.fake


# --- which events are worth a message -----------------------------------------------------------


def a_crowning(champion: Any, block: int = 720, **changes: Any) -> RoundFinished:
    result = a_round_result(a_round_key(1, block), **changes)
    return RoundFinished(result=replace(result, champion=champion))


def an_outage(what: str = "chain", error: str = "refused") -> Degraded:
    return Degraded(what=what, error=error, retry_in_s=10.0)


def titles(notices: Notices, *events: Event) -> list[str]:
    return [f"{n.kind}: {n.title}" for event in events for n in notices.of(event)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def notices(clock: FakeClock) -> Notices:
    return Notices(clock=clock)


def test_a_new_champion_is_reported_with_its_model_and_the_one_before(notices: Notices) -> None:
    notices.begin({ONE: ALICE})
    assert titles(notices, a_crowning(ALICE)) == []
    row = an_entry_result(BOB, repo="bob/model", score=0.98765)
    (notice,) = notices.of(a_crowning(BOB, entries=(row,)))
    assert (notice.kind, notice.title) == (
        NoticeKind.CROWN,
        "competition 1 has a new champion",
    )
    assert notice.text == (
        "round of block 720, champion bob, model bob/model, score 0.9877, before it alice"
    )


def test_a_vacant_crown_is_reported_and_a_missed_round_is_not(notices: Notices) -> None:
    notices.begin({ONE: ALICE})
    assert titles(notices, a_crowning(None, skipped=Reason.ABSENT)) == []
    assert titles(notices, a_crowning(None)) == ["crown: competition 1 has no champion"]
    assert titles(notices, a_crowning(None)) == []


def test_an_outage_is_reported_once_it_is_long_and_so_is_its_end(
    notices: Notices, clock: FakeClock
) -> None:
    assert titles(notices, an_outage()) == []
    clock.elapsed += LONG_S
    assert titles(notices, an_outage(), an_outage()) == ["degraded: chain fails"]
    assert titles(notices, Recovered(what="chain")) == ["degraded: chain works again"]


@pytest.mark.parametrize(
    "address",
    [
        "wss://node.example/secret",
        "wss://secret@node.example",
        "wss://node.example?k=secret",
        "WSS://node.example/secret",
    ],
)
def test_keys_of_endpoints_are_not_sent(notices: Notices, clock: FakeClock, address: str) -> None:
    outage = an_outage(error=f"{address}: refused, retry")
    list(notices.of(outage))
    clock.elapsed += LONG_S
    (notice,) = notices.of(outage)
    assert "wss://node.example" in notice.text.lower()
    assert "secret" not in notice.text


def test_a_short_outage_is_not_worth_a_message(notices: Notices, clock: FakeClock) -> None:
    assert titles(notices, an_outage()) == []
    clock.elapsed += LONG_S - 1
    assert titles(notices, Recovered(what="chain"), an_outage()) == []


def test_a_state_that_cannot_be_written_is_a_matter_of_the_disk(
    notices: Notices, clock: FakeClock
) -> None:
    outage = an_outage(Dependency.STATE, "no space left")
    assert titles(notices, outage) == []
    clock.elapsed += LONG_S
    assert titles(notices, outage) == ["disk: state fails"]


def test_overdue_weights_are_reported_until_some_are_set(notices: Notices) -> None:
    submitted = WeightsSubmitted(sync_block=Block(720), weights=some_weights(), extrinsic="731-2")
    assert titles(notices, submitted) == []
    overdue = WeightsOverdue(newest=Block(360), since=Block(1130))
    assert titles(notices, overdue) == ["weights: weights are overdue"]
    assert titles(notices, submitted, submitted) == ["weights: weights are set again"]


def test_a_full_disk_is_reported_until_there_is_room(notices: Notices) -> None:
    assert titles(notices, Recovered(what=DISK)) == []
    assert titles(notices, DiskLow(free_bytes=2**28)) == ["disk: the disk is nearly full"]
    assert titles(notices, Recovered(what=DISK)) == ["disk: the disk has room again"]


def test_a_whole_validator_gives_rise_to_every_kind(clock: FakeClock) -> None:
    """Crown from rounds, outage of the data source, weights refused for hours, a full disk."""
    world = World()
    world.miner("first", 1.0)
    world.chain.weights_version = 10**9  # no weights of this version are taken
    recording = world.sink

    async def live() -> None:
        container = world._container()
        container.alarms.override(
            Alarms(
                keeper=container.keeper(),
                heads=container.heads().subscribe(),
                schedule=world.schedule,
                sink=recording,
                free_bytes=lambda: 2**20,
            )
        )
        await container.keeper().load()
        actors = dict(container.actors())
        actors["driver"] = lambda: world._drive(container, 2_300)
        await container.supervisor().run(actors)

    asyncio.run(live())
    notices = Notices(clock=clock)
    found: set[NoticeKind] = set()
    for event in recording.events:
        found |= {notice.kind for notice in notices.of(event)}
        clock.elapsed += 1.0
    assert found == {NoticeKind.CROWN, NoticeKind.DEGRADED, NoticeKind.WEIGHTS, NoticeKind.DISK}


# --- how often ----------------------------------------------------------------------------------


def a_notice(kind: NoticeKind = NoticeKind.CROWN, title: str = "new champion") -> Notice:
    return Notice(kind=kind, title=title, text="details", at=NOON)


def a_parcel(**changes: Any) -> Parcel:
    return replace(Parcel(notice=a_notice(), num_more=0, put_at=0.0), **changes)


def test_the_first_message_goes_at_once_and_a_burst_is_one_more_after_a_minute() -> None:
    outbox = Outbox()
    outbox.put(a_notice(title="first"), 0.0)
    first = outbox.take(0.0)
    assert first is not None
    outbox.sent(first, 1.0)
    for number in range(4):
        outbox.put(a_notice(title=f"later {number}"), 2.0 + number)
    assert outbox.take(WINDOW_S) is None
    assert outbox.wait_s(10.0) == WINDOW_S + 1.0 - 10.0
    later = outbox.take(WINDOW_S + 1.0)
    assert later is not None
    assert (first.notice.title, first.num_more) == ("first", 0)
    assert (later.notice.title, later.num_more) == ("later 3", 3)
    assert outbox.wait_s(WINDOW_S + 1.0) is None


def test_kinds_do_not_wait_for_each_other() -> None:
    outbox = Outbox()
    outbox.put(a_notice(), 0.0)
    crown = outbox.take(0.0)
    assert crown is not None
    outbox.sent(crown, 0.0)
    outbox.put(a_notice(NoticeKind.DISK), 0.0)
    disk = outbox.take(0.0)
    assert disk is not None
    assert disk.notice.kind is NoticeKind.DISK


def test_a_failure_is_tried_again_after_longer_and_longer_pauses() -> None:
    outbox, now, waits = Outbox(), 0.0, []
    outbox.put(a_notice(), now)
    for _ in range(4):
        parcel = outbox.take(now)
        assert parcel is not None
        outbox.failed(parcel, now, None)
        waits.append(outbox.wait_s(now))
        now += waits[-1] or 0.0
    assert waits == [2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(
    ("asked", "waits"), [(7.5, 7.5), (10**9, LONGEST_WAIT_S), (-1.0, 2.0), (float("nan"), 2.0)]
)
def test_a_server_s_wait_is_kept_within_bounds(asked: float, waits: float) -> None:
    outbox = Outbox()
    outbox.put(a_notice(), 0.0)
    parcel = outbox.take(0.0)
    assert parcel is not None
    outbox.failed(parcel, 0.0, asked)
    assert outbox.wait_s(0.0) == waits


def test_what_cannot_be_sent_for_an_hour_is_given_up_and_counted() -> None:
    outbox = Outbox()
    outbox.put(a_notice(), 0.0)
    outbox.put(a_notice(), 0.0)
    parcel = outbox.take(0.0)
    assert parcel is not None
    outbox.failed(parcel, GIVE_UP_S - 1, None)
    assert outbox.take(GIVE_UP_S) is None
    assert outbox.num_dropped == 2
    assert outbox.wait_s(GIVE_UP_S) is None


@given(st.lists(st.tuples(st.sampled_from(list(NoticeKind)), st.booleans(), st.booleans())))
def test_no_notice_is_lost_from_the_count(steps: list[tuple[NoticeKind, bool, bool]]) -> None:
    """Each notice is sent, stands behind one that was, was dropped, or waits."""
    outbox, now, num_sent = Outbox(), 0.0, 0
    for kind, takes, arrives in steps:
        now += 20.0
        outbox.put(a_notice(kind), now)
        if takes and (parcel := outbox.take(now)) is not None:
            if arrives:
                outbox.sent(parcel, now)
                num_sent += 1 + parcel.num_more
            else:
                outbox.failed(parcel, now, None)
    waiting = outbox.take_all()
    assert len(waiting) <= len(NoticeKind)
    num_waiting = sum(1 + p.num_more for p in waiting)
    assert num_sent + outbox.num_dropped + num_waiting == len(steps)


# --- the thread ---------------------------------------------------------------------------------


def a_notifier(webhook: FakeWebhook, **changes: Any) -> Notifier:
    notices = Notices(clock=FakeClock())
    parts: dict[str, Any] = {
        "webhook": webhook,
        "notices": notices,
        "kinds": frozenset(NoticeKind),
        "compose": partial(body_of, format_=BodyFormat.JSON, sender="sn37 test"),
        "monotonic": iter_seconds(),
    }
    return Notifier(**{**parts, **changes})


def iter_seconds(step: float = 0.0) -> Callable[[], float]:
    """A clock that a test does not wait for."""
    now = [0.0]

    def monotonic() -> float:
        now[0] += step
        return now[0]

    return monotonic


class TestNotifierAsSink(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self.made: list[Notifier] = []
        yield
        for notifier in self.made:
            notifier.close()

    def sink(self) -> Notifier:
        self.made.append(a_notifier(FakeWebhook()))
        return self.made[-1]

    def broken_sink(self) -> Notifier:
        self.made.append(a_notifier(FakeWebhook(failures=[WebhookRefused("no")] * 50)))
        return self.made[-1]


def test_a_notice_is_sent_as_json() -> None:
    webhook = FakeWebhook()
    notifier = a_notifier(webhook)
    notifier.emit(DiskLow(free_bytes=2**28))
    assert webhook.attempts.acquire(timeout=WAIT_S)
    notifier.close()
    body = json.loads(webhook.bodies[0])
    assert body["kind"] == "disk"
    assert body["title"] == "the disk is nearly full"
    assert body["sender"] == "sn37 test"
    assert body["num_more"] == 0


def test_only_the_chosen_kinds_are_sent() -> None:
    webhook = FakeWebhook()
    notifier = a_notifier(webhook, kinds=frozenset({NoticeKind.WEIGHTS}))
    notifier.emit(DiskLow(free_bytes=2**28))
    notifier.emit(WeightsOverdue(newest=None, since=Block(5)))
    notifier.close()
    assert [json.loads(b)["kind"] for b in webhook.bodies] == ["weights"]


def test_a_receiver_that_fails_gets_the_message_later() -> None:
    webhook = FakeWebhook(failures=[WebhookUnavailable("busy", retry_after_s=0.001)] * 2)
    notifier = a_notifier(webhook, monotonic=iter_seconds(1.0))
    notifier.emit(DiskLow(free_bytes=2**28))
    for _ in range(3):
        assert webhook.attempts.acquire(timeout=WAIT_S)
    notifier.close()
    assert len(webhook.bodies) == 1
    assert notifier.num_dropped == 0


def test_a_receiver_that_hangs_neither_blocks_events_nor_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    webhook = FakeWebhook(gate=threading.Event())
    notifier = a_notifier(webhook)
    for event in every_event() * 100:
        notifier.emit(event)
    assert webhook.gate is not None
    closing = threading.Timer(0.0, notifier.close)
    closing.start()
    closing.join(CLOSE_S + WAIT_S)
    assert not closing.is_alive()
    assert "not all were sent" in caplog.text
    webhook.gate.set()


def test_what_is_refused_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    notifier = a_notifier(FakeWebhook(failures=[WebhookRefused("it answers 404")]))
    notifier.emit(DiskLow(free_bytes=2**28))
    notifier.close()
    assert notifier.num_dropped == 1
    assert "it answers 404" in caplog.text
    assert "1 were not sent" in caplog.text


# --- texts of strangers -------------------------------------------------------------------------

HOSTILE = "@everyone <@1> <!channel> [x](http://evil) **b** `c` https://evil & \\ \u202e \n# h"


@pytest.mark.parametrize("format_", BodyFormat)
def test_a_body_is_json_within_the_receiver_s_limits(format_: BodyFormat) -> None:
    long = a_parcel(notice=replace(a_notice(title="*" * 120), text="<" * 10_000), num_more=3)
    body = json.loads(body_of(long, format_, sender="sn37 finney"))
    shown = body.get("content") or body.get("text")
    if format_ is BodyFormat.DISCORD:
        assert len(shown) <= MAX_CHARACTERS + 100
        assert "and 3 more" in shown.replace("\\", "")
    if format_ is BodyFormat.SLACK:
        assert "and 3 more" in shown


def test_discord_shows_marks_and_mentions_as_they_are() -> None:
    parcel = a_parcel(notice=replace(a_notice(), text=HOSTILE))
    body = json.loads(body_of(parcel, BodyFormat.DISCORD, sender="sn37 finney"))
    assert body["allowed_mentions"] == {"parse": []}
    assert "\\@everyone" in body["content"]
    assert "\\<\\@1\\>" in body["content"]
    assert "https\\:\\/\\/evil" in body["content"]  # not a link
    assert "\\*\\*b\\*\\*" in body["content"]


def test_discord_does_not_take_a_repository_for_an_invitation() -> None:
    parcel = a_parcel(notice=replace(a_notice(), text="model discord.gg/abc"))
    body = json.loads(body_of(parcel, BodyFormat.DISCORD, sender="sn37 finney"))
    assert "model discord\\.gg\\/abc" in body["content"]


def test_slack_shows_marks_and_mentions_as_they_are() -> None:
    parcel = a_parcel(notice=replace(a_notice(), text=HOSTILE))
    body = json.loads(body_of(parcel, BodyFormat.SLACK, sender="sn37 finney"))
    assert "&lt;!channel&gt;" in body["text"]
    assert "&amp;" in body["text"]
    assert (body["mrkdwn"], body["unfurl_links"]) == (False, False)


def test_control_characters_and_lines_of_strangers_do_not_pass(notices: Notices) -> None:
    row = an_entry_result(BOB, repo="evil\n\u202e\x1b[31m/m")
    (notice,) = notices.of(a_crowning(BOB, entries=(row,)))
    assert "\n" not in notice.text
    assert notice.text.isprintable()


@pytest.mark.parametrize(
    ("address", "format_"),
    [
        (SECRET, BodyFormat.DISCORD),
        ("https://ptb.discord.com/api/webhooks/1/x", BodyFormat.DISCORD),
        ("https://discord.com/api/webhooks/1/x/slack", BodyFormat.SLACK),
        ("https://hooks.slack.com/services/T/B/x", BodyFormat.SLACK),
        ("https://notdiscord.com/x", BodyFormat.JSON),
        ("https://example.org/discord.com", BodyFormat.JSON),
    ],
)
def test_the_host_decides_on_the_format(address: str, format_: BodyFormat) -> None:
    assert format_of(address) is format_


# --- settings -----------------------------------------------------------------------------------


def test_the_address_is_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SN37_WEBHOOK", SECRET)
    settings = load_settings({"network": "test"})
    assert settings.webhook is not None
    assert settings.webhook.get_secret_value() == SECRET
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "very-secret" not in text


@pytest.mark.parametrize(
    "address", ["very-secret", "http://example.org/very-secret", "https:///very-secret"]
)
def test_a_wrong_address_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SN37_WEBHOOK", address)
    with pytest.raises(UsageError) as caught:
        load_settings({})
    assert "very-secret" not in str(caught.value)
    assert str(caught.value) == (
        "environment variable SN37_WEBHOOK: expected an https:// address, or one of this machine"
    )


def test_kinds_are_a_list_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SN37_WEBHOOK_KINDS", "crown, disk")
    assert load_settings({}).webhook_kinds == ("crown", "disk")
    monkeypatch.setenv("SN37_WEBHOOK_KINDS", "crowns")
    with pytest.raises(UsageError, match="crowns"):
        load_settings({})


def test_without_a_webhook_nothing_is_sent_and_none_can_be_tried() -> None:
    settings = load_settings({"network": "test"})
    sink = build_notifier(settings, Notices(clock=FakeClock()), FakeClock())
    for event in every_event():
        sink.emit(event)
    with pytest.raises(CommandError, match="SN37_WEBHOOK"):
        try_webhook(settings)
