"""A receiver of messages in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sn37.ports.webhook import Webhook


@dataclass(slots=True)
class FakeWebhook:
    """Keeps what it takes. ``failures`` are raised once each, one for each message."""

    failures: list[Exception] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    attempts: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    gate: threading.Event | None = None  # a message waits for it, at most for its timeout
    name: str = "fake"

    def post(self, body: bytes, *, timeout_s: float) -> None:
        if self.gate is not None:
            self.gate.wait(timeout_s)
        try:
            if self.failures:
                raise self.failures.pop(0)
            self.bodies.append(body)
        finally:
            self.attempts.release()


if TYPE_CHECKING:
    _: Webhook = FakeWebhook()
