"""What a worker taken over by a model could do, started by tests in place of the real worker."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from pathlib import Path

from sn37.adapters.cuda.messages import LENGTH, Failed, Ready, Scored, frame, receive_order

READY = Ready({}).encode()


def segfault(stream: socket.socket) -> None:
    """Read the null pointer."""
    receive_order(stream)
    ctypes.string_at(0)


def leave(stream: socket.socket) -> None:
    """Exit in the middle, as a library calling exit() would."""
    receive_order(stream)
    stream.sendall(READY)
    os._exit(7)


def hang(stream: socket.socket) -> None:
    """Tell its pid and its parent's in the scratch folder's parent, sleep for ever."""
    receive_order(stream)
    Path("../pids").write_text(f"{os.getpid()} {os.getppid()}")
    stream.sendall(READY)
    time.sleep(3600)


def hang_twice(stream: socket.socket) -> None:
    """Start a child of its own that holds the stream too, tell both pids, sleep for ever."""
    receive_order(stream)
    child = os.fork()
    if child == 0:
        time.sleep(3600)
    Path("../pids").write_text(f"{os.getpid()} {child}")
    stream.sendall(READY)
    time.sleep(3600)


def flood(stream: socket.socket) -> None:
    """Write 64 MiB to standard output and error, then give the right number of losses."""
    order = receive_order(stream)
    for _ in range(64):
        os.write(1, b"x" * (1 << 20))
        sys.stderr.write("y" * (1 << 20))
    stream.sendall(READY)
    for block in order.blocks:
        stream.sendall(Scored((0.5,) * len(block.pairs), 1).encode())


def allocate(stream: socket.socket) -> None:
    """Take memory until there is none, and say how much it was."""
    receive_order(stream)
    taken: list[bytes] = []
    try:
        while True:
            taken.append(bytes(1 << 24))  # calloc: asked for, never touched
    except MemoryError:
        stream.sendall(Failed(str(len(taken) << 24)).encode())


def surroundings(stream: socket.socket) -> None:
    """Tell environment, open files and limits through the explanation of a failure."""
    receive_order(stream)
    files = sorted(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    names = ",".join(sorted(os.environ))
    status = Path("/proc/self/status").read_text()
    privileges = next(line for line in status.splitlines() if line.startswith("NoNewPrivs"))
    stream.sendall(Failed(f"{files}|{names}|{privileges.split()[1]}|{Path.cwd()}").encode())


def too_long(stream: socket.socket) -> None:
    """Announce a message of 4 GiB."""
    receive_order(stream)
    stream.sendall(LENGTH.pack(2**32 - 1) + b"x" * 100_000)


def no_json(stream: socket.socket) -> None:
    """Send brackets that overflow a careless parser."""
    receive_order(stream)
    stream.sendall(LENGTH.pack(60_000) + b"[" * 60_000)


def too_few_losses(stream: socket.socket) -> None:
    """Answer for one sample of the block only."""
    receive_order(stream)
    stream.sendall(READY + Scored((0.0,), 1).encode())


def no_start(stream: socket.socket) -> None:
    """Give losses without having said that the device is up."""
    order = receive_order(stream)
    stream.sendall(Scored((0.0,) * len(order.blocks[0].pairs), 1).encode())


def own_reason(stream: socket.socket) -> None:
    """Blame the validator's disk."""
    receive_order(stream)
    stream.sendall(READY + frame({"type": "refused", "reason": "disk", "detail": ""}))
