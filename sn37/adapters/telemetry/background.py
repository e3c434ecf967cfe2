"""A screen that a thread writes to, so that a reader who stops holds up nothing else."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from sn37.adapters.telemetry.screens import Screen, Told
from sn37.adapters.telemetry.story import Line

log = logging.getLogger(__name__)

MAX_HELD = 1_000  # events that wait for the reader; a round of two competitions has some hundred
REDRAWN_EVERY_S = 1.0
LEAST_PAUSE_S = 0.1  # between two drawings; events that come meanwhile are drawn together
END_WITHIN_S = 2.0  # for the rest of the lines


class BackgroundScreen:
    """Shows on another screen, by a thread of its own.

    Nothing here waits for that screen. When too much waits to be shown, the oldest is left out, and
    a line says how many events that were.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        now: Callable[[], datetime],
        max_held: int = MAX_HELD,
        end_within_s: float = END_WITHIN_S,
    ) -> None:
        self._screen = screen
        self._now = now
        self._held: deque[Told] = deque(maxlen=max_held)
        self._end_within_s = end_within_s
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None  # started by the first event
        self._guard = threading.Lock()  # held for moments, never while something is written
        self._num_left_out = 0
        self._is_gone = False

    def show(self, told: Sequence[Told]) -> None:
        if self._is_gone or self._closed.is_set():
            return
        with self._guard:
            for each in told:
                self._num_left_out += len(self._held) == self._held.maxlen
                self._held.append(each)
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="console", daemon=True)
            self._thread.start()

    def missed(self, line: Line) -> None:
        """The thread says itself what it left out."""

    def tick(self) -> None:
        """The thread ticks by itself."""

    def close(self) -> None:
        """Show the rest, as long as it is read at once."""
        self._closed.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join(self._end_within_s)

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._changed.wait(REDRAWN_EVERY_S)
                self._changed.clear()
                self._show_held()
                self._closed.wait(LEAST_PAUSE_S)
            self._show_held()
            self._screen.close()
        except (OSError, ValueError) as error:  # the reader left, or standard error is closed
            self._is_gone = True
            log.warning("the console is gone: %s", error)

    def _show_held(self) -> None:
        with self._guard:
            told, self._num_left_out, num_left_out = tuple(self._held), 0, self._num_left_out
            self._held.clear()
        if num_left_out:
            block = next((line.block for each in told for line in each.lines), None)
            text = f"unread    {num_left_out} events while nobody read this; events.jsonl has them"
            self._screen.missed(Line(at=self._now(), block=block, text=text, is_warning=True))
        if told:
            self._screen.show(told)
        else:
            self._screen.tick()
