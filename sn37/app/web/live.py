"""Server-sent events: tell open pages that the record has changed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from hashlib import sha256

LOOK_EVERY_S = 1.0
ALIVE_EVERY_S = 15.0
LONGEST_S = 600.0  # then the page connects again
MAX_STREAMS = 200
MAX_STREAMS_OF_CLIENT = 6


class Streams:
    """Open streams of events, limited in all and for each client. For one event loop.

    Args:
        stamp: Returns a text that changes with every change of the record.
        is_stopping: Returns true when streams must end.
    """

    def __init__(self, stamp: Callable[[], str], is_stopping: Callable[[], bool]) -> None:
        self._stamp = stamp
        self._is_stopping = is_stopping
        self._open: Counter[str] = Counter()

    def has_room_for(self, client: str) -> bool:
        """True if a client may open one more stream."""
        return self._open.total() < MAX_STREAMS and self._open[client] < MAX_STREAMS_OF_CLIENT

    async def events(self, client: str) -> AsyncIterator[bytes]:
        """Yield an event for every change, and a comment now and then that keeps it open."""
        self._open[client] += 1
        try:
            began_s = said_s = time.monotonic()
            seen = self._stamp()
            yield b"retry: 3000\n\n"
            while time.monotonic() - began_s < LONGEST_S and not self._is_stopping():
                await asyncio.sleep(LOOK_EVERY_S)
                stamp, now_s = self._stamp(), time.monotonic()
                if stamp != seen:
                    seen, said_s = stamp, now_s
                    yield b"event: changed\ndata: %b\n\n" % digest(stamp).encode()
                elif now_s - said_s >= ALIVE_EVERY_S:
                    said_s = now_s
                    yield b": alive\n\n"
        finally:
            self._open[client] -= 1
            self._open += Counter()  # forget clients without a stream


def digest(stamp: str) -> str:
    """Return a short name of a state of the record."""
    return sha256(stamp.encode()).hexdigest()[:16]
