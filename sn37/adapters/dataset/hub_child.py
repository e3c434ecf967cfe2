"""Exchange with a child process that reads from Hugging Face: an order out, samples in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sn37.adapters.child_process.running import ChildError, child_environment, running
from sn37.adapters.dataset.sn1_hub_messages import MAX_LINE_BYTES
from sn37.domain.data.samples import Sample
from sn37.ports.errors import DatasetUnavailable

_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MALLOC_ARENA_MAX": "2",  # the memory limit counts what arenas reserve
}

L = TypeVar("L")


async def samples_until(
    end: type[L],
    worker: str,
    order: bytes,
    decode_line: Callable[[bytes], object],
    *,
    repo: str,
    timeout_s: float,
) -> tuple[tuple[Sample, ...], L]:
    """Return the samples that a reader sends, and what it sends last, which is an ``end``.

    Args:
        worker: Module of the reader.
        decode_line: Returns the value of a line; an error is returned, not raised.
        repo: For messages.

    Raises:
        DatasetUnavailable: The reader died or took too long.
        Exception: As the reader reports it.
    """
    environment = child_environment(_SETTINGS, prefix="HF_")
    samples: list[Sample] = []
    try:
        async with (
            asyncio.timeout(timeout_s),
            running(worker, environment, max_line_bytes=MAX_LINE_BYTES) as child,
        ):
            child.send(order)
            async for raw in child.lines():
                line = decode_line(raw)
                if isinstance(line, Sample):
                    samples.append(line)
                elif isinstance(line, end):
                    return tuple(samples), line
                elif isinstance(line, Exception):
                    raise line
            raise child.death()
    except TimeoutError as error:
        raise DatasetUnavailable(
            f"{repo}: reading was stopped because it took more than {timeout_s:g} s"
        ) from error
    except ChildError as error:
        raise DatasetUnavailable(f"{repo}: its reading process {error}") from error
