"""Times of blocks from the validator's own files of events, ``events.jsonl`` and finished ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from sn37.adapters.telemetry.event_files import event_files
from sn37.domain.ids import Block
from sn37.ordinary import open_ordinary

NUM_PROBES = 64  # places of the files that are read, whatever their size
_PROBE_BYTES = 2**16  # holds dozens of events
LOOK_EVERY_S = 5.0


class HeadTimes:
    """Heads that the validator saw, with the time of this machine when it saw them.

    Args:
        path: The file of events that is written now; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[Block, datetime] = {}
        self._sizes: tuple[int, ...] = ()  # of the files, in bytes
        self._looked_s = -LOOK_EVERY_S

    def __call__(self) -> dict[Block, datetime]:
        """Return some heads over the whole time, the newest among them. Quick."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            with suppress(OSError):  # without the files times are not known
                self._look()
        return self._found

    def _look(self) -> None:
        files = event_files(self._path)
        sizes = tuple(file.stat().st_size for file in files)
        if sizes == self._sizes:
            return
        if not self._found or len(sizes) != len(self._sizes) or sizes < self._sizes:
            self._found = dict(_probed(files, sizes))
        # The file that is written now may not hold a head yet.
        for file, size in zip(reversed(files), reversed(sizes), strict=True):
            if newest := list(_heads(file, max(0, size - _PROBE_BYTES)))[-1:]:
                self._found.update(newest)
                break
        self._sizes = sizes


def _probed(files: Sequence[Path], sizes: Sequence[int]) -> Iterator[tuple[Block, datetime]]:
    """Yield heads at places that are evenly spread over all files."""
    ends = tuple(accumulate(sizes))
    total = ends[-1] if ends else 0
    for number in range(NUM_PROBES if total else 0):
        place = total * number // NUM_PROBES
        index = next(n for n, end in enumerate(ends) if place < end)
        start = place - (ends[index] - sizes[index])
        if (found := next(_heads(files[index], start), None)) is not None:
            yield found


def _heads(path: Path, start: int) -> Iterator[tuple[Block, datetime]]:
    """Yield the heads in one piece of a file; lines that are cut or not events are left out."""
    with open_ordinary(path) as file:
        file.seek(start)
        piece = file.read(_PROBE_BYTES)
    for line in piece.split(b"\n"):
        if b'"HeadAdvanced"' not in line:
            continue
        try:
            event = json.loads(line)
            at = datetime.fromisoformat(event["at"])
            block = int(event["head"]["number"])
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
            continue
        if at.tzinfo is not None:
            yield Block(block), at
