"""Times of blocks from the validator's own file of events, ``events.jsonl``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sn37.domain.ids import Block

NUM_PROBES = 64  # places of the file that are read, whatever its size
_PROBE_BYTES = 2**16  # holds dozens of events
LOOK_EVERY_S = 5.0


class HeadTimes:
    """Heads that the validator saw, with the time of this machine when it saw them.

    Args:
        path: The file of events; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[Block, datetime] = {}
        self._size = 0
        self._looked_s = -LOOK_EVERY_S

    def __call__(self) -> dict[Block, datetime]:
        """Return some heads over the whole time, the newest among them. Quick."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._look()
        return self._found

    def _look(self) -> None:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size == self._size:
                    return
                if not self._found or size < self._size:
                    self._found = dict(_probed(file, size))
                newest = list(_heads(file, max(0, size - _PROBE_BYTES)))[-1:]
                self._found.update(newest)
                self._size = size
        except OSError:
            return  # without the file times are not known


def _probed(file: BinaryIO, size: int) -> Iterator[tuple[Block, datetime]]:
    for number in range(NUM_PROBES):
        found = next(_heads(file, size * number // NUM_PROBES), None)
        if found is not None:
            yield found


def _heads(file: BinaryIO, start: int) -> Iterator[tuple[Block, datetime]]:
    """Yield the heads in one piece of the file; lines that are cut or not events are left out."""
    file.seek(start)
    for line in file.read(_PROBE_BYTES).split(b"\n"):
        if b'"HeadAdvanced"' not in line:
            continue
        try:
            event = json.loads(line)
            at = datetime.fromisoformat(event["at"])
            block = int(event["head"]["number"])
        except (ValueError, LookupError, TypeError):
            continue
        if at.tzinfo is not None:
            yield Block(block), at
