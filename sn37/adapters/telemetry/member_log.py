"""Which hotkey had which uid, in a file beside the record: the database is keyed by hotkey alone.

One JSON line for each opened round at which uids had changed, with the changed hotkeys, and
``null`` for one that has left: ``{"block": 7200, "uids": {"5F...": 12, "5G...": null}}``. The first
line has all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.telemetry.event_files import ends_in_half_a_line
from sn37.domain.canonical import canonical_json
from sn37.domain.events import Event, RoundOpened
from sn37.domain.ids import Block, Hotkey, Uid
from sn37.ordinary import read_ordinary

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

MAX_BYTES = 2**26  # a year in which 200 uids change each day takes 8 MB
# Errors of reading lines that something else has written.
NOT_A_LINE = (
    *(ValueError, LookupError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)

_Change = tuple[Block, Mapping[Hotkey, Uid | None]]


class MemberLog:
    """Sink that writes the file; it ignores all events but opened rounds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[Hotkey, Uid] | None = None
        self._has_failed = False

    def emit(self, event: Event) -> None:
        if not isinstance(event, RoundOpened) or not event.uids:
            return
        try:
            self._write(event.plan.key.sync_block, event.uids)
        except OSError as error:
            self._known = None  # the file says what was written
            if not self._has_failed:  # log it once
                self._has_failed = True
                log.warning("%s: %s; uids are missing from it", self._path, error.strerror or error)

    def _write(self, block: Block, uids: Mapping[Hotkey, Uid]) -> None:
        if self._known is None:
            self._known = _folded(_read(self._path), None)
        known = self._known
        changed: dict[str, int | None] = {h: uid for h, uid in uids.items() if known.get(h) != uid}
        changed.update((hotkey, None) for hotkey in known.keys() - uids.keys())
        if not changed:
            return
        line = canonical_json({"block": block, "uids": {**changed}}) + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = ends_in_half_a_line(self._path)
        with self._path.open("ab", buffering=0) as file:
            file.write(b"\n" + line if torn else line)
        self._known = dict(uids)


class Members:
    """Reader of the file, which a validator may be writing. It may be missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = -1
        self._changes: list[_Change] = []

    def __call__(self, block: Block) -> Mapping[Hotkey, Uid]:
        """Return the uids at a block, as they were last recorded; empty before the first line."""
        try:
            size = self._path.stat().st_size
            if size != self._size:
                self._changes, self._size = _read(self._path), size
        except OSError:
            return {}
        return _folded(self._changes, block)


def _read(path: Path) -> list[_Change]:
    """Return the lines of the file; those that are cut are left out."""
    try:
        lines = read_ordinary(path, MAX_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    found: list[_Change] = []
    for line in lines:
        try:
            told = json.loads(line)
            uids = {
                Hotkey(str(hotkey)): None if uid is None else Uid(int(uid))
                for hotkey, uid in told["uids"].items()
            }
            found.append((Block(int(told["block"])), uids))
        except NOT_A_LINE:
            continue
    return found


def _folded(changes: list[_Change], block: Block | None) -> dict[Hotkey, Uid]:
    """Return the uids after all changes, or after those up to a block."""
    uids: dict[Hotkey, Uid] = {}
    for at, changed in changes:
        if block is not None and at > block:
            break
        for hotkey, uid in changed.items():
            if uid is None:
                uids.pop(hotkey, None)
            else:
                uids[hotkey] = uid
    return uids


if TYPE_CHECKING:
    _: type[EventSink] = MemberLog
