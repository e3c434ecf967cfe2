"""Event sink that keeps all events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from sn37.domain.events import Event

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

_E = TypeVar("_E", bound=Event)


@dataclass(slots=True)
class RecordingSink:
    """Sink that keeps every event in the order of arrival."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[_E]) -> list[_E]:
        """Return the events of one class, in the order of arrival."""
        return [e for e in self.events if isinstance(e, kind)]


if TYPE_CHECKING:
    _sink: EventSink = RecordingSink()
