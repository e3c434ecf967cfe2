"""Port: an address that takes messages about a validator."""

from __future__ import annotations

from typing import Protocol


class Webhook(Protocol):
    """Receiver of messages. Its address is a secret, and in no text that this returns or raises."""

    @property
    def name(self) -> str:
        """Host of the receiver, for logs and people."""
        ...

    def post(self, body: bytes, *, timeout_s: float) -> None:
        """Send one JSON message; blocks until it has arrived, for ``timeout_s`` at most.

        It may arrive twice when the answer is lost and the caller tries again.

        Raises:
            WebhookUnavailable: No answer in time, or "later", with the wait that was asked for.
            WebhookRefused: The receiver does not take it, now or later.
        """
        ...
