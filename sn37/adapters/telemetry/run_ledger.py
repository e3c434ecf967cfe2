"""The ledger of runs as a file of JSON lines, one for each thing that was decided."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.domain.canonical import JsonValue, canonical_json, fields_as_json
from sn37.domain.ids import Block, CompetitionId, Hotkey, RoundKey, Uid
from sn37.durable import sync
from sn37.ordinary import read_ordinary
from sn37.ports.errors import StateUnavailable
from sn37.ports.run_tracker import LedgerRun, RunPart, TrackedRun

if TYPE_CHECKING:
    from sn37.ports.run_tracker import RunLedger


MAX_BYTES = 2**26  # a round takes 20 bytes


class FileLedger:
    """Ledger in a file, which only grows; half a line at its end was never decided.

    The first process that uses it keeps it until it ends; two would place a round twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: list[LedgerRun] | None = None
        self._lock: int | None = None

    def runs(self) -> Sequence[LedgerRun]:
        return tuple(self._known())

    def begin(self, run: TrackedRun) -> None:
        self._append([{"begin": fields_as_json(run)}])

    def add(self, parts: Iterable[RunPart]) -> None:
        self._append(
            [
                {"add": [p.round.competition, p.round.sync_block, *([True] if p.is_later else [])]}
                for p in parts
            ]
        )

    def complete(self, run_id: str) -> None:
        self._append([{"complete": run_id}])

    def _known(self) -> list[LedgerRun]:
        if self._read is None:
            try:
                self._claim()
                self._read = self._from_file()
            except OSError as error:
                raise StateUnavailable(f"{self._path}: {error.strerror or error}") from error
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise StateUnavailable(
                    f"{self._path} is damaged: {error}; remove it to send all rounds again, "
                    "in new runs"
                ) from error
        return self._read

    def _claim(self) -> None:
        """Take the lock of this process, if it is not held yet."""
        if self._lock is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        path = self._path.with_name(f"{self._path.name}.lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            os.close(lock)
            raise StateUnavailable(
                f"another process sends these rounds and keeps {path}; it may be the validator's"
            ) from error
        self._lock = lock

    def _from_file(self) -> list[LedgerRun]:
        if not self._path.exists():
            return []
        content = read_ordinary(self._path, MAX_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
        runs: list[LedgerRun] = []
        for line in whole.splitlines():
            _take(runs, json.loads(line))
        return runs

    def _append(self, lines: Sequence[dict[str, JsonValue]]) -> None:
        runs = self._known()
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(canonical_json(line) + b"\n" for line in lines))
            sync(self._path)
            sync(self._path.parent)
        except OSError as error:
            self._read = None  # the disk says what was written
            raise StateUnavailable(f"{self._path}: {error.strerror or error}") from error
        for line in lines:
            _take(runs, line)


def _take(runs: list[LedgerRun], line: dict[str, JsonValue]) -> None:
    match line:
        case {"begin": {} as fields}:
            runs.append(LedgerRun(run=_run(fields), parts=()))
        case {"add": [int(competition), int(sync_block), *later]}:
            key = RoundKey(CompetitionId(competition), Block(sync_block))
            part = RunPart(round=key, is_later=bool(later))
            runs[-1] = replace(runs[-1], parts=(*runs[-1].parts, part))
        case {"complete": str(run_id)}:
            place = [held.run.id for held in runs].index(run_id)
            runs[place] = replace(runs[place], is_complete=True)
        case _:
            raise ValueError(f"unknown line {str(line)[:80]}")


def _run(fields: Mapping[str, JsonValue]) -> TrackedRun:
    uid, hotkey = fields["uid"], fields["hotkey"]
    return TrackedRun(
        id=str(fields["id"]),
        name=str(fields["name"]),
        started=str(fields["started"]),
        uid=Uid(uid) if isinstance(uid, int) else None,
        hotkey=Hotkey(hotkey) if isinstance(hotkey, str) else None,
        version=str(fields["version"]),
    )


if TYPE_CHECKING:
    _: type[RunLedger] = FileLedger
