"""Whatever way a child process ends, nothing that it started or wrote remains."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from sn37.adapters.child_process.running import Child, ChildError, child_environment, running

MODULE = "tests.integration.child_process.one_with_a_child"
PATIENCE_S = 60


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A guard, its worker and the worker's child, held so that no pid is taken for another."""

    guard: int
    handles: tuple[int, int, int]
    folder: Path

    @classmethod
    def of(cls, line: bytes) -> Self:
        guard, worker, child, folder = line.decode().split()
        family = cls(
            guard=int(guard),
            handles=(
                os.pidfd_open(int(guard)),
                os.pidfd_open(int(worker)),
                os.pidfd_open(int(child)),
            ),
            folder=Path(folder),
        )
        assert family._living() == 3
        assert (family.folder / "left behind").exists()
        return family

    def _living(self) -> int:
        return sum(not select.select([handle], [], [], 0)[0] for handle in self.handles)

    def wait(self) -> None:
        for handle in self.handles:
            assert select.select([handle], [], [], PATIENCE_S)[0], "a process did not end"

    def has_gone(self) -> bool:
        gone = self._living() == 0 and not self.folder.exists()
        for handle in self.handles:
            os.close(handle)
        return gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    child: Child
    lines: AsyncIterator[bytes]
    family: Family


@asynccontextmanager
async def a_family(order: bytes) -> AsyncIterator[Scene]:
    """A program that was given an order; when the context is left, all of it has gone."""
    families: list[Family] = []
    try:
        async with running(MODULE, child_environment({})) as child:
            lines = child.lines()
            families.append(Family.of(await anext(lines)))
            child.send(order + b"\n")
            yield Scene(child=child, lines=lines, family=families[0])
    finally:
        assert [family.has_gone() for family in families] == [True]


async def test_a_process_that_is_done_tidies_up_before_anybody_asks_it_to() -> None:
    async with a_family(b"end") as scene:
        assert [line async for line in scene.lines] == [b"done\n"]
        await asyncio.to_thread(scene.family.wait)


async def test_a_process_that_fails_leaves_only_its_last_words() -> None:
    async with a_family(b"fail") as scene:
        assert [line async for line in scene.lines] == []
        assert str(scene.child.death()) == "died: out of luck"


async def test_only_the_end_of_its_errors_is_read() -> None:
    before = peak_bytes()
    async with a_family(b"fail at length") as scene:
        assert [line async for line in scene.lines] == []
        assert str(scene.child.death()) == "died: \N{REPLACEMENT CHARACTER}[2Jout of room"
    assert peak_bytes() - before < 1 << 30


async def test_what_an_escaped_process_goes_on_writing_is_not_kept() -> None:
    async with running(MODULE, child_environment({})) as child:
        lines = child.lines()
        guard, _, orphan, _ = (await anext(lines)).split()
        child.send(b"let another write\n")
        assert await anext(lines) == b"done\n"
        os.kill(int(guard), signal.SIGKILL)
        os.kill(int(orphan), signal.SIGKILL)
        tracemalloc.start()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20  # of 65 million bytes


async def test_a_process_that_is_not_waited_for_any_longer_leaves_nothing() -> None:
    async with a_family(b"wait"):
        pass


@pytest.mark.fault("transfer", "will not die")
@pytest.mark.fault("wandb reader", "will not die")
@pytest.mark.fault("hub rows reader", "will not die")
async def test_a_deadline_leaves_nothing() -> None:
    async def work() -> None:
        async with asyncio.timeout(PATIENCE_S) as deadline, a_family(b"wait") as scene:
            deadline.reschedule(asyncio.get_running_loop().time())
            await anext(scene.lines)

    with pytest.raises(TimeoutError):
        await work()


async def test_a_cancelled_task_leaves_nothing() -> None:
    working = asyncio.Event()

    async def work() -> None:
        async with a_family(b"wait") as scene:
            working.set()
            await anext(scene.lines)

    task = asyncio.create_task(work())
    await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_line_that_is_too_long_is_an_error_and_leaves_nothing() -> None:
    async with a_family(b"write a long line") as scene:
        with pytest.raises(ChildError, match="too long"):
            await anext(scene.lines)


async def test_a_guard_that_is_killed_takes_its_worker_along() -> None:
    async with running(MODULE, child_environment({})) as child:
        lines = child.lines()
        guard, worker, orphan, folder = (await anext(lines)).split()
        held = os.pidfd_open(int(worker))
        os.kill(int(guard), signal.SIGKILL)
        assert [line async for line in lines] == []
        assert select.select([held], [], [], PATIENCE_S)[0]
        os.close(held)
        assert str(child.death()) == "died: it left no message"
    assert not os.path.exists(folder)  # noqa: ASYNC240, PTH110
    os.kill(int(orphan), signal.SIGKILL)  # out of anybody's reach but ours, who know its pid


async def test_a_program_that_is_not_there_says_so() -> None:
    async with running("sn37.no_such_module", child_environment({})) as child:
        assert [line async for line in child.lines()] == []
        assert "no_such_module" in str(child.death())


@pytest.mark.fault("transfer", "orphaned")
@pytest.mark.fault("wandb reader", "orphaned")
@pytest.mark.fault("hub rows reader", "orphaned")
def test_a_validator_killed_in_the_middle_takes_all_of_it_along() -> None:
    program = str(Path(__file__).with_name("run_one.py"))
    with subprocess.Popen(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    ) as validator:
        assert validator.stdout is not None
        family = Family.of(validator.stdout.readline())
        validator.kill()
    family.wait()
    assert family.has_gone()


async def test_only_what_was_asked_for_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BT_WALLET", "my-wallet")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub")
    monkeypatch.setenv("NETRC", "/home/me/.netrc")
    bare = child_environment({"COLOUR": "none"})
    assert bare["COLOUR"] == "none"
    assert not {"BT_WALLET", "HF_ENDPOINT", "NETRC"} & bare.keys()
    asked = child_environment({}, names={"NETRC"}, prefix="HF_")
    assert (asked["NETRC"], asked["HF_ENDPOINT"]) == ("/home/me/.netrc", "https://hub")
