"""Contract tests for every receiver of messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from sn37.ports.errors import WebhookRefused, WebhookUnavailable

if TYPE_CHECKING:
    from sn37.ports.webhook import Webhook

BODY = b'{"text": "hello"}'
TIMEOUT_S = 10.0


class WebhookContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def webhook(self) -> Webhook:
        """Return one that takes messages."""

    @abstractmethod
    def received(self) -> list[bytes]:
        """Return the messages that it has taken."""

    @abstractmethod
    def busy(self, retry_after_s: float | None) -> Webhook:
        """Return one that asks to wait, for so many seconds or for some time."""

    @abstractmethod
    def refusing(self) -> Webhook:
        """Return one that takes no message."""

    def test_a_message_arrives_as_it_is(self) -> None:
        self.webhook().post(BODY, timeout_s=TIMEOUT_S)
        assert self.received() == [BODY]

    @pytest.mark.parametrize("retry_after_s", [None, 7.5])
    def test_one_that_asks_to_wait_is_unavailable_for_that_time(
        self, retry_after_s: float | None
    ) -> None:
        with pytest.raises(WebhookUnavailable) as caught:
            self.busy(retry_after_s).post(BODY, timeout_s=TIMEOUT_S)
        assert caught.value.retry_after_s == retry_after_s
        assert self.received() == []

    def test_one_that_takes_no_message_refuses(self) -> None:
        with pytest.raises(WebhookRefused):
            self.refusing().post(BODY, timeout_s=TIMEOUT_S)
        assert self.received() == []
