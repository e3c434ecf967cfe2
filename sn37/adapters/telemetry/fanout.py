"""A sink that passes every event to several sinks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sn37.domain.events import Event
from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)


@runtime_checkable
class Closable(Protocol):
    """A sink with resources to free."""

    def close(self) -> None: ...


class FanOut:
    """Gives each event to each sink, even if others fail."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = tuple(sinks)
        self._failed: set[int] = set()

    def emit(self, event: Event) -> None:
        for position, sink in enumerate(self._sinks):
            try:
                sink.emit(event)
            except Exception:
                # A broken sink fails at every event; log it once.
                if position not in self._failed:
                    self._failed.add(position)
                    log.warning("%s failed; later failures are silent", sink, exc_info=True)

    def close(self) -> None:
        """Close the sinks with resources, such as a file or a bar on the terminal."""
        for sink in self._sinks:
            if isinstance(sink, Closable):
                sink.close()


if TYPE_CHECKING:
    _: type[EventSink] = FanOut
