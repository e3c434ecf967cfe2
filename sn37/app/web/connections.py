"""Connections of visitors, who may send nothing, or not read what they asked for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

LOOK_EVERY_S = 15.0
ANSWER_LOOKS = 8  # an answer of 3 MB takes two minutes at 25 KB/s
STREAM_LOOKS = 44  # an open page's stream of events ends by itself after ten minutes
STREAM = "/events"
LOG_EVERY_S = 60.0


class BoundedConnection(H11Protocol):
    """Ends connections on which nothing is asked, or on which an answer is not read.

    Without it a few hundred connections that send nothing, which costs their owner nothing, would
    keep all others out.
    """

    look_every_s = LOOK_EVERY_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_later(self.cycle, 0)

    def _look_later(self, seen: RequestResponseCycle | None, num_looks: int) -> None:
        self.loop.call_later(self.look_every_s, self._look, seen, num_looks)

    def _look(self, seen: RequestResponseCycle | None, num_looks: int) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not seen:
            self._look_later(self.cycle, 0)
        elif num_looks + 1 >= self._allowed_looks():
            self.transport.abort()
        else:
            self._look_later(seen, num_looks + 1)

    def _allowed_looks(self) -> int:
        if self.cycle is None or self.cycle.response_complete:
            return 1
        return STREAM_LOOKS if self.cycle.scope["path"] == STREAM else ANSWER_LOOKS


class SparseLog(logging.Filter):
    """Lets a message of one kind pass once a minute: visitors can cause as many as they like.

    Messages are of one kind if the program has one text for them, into which it puts values.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._passed: dict[tuple[str, Any], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = self._monotonic(), (record.name, record.msg)
        if now - self._passed.get(kind, -LOG_EVERY_S) < LOG_EVERY_S:
            return False
        self._passed[kind] = now
        return True
