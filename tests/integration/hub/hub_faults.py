"""Ways in which the hub of the tests misbehaves, switched on for some requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """One misbehaviour; the first that matches a request is applied to it.

    Args:
        path: Searched for in the request's path, together with its query.
        method: ``None`` matches every method.
        skip: Matching requests that it lets pass first.
        times: Requests that it spoils; ``None`` spoils all.
        status: Answered instead of the real answer, with ``headers``.
        body: Answered instead of the real body, with the real status.
        drop: Close the connection without an answer.
        cut_after: Bytes of the body after which the connection is closed.
        flip: Serve wrong bytes of the right length.
        resize: Bytes by which a file is longer than its listing says.
        delay_s: Wait before the answer.
        block_delay_s: Wait before every block of the body.
    """

    path: str
    method: str | None = None
    skip: int = 0
    times: int | None = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop: bool = False
    cut_after: int | None = None
    flip: bool = False
    resize: int = 0
    ignore_range: bool = False
    delay_s: float = 0.0
    block_delay_s: float = 0.0

    def matches(self, method: str, path: str) -> bool:
        if self.times == 0 or self.method not in (None, method):
            return False
        return re.search(self.path, path) is not None


NO_FAULT = Fault(path="")
