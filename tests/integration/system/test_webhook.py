"""Messages over HTTP, to a server of our own that behaves well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from sn37.adapters.system.clock import SystemClock
from sn37.adapters.system.webhook import HttpWebhook
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config.settings import load_settings
from sn37.app.notifications.bodies import BodyFormat, body_of
from sn37.app.notifications.notices import NoticeKind, Notices
from sn37.app.notifications.notifier import Notifier
from sn37.app.notifications.outbox import Outbox
from sn37.app.wiring.notifications import build_notifier
from sn37.domain.events import DiskLow
from sn37.ports.errors import WebhookRefused, WebhookUnavailable
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.webhook_contract import WebhookContract

WAIT_S = 30.0
SECRET = "very-secret"


class Server:
    """Answers each POST with the next of its answers, the last one for ever."""

    def __init__(self, *answers: tuple[int, dict[str, str]]) -> None:
        self.answers = list(answers) or [(204, {})]
        self.taken: list[bytes] = []
        self.num_asked = 0
        self.asked = threading.Semaphore(0)
        self.address = ""

    def answer(self, body: bytes) -> tuple[int, dict[str, str]]:
        self.num_asked += 1
        status, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if 200 <= status < 300:
            self.taken.append(body)
        self.asked.release()
        return status, headers


class _Handler(BaseHTTPRequestHandler):
    server_of_test: ClassVar[Server]

    def do_POST(self) -> None:  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = self.server_of_test.answer(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    handler = type("Handler", (_Handler,), {"server_of_test": server})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{httpd.server_address[1]}/hook/{SECRET}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class TestHttpWebhook(WebhookContract):
    @pytest.fixture(autouse=True)
    def _served(self) -> Iterator[None]:
        with serving(Server()) as self.server:
            yield

    def webhook(self) -> HttpWebhook:
        return HttpWebhook(self.server.address)

    def received(self) -> list[bytes]:
        return self.server.taken

    def busy(self, retry_after_s: float | None) -> HttpWebhook:
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        self.server.answers = [(429, headers)]
        return self.webhook()

    def refusing(self) -> HttpWebhook:
        self.server.answers = [(404, {})]
        return self.webhook()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_answer_that_asks_for_patience_is_unavailable(status: int) -> None:
    date = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    with (
        serving(Server((status, date))) as server,
        pytest.raises(WebhookUnavailable, match=str(status)) as caught,
    ):
        HttpWebhook(server.address).post(b"{}", timeout_s=WAIT_S)
    assert caught.value.retry_after_s is None


def test_a_redirect_is_not_followed() -> None:
    with serving(Server()) as other, serving(Server((307, {"Location": other.address}))) as server:
        with pytest.raises(WebhookRefused, match="redirects"):
            HttpWebhook(server.address).post(b"{}", timeout_s=WAIT_S)
        assert other.num_asked == 0


@pytest.mark.parametrize("port", ["1", "0", "x"])
def test_no_message_shows_the_address(port: str) -> None:
    webhook = HttpWebhook(f"http://127.0.0.1:{port}/hook/{SECRET}")
    with pytest.raises((WebhookUnavailable, WebhookRefused)) as caught:
        webhook.post(b"{}", timeout_s=WAIT_S)
    assert SECRET not in str(caught.value)
    assert SECRET not in webhook.name
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_server_that_never_answers_is_left_in_time() -> None:
    silent = threading.Event()

    class Silent(Server):
        def answer(self, body: bytes) -> tuple[int, dict[str, str]]:
            silent.wait(WAIT_S)
            return super().answer(body)

    with serving(Silent()) as server:
        with pytest.raises(WebhookUnavailable):
            HttpWebhook(server.address).post(b"{}", timeout_s=0.2)
        silent.set()


def test_a_message_that_is_not_taken_at_first_arrives_once() -> None:
    with serving(Server((503, {}), (429, {"Retry-After": "0.01"}), (204, {}))) as server:
        clock = SystemClock()
        notifier = Notifier(
            webhook=HttpWebhook(server.address),
            notices=Notices(clock=FakeClock()),
            kinds=frozenset(NoticeKind),
            compose=partial(body_of, format_=BodyFormat.JSON, sender="sn37 test"),
            monotonic=lambda: 1_000 * clock.monotonic(),  # pauses of seconds take milliseconds
            outbox=Outbox(window_s=1.0),
        )
        notifier.emit(DiskLow(free_bytes=2**28))
        for _ in range(3):
            assert server.asked.acquire(timeout=WAIT_S)
        notifier.close()
        assert len(server.taken) == 1
        assert notifier.num_dropped == 0


def test_the_sink_of_the_settings_posts_to_their_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Server()) as server:
        monkeypatch.setenv("SN37_WEBHOOK", server.address)
        monkeypatch.setenv("SN37_WEBHOOK_FORMAT", "slack")
        settings = load_settings({"network": "test"})
        sink: Any = build_notifier(settings, Notices(clock=FakeClock()), SystemClock())
        sink.emit(DiskLow(free_bytes=2**28))
        assert server.asked.acquire(timeout=WAIT_S)
        sink.close()
    assert json.loads(server.taken[0])["text"].startswith("sn37 test: the disk is nearly full\n")
    assert SECRET not in caplog.text


def test_a_message_does_not_name_the_key_in_the_address_of_a_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(Server()) as server:
        monkeypatch.setenv("SN37_WEBHOOK", server.address)
        arguments = ["status", "--network", "wss://node.example/key", "--test-webhook"]
        assert run(main.app, arguments, prog_name="sn37") == 0
        assert json.loads(server.taken[0])["sender"] == "sn37 node.example"


def test_a_trial_says_who_took_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Server((204, {}), (204, {}), (404, {}))) as server:
        monkeypatch.setenv("SN37_WEBHOOK", server.address)
        arguments = ["status", "--network", "test", "--test-webhook"]
        assert run(main.app, arguments, prog_name="sn37") == 0
        assert capsys.readouterr().out == "127.0.0.1 took a message in the format json\n"
        assert json.loads(server.taken[0])["kind"] == "trial"
        assert run(main.app, [*arguments, "--json"], prog_name="sn37") == 0
        said = json.loads(capsys.readouterr().out)
        assert said == {"took": "127.0.0.1 took a message in the format json"}
        assert run(main.app, arguments, prog_name="sn37") == 1
        shown = capsys.readouterr()
        assert (
            shown.err == "error: webhook at 127.0.0.1: it answers 404; check the setting webhook\n"
        )
        assert SECRET not in shown.out + shown.err
