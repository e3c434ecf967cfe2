"""Watchdog that measures a worker's memory several times a second and ends it above its limit.

The kernel's own limit on a CPU worker's private data is exact, but counts neither page tables
nor threads. A worker on a GPU has no such limit, since a driver reserves addresses at will.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.scoring.worker_handle import Child
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

POLL_S = 0.2
MAX_THREADS = 4096  # a machine can create tens of thousands
SLACK = 1 / 8  # above the allowance, for page tables and stacks; the exact limit acts first
_MEMORY = ("RssAnon", "RssShmem", "HugetlbPages", "VmSwap", "VmPTE")  # memory not backed by files


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Resources that a process holds now; zero once it has ended."""

    memory_bytes: int = 0
    num_threads: int = 0


def holdings(pid: int) -> Holdings:
    """Read the holdings of a process from /proc."""
    try:
        text = Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return Holdings()
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return Holdings(
        memory_bytes=sum(int(fields[name].split()[0]) << 10 for name in _MEMORY if name in fields),
        num_threads=int(fields["Threads"]),
    )


def judge(found: Holdings, *, limit_bytes: int) -> ModelRejected | None:
    """Return why a worker with these holdings must be ended, or ``None``."""
    if found.memory_bytes > limit_bytes:
        held, allowed = found.memory_bytes >> 20, limit_bytes >> 20
        text = f"the worker used {held} MiB of memory, but its model's size allows {allowed}"
        return ModelRejected(text, reason=Reason.MEMORY)
    if found.num_threads > MAX_THREADS:
        text = f"the worker had {found.num_threads} threads, at most {MAX_THREADS} are allowed"
        return ModelRejected(text, reason=Reason.UNLOADABLE)
    return None


class Watchdog:
    """Watches one worker until it is stopped.

    Attributes:
        verdict: The reason for which it ended the worker, if it did.
    """

    def __init__(self, worker: Child, *, limit_bytes: int) -> None:
        self._worker = worker
        self._limit_bytes = limit_bytes
        self._task = asyncio.create_task(self._run())
        self.verdict: ModelRejected | None = None

    @classmethod
    async def start(cls, worker: Child, *, allowance_bytes: int) -> Watchdog:
        """Watch a worker that has not received its order: its present memory is not the model's."""
        ours = await asyncio.to_thread(holdings, worker.pid)
        extra_bytes = int(allowance_bytes * (1 + SLACK))
        return cls(worker, limit_bytes=ours.memory_bytes + extra_bytes)

    def stop(self) -> None:
        """Stop watching."""
        self._task.cancel()

    async def _run(self) -> None:
        while self.verdict is None:
            await asyncio.sleep(POLL_S)
            found = await asyncio.to_thread(holdings, self._worker.pid)
            self.verdict = judge(found, limit_bytes=self._limit_bytes)
        await self._worker.end()
