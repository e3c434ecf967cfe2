"""Contract tests for every event sink."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from sn37.domain.events import Event
from sn37.testing.builders import every_event

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink


class EventSinkContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def sink(self) -> EventSink:
        """Return a sink that works."""

    @abstractmethod
    def broken_sink(self) -> EventSink:
        """Return a sink whose destination fails at every write."""

    @pytest.mark.parametrize("event", every_event(), ids=lambda e: type(e).__name__)
    def test_every_event_is_accepted(self, event: Event) -> None:
        self.sink().emit(event)

    def test_a_broken_destination_never_shows(self) -> None:
        sink = self.broken_sink()
        for event in every_event():
            sink.emit(event)

    def test_an_event_may_come_twice(self) -> None:
        sink = self.sink()
        for event in (*every_event(), *every_event()):
            sink.emit(event)
