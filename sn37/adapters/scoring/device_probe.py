"""Measurement of the device in a process of its own, which ends with the call."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

from sn37.adapters.child_process.running import ChildError, child_environment, running
from sn37.domain.printable import one_line
from sn37.ports.errors import ScorerUnavailable
from sn37.ports.host_facts import DeviceFacts

_MODULE = "sn37.adapters.scoring.throughput"
_TIMEOUT_S = 90.0  # torch is read from a cold disk in half of it
_INHERITED = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES")


async def measure_device(
    kind: Literal["cpu", "cuda"], *, threads: int = 1, timeout_s: float = _TIMEOUT_S
) -> DeviceFacts:
    """Return what the device is and how fast it multiplies; takes seconds.

    Raises:
        ScorerUnavailable: It does not work, or does not answer in time.
    """
    try:
        async with (
            asyncio.timeout(timeout_s),
            running(_MODULE, child_environment({}, names=_INHERITED)) as child,
        ):
            child.send(json.dumps([kind, threads]).encode() + b"\n")
            async for line in child.lines():
                return _decoded(line)
            raise child.death()
    except TimeoutError as error:
        raise ScorerUnavailable(f"no answer within {timeout_s:g} s") from error
    except ChildError as error:
        raise ScorerUnavailable(f"its process {error}") from error


def _decoded(line: bytes) -> DeviceFacts:
    answer = json.loads(line)
    if "failed" in answer:
        raise ScorerUnavailable(one_line(answer["failed"], 200))
    return DeviceFacts(**answer)
