"""The subnet as a validator saw it last, in a file for the leaderboard: ``subnet.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from sn37.domain.metagraph import SubnetSnapshot
from sn37.durable import write_whole
from sn37.ordinary import read_ordinary

log = logging.getLogger(__name__)

NAME = "subnet.json"  # in the state folder
MAX_BYTES = 2**21  # a subnet of 256 members has 0.1 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    version: Literal[1]
    subnet: SubnetSnapshot


_CONTENT = TypeAdapter(_Content)


def write_subnet(path: Path, seen: SubnetSnapshot) -> None:
    """Write the file whole, in the place of an older one; raises ``OSError``."""
    write_whole(path, _CONTENT.dump_json(_Content(version=1, subnet=seen)))


class SubnetFile:
    """Reader of the file, which is not trusted and may be missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._held: SubnetSnapshot | None = None

    def __call__(self) -> SubnetSnapshot | None:
        """Return its content; ``None`` if there is none that can be read. Quick."""
        try:
            seen = self._path.stat()
        except OSError:
            return None
        stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp, self._held = stamp, self._read()
        return self._held

    def _read(self) -> SubnetSnapshot | None:
        try:
            content = read_ordinary(self._path, MAX_BYTES)
            return _CONTENT.validate_json(content, strict=True).subnet
        except (OSError, ValidationError) as error:
            log.warning("%s is left out: %s", self._path, " ".join(str(error).split())[:200])
            return None
