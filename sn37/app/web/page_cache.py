"""Finished answers, kept until the record changes."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_BYTES = 32 * 2**20  # of all answers together
MAX_AGE_S = 20.0  # the newest block, which pages name, is not in the record
_LEAST_COMPRESSED = 1_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a request, ready to send."""

    body: bytes
    compressed: bytes | None  # by gzip, if that is smaller
    etag: str
    media_type: str
    file_name: str | None = None  # to save it under

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.compressed or b"")


def answer(body: bytes, media_type: str, *, file_name: str | None = None) -> Answer:
    """Return an answer with its digest as ETag."""
    packed = gzip.compress(body, 4, mtime=0) if len(body) >= _LEAST_COMPRESSED else None
    return Answer(
        body=body,
        compressed=packed if packed is not None and len(packed) < len(body) else None,
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        media_type=media_type,
        file_name=file_name,
    )


class PageCache:
    """Keeps the answers asked for last, at most ``MAX_BYTES``. For one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], tuple[str, float, Answer]] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: tuple[object, ...], stamp: str) -> Answer | None:
        """Return an answer that was made of the same state of the record."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] != stamp or time.monotonic() - found[1] > MAX_AGE_S:
            return None
        self._kept.move_to_end(key)
        return found[2]

    def put(self, key: tuple[object, ...], stamp: str, made: Answer) -> None:
        """Keep an answer in the place of an older one; drop the least recently used if full."""
        self._drop(key)
        if made.size_bytes > MAX_BYTES // 8:
            return
        self._kept[key] = (stamp, time.monotonic(), made)
        self._size_bytes += made.size_bytes
        while self._size_bytes > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[object, ...]) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self._size_bytes -= found[2].size_bytes
