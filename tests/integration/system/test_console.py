"""The console of a running validator: a terminal, a pipe, and readers that stop."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sn37.adapters.telemetry.event_files import NewLines
from tests.support.small_terminal import SmallTerminal

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("stoppable_validator.py")
PATIENCE_S = 120  # a machine may be busy; seconds are usual
LOOK_S = 0.05


@contextmanager
def running(folder: Path, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    """A validator over fakes that goes on and on; its standard error is this descriptor."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "none", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    ) as validator:
        deadline = threading.Timer(2 * PATIENCE_S, validator.kill)
        deadline.start()
        try:
            yield validator
        finally:
            deadline.cancel()
            validator.kill()


class Terminal:
    """The other end of a pseudo-terminal, and what a person sees on it."""

    def __init__(self, columns: int) -> None:
        self._master, self.slave = pty.openpty()
        self._seen = SmallTerminal(columns)
        self._rest = b""
        self.resize(columns)

    def resize(self, columns: int) -> None:
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self._seen.resize(columns)

    def hang_up(self) -> None:
        os.close(self._master)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.slave)
        with suppress(OSError):
            os.close(self._master)

    def read_until(self, is_seen: Callable[[list[str]], bool]) -> list[str]:
        """Read until the rows are as wanted; return them."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_seen(self._seen.shown):
            ready, _, _ = select.select([self._master], [], [], deadline - time.monotonic())
            assert ready, self._seen.shown[-30:]
            self._rest += os.read(self._master, 1 << 16)
            whole = self._rest.rpartition(b"\x1b[?2026l")  # drawings are shown at once
            self._seen.feed((whole[0] + whole[1]).decode().replace("\r\n", "\n"))
            self._rest = whole[2]
        return self._seen.shown

    def read_rest(self) -> list[str]:
        """Read what is left after the program's end."""
        while select.select([self._master], [], [], 0)[0]:
            self._rest += os.read(self._master, 1 << 16)
        self._seen.feed(self._rest.decode().replace("\r\n", "\n"))
        return self._seen.shown


@contextmanager
def terminal(columns: int) -> Iterator[Terminal]:
    opened = Terminal(columns)
    try:
        yield opened
    finally:
        opened.close()


def is_live(rows: list[str]) -> bool:
    """True if the last rows are those of a live view with all that it can show."""
    kinds = [row.split(" ")[0] for row in rows[-5:]]
    return {"next", "queue", "last"} <= set(kinds)


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal_the_view_stays_below_the_lines_and_is_gone_in_the_end(
    columns: int, tmp_path: Path
) -> None:
    with terminal(100) as seen, running(tmp_path, seen.slave) as validator:
        shown = seen.read_until(is_live)
        assert any(" started   sn37 " in row for row in shown)
        seen.resize(columns)
        seen.read_until(lambda rows: is_live(rows) and max(map(len, rows[-3:])) < columns)
        validator.send_signal(signal.SIGINT)
        assert validator.wait(PATIENCE_S) == 0
        shown = seen.read_rest()
    assert shown[-1].endswith("stopped   on request")
    assert not [row for row in shown if row.startswith(("next ", "queue ", "last "))]


def goes_on(folder: Path, num_heads: int = 500) -> bool:
    """Wait until a validator has followed so many more heads."""
    lines, pause = NewLines(folder / "events.jsonl"), threading.Event()
    heads_in(lines)  # those so far
    deadline, seen = time.monotonic() + PATIENCE_S, 0
    while (seen := seen + heads_in(lines)) < num_heads:
        if time.monotonic() > deadline:
            return False
        pause.wait(LOOK_S)
    return True


def heads_in(lines: NewLines) -> int:
    return sum(b'"event":"HeadAdvanced"' in line for line in lines())


def is_full(descriptor: int) -> bool:
    return not select.select([], [descriptor], [], 0)[1]


@pytest.mark.fault("telemetry", "slow")
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_reader_that_never_reads_stops_neither_the_rounds_nor_the_end(
    kind: str, tmp_path: Path
) -> None:
    if kind == "pipe":
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    else:
        reader, writer = pty.openpty()
    try:
        with running(tmp_path, writer) as validator:
            deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
            while not is_full(writer):
                assert time.monotonic() < deadline
                pause.wait(LOOK_S)
            assert goes_on(tmp_path)
            validator.terminate()
            assert validator.wait(PATIENCE_S) == 0
    finally:
        os.close(reader)
        os.close(writer)
    (*_, last) = NewLines(tmp_path / "events.jsonl")()
    assert json.loads(last)["event"] == "ValidatorStopped"


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_reader_that_leaves_stops_nothing(kind: str, tmp_path: Path) -> None:
    reader, writer = os.pipe() if kind == "pipe" else pty.openpty()
    try:
        with running(tmp_path, writer) as validator:
            os.read(reader, 1)
            os.close(reader)
            assert goes_on(tmp_path)
            validator.terminate()
            assert validator.wait(PATIENCE_S) == 0
    finally:
        os.close(writer)
    assert "the console is gone: " in (tmp_path / "validator.log").read_text()
