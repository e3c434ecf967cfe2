"""The files of events: ``events.jsonl``, and finished ones beside it that it was renamed to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sn37.ordinary import open_ordinary

MAX_BYTES = 16 * 2**20  # of a file; about eight days of 20 rounds of two competitions
MAX_FINISHED = 8  # older ones are removed: at most 144 MiB are kept, about 70 days


def event_files(path: Path) -> tuple[Path, ...]:
    """Return the files that continue one another up to ``path``, the oldest first.

    Finished files are called ``events-000001.jsonl``, ``events-000002.jsonl``, ...

    Args:
        path: The file that is written now; it may be missing.
    """
    finished = [found for _, found in _finished(path)]
    return (*finished, path) if path.exists() else tuple(finished)


def finish(path: Path, *, max_finished: int = MAX_FINISHED) -> None:
    """Rename ``path`` to the next finished file, and remove those that are too many.

    Nothing is lost if the process is killed in between: a name is changed at once.

    Raises:
        OSError: The folder refuses it; ``path`` is where it was, or has its new name.
    """
    finished = _finished(path)
    number = finished[-1][0] + 1 if finished else 1
    path.rename(path.with_name(f"{path.stem}-{number:06}{path.suffix}"))
    for _, old in finished[: max(0, len(finished) + 1 - max_finished)]:
        old.unlink(missing_ok=True)


def ends_in_half_a_line(path: Path) -> bool:
    """True if an earlier run was cut off in the middle of a line.

    Raises:
        OSError: The file cannot be read, or is not an ordinary one.
    """
    try:
        with open_ordinary(path) as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except FileNotFoundError:
        return False


class NewLines:
    """Complete lines of events, each yielded once, however often the file is finished meanwhile.

    Lines of files that are removed before they are read are left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0  # of the file that was read last: what it is or will be called
        self._read_bytes = 0  # of that file

    def __call__(self) -> Iterator[bytes]:
        """Yield the lines since the last call, without line breaks."""
        while (found := _opened_from(self._path, self._number)) is not None:
            number, is_finished, file = found
            with file:
                if number != self._number:
                    self._number, self._read_bytes = number, 0
                file.seek(self._read_bytes)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # it is not complete yet
                    self._read_bytes += len(line)
                    yield line[:-1]
            if not is_finished:
                return
            self._number, self._read_bytes = number + 1, 0


def _opened_from(path: Path, number: int) -> tuple[int, bool, BinaryIO] | None:
    """Open the file with this number, or the oldest one after it.

    Returns its number, and whether it is finished; ``None`` if it does not exist yet.
    """
    while True:
        finished = _finished(path)
        current = finished[-1][0] + 1 if finished else 1
        later = [(n, file) for n, file in finished if n >= number]
        try:
            if later:
                return later[0][0], True, later[0][1].open("rb")
            file = path.open("rb")
        except FileNotFoundError:
            if _finished(path) == finished:
                return None
            continue
        if _finished(path) == finished:
            return current, False, file
        file.close()  # it was finished meanwhile


def _finished(path: Path) -> list[tuple[int, Path]]:
    """Return the finished files with their numbers, in order."""
    named = re.compile(re.escape(path.stem) + r"-(\d{6,})" + re.escape(path.suffix))
    try:
        found = [(named.fullmatch(file.name), file) for file in path.parent.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(match[1]), file) for match, file in found if match is not None)
