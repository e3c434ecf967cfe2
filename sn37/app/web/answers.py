"""Answers to requests: made in one thread, and kept until the record changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

from fastapi import Path, Query, Request, Response

from sn37.app.web.page_cache import Answer, PageCache, answer

HTML, JSON = "text/html; charset=utf-8", "application/json"

# Parts of addresses; anything else is not an address of a page.
Number = Annotated[int, Path(ge=0, le=10**9)]
Block = Annotated[int, Path(ge=0, le=10**15)]
Address = Annotated[str, Path(max_length=128)]
PageNo = Annotated[int, Query(ge=1, le=10**6)]
Wanted = Annotated[str, Query(max_length=200)]
MaybeNumber = Annotated[int | None, Query(ge=0, le=10**9)]


class Answers:
    """Makes answers one at a time, and keeps each until the record changes.

    Args:
        stamp: Returns a text that changes with every change of the record.
    """

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._cache = PageCache()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pages")
        self._making = asyncio.Lock()

    async def get(
        self,
        request: Request,
        key: tuple[object, ...],
        make: Callable[[], str | bytes],
        media_type: str,
        *,
        file_name: str | None = None,
    ) -> Response:
        """Return the answer for a key, made of the present state of the record."""
        found = self._cache.get(key, self._stamp())
        if found is None:
            async with self._making:
                # After a change all open pages ask at once; the first request makes the answer.
                stamp = self._stamp()
                found = self._cache.get(key, stamp)
                if found is None:
                    found = await asyncio.get_running_loop().run_in_executor(
                        self._thread, partial(_made, make, media_type, file_name)
                    )
                    self._cache.put(key, stamp, found)
        return response(request, found)


def response(request: Request, found: Answer) -> Response:
    """Return an answer: compressed if the client accepts that, empty if it has the same."""
    headers = {"etag": found.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    known = request.headers.get("if-none-match", "")
    if found.etag in known or known == "*":
        return Response(status_code=304, headers=headers)
    if found.file_name is not None:
        headers["content-disposition"] = f'attachment; filename="{found.file_name}"'
    body = found.body
    if found.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = found.compressed, "gzip"
    headers["content-type"] = found.media_type
    return Response(body, headers=headers)


def _made(make: Callable[[], str | bytes], media_type: str, file_name: str | None) -> Answer:
    body = make()
    return answer(body.encode() if isinstance(body, str) else body, media_type, file_name=file_name)
