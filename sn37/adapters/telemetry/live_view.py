"""The live view of a running validator: a few rows of text that fit a width.

Each row has several forms, from long to short; the longest that fits is shown. Names may be cut,
numbers never are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rich.cells import cell_len

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.events import (
    ENDS_OUTAGE,
    BlockScored,
    Degraded,
    EntryFinished,
    EntryStarted,
    Event,
    HeadAdvanced,
    QueueChanged,
    Recovered,
    RoundFinished,
    SetUpAdvanced,
)
from sn37.domain.ids import BLOCK_SECONDS, EntryKey, RoundKey
from sn37.domain.printable import printable

BAR = 20  # cells
LEAST_BAR = 8
SHOWN_NAME = 20  # characters of a miner's name
SHOWN_STEPS = 3  # of a set-up
SMOOTHED = 0.3  # weight of the newest block in the pace of scoring

_INDENT = " " * 10  # as wide as the word that begins a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The model that is being scored."""

    round: RoundKey
    key: EntryKey
    done: int  # blocks
    num_blocks: int
    number: int = 1  # of the model in its round
    num_entries: int = 1


class LiveView:
    """State of a run, collected from events.

    Args:
        block_s: Seconds between two blocks; ``None`` if the chain's time is not that of the world.
        glyphs: A full and an empty cell of a bar.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        block_s: float | None = float(BLOCK_SECONDS),
        monotonic: Callable[[], float] = time.monotonic,
        glyphs: str = "█░",
    ) -> None:
        self._labels = labels
        self._block_s = block_s
        self._monotonic = monotonic
        self._glyphs = glyphs
        self._steps: dict[str, tuple[int, int]] = {}  # of the set-up: done, total
        self._scoring: Scoring | None = None
        self._scored_s = 0.0  # when the newest block of samples was scored, or its model started
        self._pace_s: float | None = None  # of a block of samples
        self._head: tuple[HeadAdvanced, float] | None = None  # with its time
        self._queue: QueueChanged | None = None
        self._last: RoundFinished | None = None
        self._outages: dict[str, float] = {}  # since when

    def take(self, event: Event) -> None:
        """Take in what happened."""
        now = self._monotonic()
        match event:
            case SetUpAdvanced(what=what, done=done, total=total):
                self._steps.pop(what, None)
                if done < total:
                    self._steps[what] = (done, total)
            case EntryStarted():
                self._scoring = Scoring(
                    round=event.round,
                    key=event.key,
                    done=event.num_resumed,
                    num_blocks=event.num_blocks,
                    number=event.number,
                    num_entries=event.num_entries,
                )
                self._scored_s = now
            case BlockScored():
                self._take_block(event, now)
            case EntryFinished():
                self._scoring = None
            case HeadAdvanced():
                self._head = (event, now)
            case QueueChanged():
                self._queue = event
            case RoundFinished() if event.result.skipped is None:
                self._last = event
            case Degraded(what=what):
                self._outages.setdefault(what, now)
            case Recovered(what=what):
                self._outages.pop(what, None)
        if (ended := ENDS_OUTAGE.get(type(event))) is not None:
            self._outages.pop(ended, None)

    def _take_block(self, event: BlockScored, now: float) -> None:
        known = self._scoring
        if known is None or (known.round, known.key) != (event.round, event.key):
            known = Scoring(round=event.round, key=event.key, done=0, num_blocks=event.num_blocks)
        elif event.done == known.done + 1:
            took_s = now - self._scored_s
            pace_s = took_s if self._pace_s is None else self._pace_s
            self._pace_s = pace_s + SMOOTHED * (took_s - pace_s)
        self._scored_s = now
        self._scoring = replace(known, done=event.done, num_blocks=event.num_blocks)

    def rows(self, width: int) -> tuple[str, ...]:
        """Return the rows now, each at most ``width`` columns wide from 40 columns on."""
        return tuple(_longest(forms, width) for forms in self._forms(width))

    def _forms(self, width: int) -> Iterator[tuple[str, ...]]:
        now = self._monotonic()
        for what, (done, total) in tuple(self._steps.items())[-SHOWN_STEPS:]:
            counted = f"{done} of {total}"
            step = printable(what)
            bar = self._bar(done, total, width - len(_INDENT) - len(step) - len(counted) - 2)
            yield f"set-up    {step} {bar} {counted}", f"set-up    {step} {counted}", counted
        if (scoring := self._scoring) is not None:
            yield from self._scoring_forms(scoring, width, now)
        for what, since in self._outages.items():
            lasts = wording.duration(now - since)
            yield f"waiting   for {printable(what)}, for {lasts}", f"waiting   {printable(what)}"
        if self._head is not None:
            yield self._next_forms(*self._head, now)
        if (queue := self._queue) is not None:
            ready, left = queue.num_fetched, queue.num_waiting
            models = wording.counted(ready, "model")
            yield (
                f"queue     {models} ready for a first round, {left} to be fetched",
                f"queue     {ready} ready, {left} to fetch",
            )
        if self._last is not None:
            yield self._last_forms(self._last)

    def _scoring_forms(self, scoring: Scoring, width: int, now: float) -> Iterator[tuple[str, ...]]:
        place = f"model {scoring.number} of {scoring.num_entries}"
        name = _cut(wording.miner(scoring.key.hotkey, self._labels))
        where = scoring.round
        yield (
            f"scoring   {where}: {place}, {name}",
            f"scoring   {where}: {place}",
            f"scoring   round {where.sync_block}: {place}",
            f"scoring   {place}",
        )
        done = f"{scoring.done} of {scoring.num_blocks} blocks"
        left_s = self._left_s(scoring, now)
        left = "" if left_s is None else f", {wording.duration(left_s)} left"
        room = width - len(_INDENT) - len(done) - len(left) - 1
        bar = self._bar(scoring.done, scoring.num_blocks, room)
        yield f"{_INDENT}{bar} {done}{left}", f"{_INDENT}{done}{left}", f"{_INDENT}{done}"

    def _left_s(self, scoring: Scoring, now: float) -> float | None:
        """Return the time until the round is scored, if no model is stopped early."""
        if self._pace_s is None:
            return None
        others = (scoring.num_entries - scoring.number) * scoring.num_blocks
        blocks = scoring.num_blocks - scoring.done + others
        # A block that takes longer than usual, such as a model's first, is not over before it is.
        return max(0.0, blocks * self._pace_s - min(now - self._scored_s, self._pace_s))

    def _next_forms(self, event: HeadAdvanced, came_s: float, now: float) -> tuple[str, ...]:
        block = event.head.number
        num_left = event.next_sync - block
        left = wording.counted(num_left, "block")
        age = wording.duration(now - came_s)
        if self._block_s is None:
            return (
                f"next      round {event.next_sync} in {left}; block {block}, {age} old",
                f"next      round {event.next_sync} in {left}",
                f"next      {event.next_sync}, {left}",
            )
        when = wording.duration(max(0.0, num_left * self._block_s - (now - came_s)))
        return (
            f"next      round {event.next_sync} in {when}, {left}; block {block}, {age} old",
            f"next      round {event.next_sync} in {when}, {left}",
            f"next      {event.next_sync} in {when}",
            f"next      in {when}",
        )

    def _last_forms(self, event: RoundFinished) -> tuple[str, ...]:
        result = event.result
        where, short = str(result.key), f"round {result.key.sync_block}"
        if result.champion is None:
            return f"last      {where}: no champion", f"last      {short}: no champion"
        does = "keeps" if result.champion == event.holder else "takes"
        name = _cut(wording.miner(result.champion.hotkey, self._labels))
        found = next((e.score for e in result.entries if e.key == result.champion), None)
        score = "" if found is None else f"{found:.4f}"
        lower = wording.gain(result, event.holder)
        better = "" if lower is None else f", {wording.change(lower)}"
        scored = f" with {score}" if score else ""
        return (
            f"last      {where}: {name} {does} the crown{scored}{better}",
            f"last      {where}: {name}{scored}{better}",
            f"last      {short}: {name}{scored}{better}",
            f"last      {name}{scored}{better}",
            f"last      {name}{scored}",
            f"last      {name} {score}",
            f"last      {short} {score}",
        )

    def _bar(self, done: int, total: int, room: int) -> str:
        cells = min(BAR, room) if room >= LEAST_BAR else LEAST_BAR
        full = cells * done // max(total, 1)
        return self._glyphs[0] * full + self._glyphs[1] * (cells - full)


def _longest(forms: tuple[str, ...], width: int) -> str:
    return next((form for form in forms if cell_len(form) <= width), forms[-1])


def _cut(name: str) -> str:
    return name if len(name) <= SHOWN_NAME else f"{name[: SHOWN_NAME - 2]}.."
