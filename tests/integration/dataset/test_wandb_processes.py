"""Of a read of wandb nothing remains: no reader, no native process of the client, no file."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sn37.adapters.dataset.sn18 import Sn18, Sn18Parameters
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset.sn18_runs import ALICE, PROJECT, REQUEST, SINCE, a_run, plain_rows
from tests.integration.dataset.wandb_server import Fault, WandbHost
from tests.support.processes import children_of

PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A guard, its worker and the client's native process, held so that no pid is reused."""

    pids: tuple[int, int, int]
    handles: tuple[int, int, int]
    folder: Path

    @classmethod
    def of(cls, validator: int) -> Reader:
        (guard,) = (pid for pid in children_of(validator) if b"wandb_child" in command(pid))
        (worker,) = children_of(guard)
        (native,) = children_of(worker)
        assert b"wandb-core" in command(native)
        folder = command(guard).split(b"\0")[-3].decode()
        return cls(
            pids=(guard, worker, native),
            handles=(os.pidfd_open(guard), os.pidfd_open(worker), os.pidfd_open(native)),
            folder=Path(folder),
        )

    def sockets(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_socket()]

    def wait(self) -> None:
        for handle in self.handles:
            assert select.select([handle], [], [], PATIENCE_S)[0], "a process did not end"

    def living(self) -> int:
        return sum(not select.select([handle], [], [], 0)[0] for handle in self.handles)

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


class Reached:
    """Tells when the host is asked for a page of a history, which it then never gives."""

    def __init__(self, host: WandbHost) -> None:
        host.projects[PROJECT] = [a_run("alice", ALICE, plain_rows("a", 99, since=SINCE))]
        host.faults.append(Fault(operation="HistoryPage", skip=1, times=None, mute=True))
        host.on_request = self._see
        self.event = threading.Event()
        self._pages = 0

    def _see(self, operation: str) -> None:
        self._pages += operation == "HistoryPage"
        if self._pages == 2:
            self.event.set()


@contextmanager
def reading(validator: int) -> Iterator[Reader]:
    """The reader at work; when the context is left nothing of it is left."""
    reader = Reader.of(validator)
    assert reader.living() == 3
    assert reader.sockets()
    try:
        yield reader
        assert reader.living() == 0
        assert not reader.folder.exists()
    finally:
        reader.close()


async def test_a_cancelled_read_leaves_nothing(wandb_host: WandbHost) -> None:
    reached = Reached(wandb_host)
    task = asyncio.create_task(Sn18(Sn18Parameters(base_url=wandb_host.url)).collect(REQUEST))
    assert await asyncio.to_thread(reached.event.wait, PATIENCE_S)
    with reading(os.getpid()):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("which", [0, 1, 2], ids=["guard", "worker", "native process"])
@pytest.mark.fault("wandb reader", "out of memory")
async def test_a_reader_that_is_killed_gives_no_answer_and_leaves_nothing(
    wandb_host: WandbHost, which: int
) -> None:
    reached = Reached(wandb_host)
    task = asyncio.create_task(Sn18(Sn18Parameters(base_url=wandb_host.url)).collect(REQUEST))
    assert await asyncio.to_thread(reached.event.wait, PATIENCE_S)
    with reading(os.getpid()) as reader:
        os.kill(reader.pids[which], signal.SIGKILL)
        with pytest.raises(DatasetUnavailable):
            await task
        await asyncio.to_thread(reader.wait)


@pytest.mark.fault("wandb reader", "orphaned")
def test_a_validator_killed_in_the_middle_takes_its_reader_along(wandb_host: WandbHost) -> None:
    reached = Reached(wandb_host)
    program = str(Path(__file__).with_name("read_once.py"))
    with subprocess.Popen(
        [sys.executable, program, wandb_host.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as validator:
        assert reached.event.wait(PATIENCE_S)
        with reading(validator.pid) as reader:
            validator.kill()
            reader.wait()


async def test_a_read_that_is_done_leaves_nothing(wandb_host: WandbHost) -> None:
    wandb_host.projects[PROJECT] = [a_run("alice", ALICE, plain_rows("a", 9, since=SINCE))]
    readers: list[Reader] = []

    def see(operation: str) -> None:
        if operation == "HistoryPage":
            readers.append(Reader.of(os.getpid()))

    wandb_host.on_request = see
    pool = await Sn18(Sn18Parameters(base_url=wandb_host.url)).collect(REQUEST)
    assert len(pool.samples) == 18
    assert [reader.living() for reader in readers] == [0]
    assert not readers[0].folder.exists()
    readers[0].close()
