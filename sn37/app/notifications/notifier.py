"""Sends notices to a webhook, beside the event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sn37.app.notifications.notices import NoticeKind, Notices
from sn37.app.notifications.outbox import Outbox, Parcel
from sn37.domain.events import Event
from sn37.ports.errors import WebhookRefused, WebhookUnavailable
from sn37.ports.webhook import Webhook

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

POST_TIMEOUT_S = 10.0
CLOSE_S = 3.0  # for everything that is left at the end


class Notifier:
    """Sink that sends the notices of some kinds, at most one message of a kind in a minute.

    ``emit`` only puts a notice into the outbox; one thread sends, waits and tries again. Notices
    that are given up are counted and logged.

    Args:
        compose: Returns the body of a message.
        monotonic: Seconds, as of ``Clock``.
    """

    def __init__(
        self,
        *,
        webhook: Webhook,
        notices: Notices,
        kinds: frozenset[NoticeKind],
        compose: Callable[[Parcel], bytes],
        monotonic: Callable[[], float],
        outbox: Outbox | None = None,
    ) -> None:
        self._webhook = webhook
        self._notices = notices
        self._kinds = kinds
        self._compose = compose
        self._monotonic = monotonic
        self._outbox = outbox or Outbox()
        self._change = threading.Condition()  # guards the outbox
        self._is_closing = False
        self._thread: threading.Thread | None = None  # started by the first notice
        self._num_logged = 0  # of dropped notices

    @property
    def num_dropped(self) -> int:
        """Notices that were given up."""
        return self._outbox.num_dropped

    def emit(self, event: Event) -> None:
        for notice in self._notices.of(event):
            if notice.kind in self._kinds:
                with self._change:
                    self._outbox.put(notice, self._monotonic())
                    self._change.notify()
                self._start()

    def close(self) -> None:
        """Try once to send what is left, for a few seconds at most."""
        with self._change:
            self._is_closing = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            if self._thread.is_alive():
                log.warning("notifications to %s: not all were sent before the end", self._name)

    @property
    def _name(self) -> str:
        return self._webhook.name

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            self._send(parcel)
        with self._change:
            left = self._outbox.take_all()
        until = self._monotonic() + CLOSE_S
        for parcel in left:
            self._send(parcel, max(until - self._monotonic(), 0.1))
        with self._change:
            for parcel in self._outbox.take_all():
                self._outbox.refused(parcel, self._monotonic())
            self._log_dropped()

    def _next(self) -> Parcel | None:
        """Wait for a parcel that may be sent; ``None`` when it is time to end."""
        with self._change:
            while not self._is_closing:
                now = self._monotonic()
                if (parcel := self._outbox.take(now)) is not None:
                    return parcel
                self._log_dropped()
                self._change.wait(self._outbox.wait_s(now))
            return None

    def _send(self, parcel: Parcel, timeout_s: float = POST_TIMEOUT_S) -> None:
        try:
            self._webhook.post(self._compose(parcel), timeout_s=timeout_s)
        except WebhookUnavailable as error:
            log.info("notification to %s: %s; it is sent again", self._name, error)
            with self._change:
                self._outbox.failed(parcel, self._monotonic(), error.retry_after_s)
        except WebhookRefused as error:
            log.warning("notification to %s: %s", self._name, error)
            with self._change:
                self._outbox.refused(parcel, self._monotonic())
        else:
            with self._change:
                self._outbox.sent(parcel, self._monotonic())

    def _log_dropped(self) -> None:
        if (dropped := self._outbox.num_dropped) > self._num_logged:
            log.warning("notifications to %s: %d were not sent so far", self._name, dropped)
            self._num_logged = dropped


if TYPE_CHECKING:
    _: type[EventSink] = Notifier
