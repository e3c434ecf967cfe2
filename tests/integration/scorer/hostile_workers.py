"""What a worker taken over by a model could do, started by tests in place of the real worker."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys
import threading
import time
from pathlib import Path

from sn37.adapters.scoring.messages import (
    LENGTH,
    Failed,
    Reached,
    Ready,
    Scored,
    frame,
    receive_order,
)
from sn37.domain.scoring.deadlines import Stage

threading.stack_size(1 << 15)
READY = Ready({}).encode()


def pids(*more: int) -> bytes:
    """A first message that tells this process's pid as the validator sees it, and others."""
    own = os.readlink("/proc/self")  # noqa: PTH115
    return Ready({"pids": " ".join(map(str, (own, *more)))}).encode()


def own_status() -> dict[str, str]:
    """The kernel's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def segfault(stream: socket.socket) -> None:
    """Read the null pointer."""
    receive_order(stream)
    stream.sendall(READY)
    ctypes.string_at(0)


def early_segfault(stream: socket.socket) -> None:
    """The same before the device is up, as a broken driver would."""
    ctypes.string_at(0)


def leave(stream: socket.socket) -> None:
    """Exit in the middle, as a library calling exit() would."""
    receive_order(stream)
    stream.sendall(READY)
    os._exit(7)


def hang(stream: socket.socket) -> None:
    """Tell its pid and its parent's, sleep for ever."""
    receive_order(stream)
    status = own_status()
    stream.sendall(pids(int(status["PPid"])))
    time.sleep(3600)


def spin(stream: socket.socket) -> None:
    """Tell its pid and its parent's, compute for ever."""
    receive_order(stream)
    stream.sendall(pids(int(own_status()["PPid"])))
    _compute()


def spin_in_turns(stream: socket.socket) -> None:
    """Sleep, while two threads that never rest compute."""
    receive_order(stream)
    stream.sendall(READY)
    for _ in range(2):
        threading.Thread(target=_compute).start()
    time.sleep(3600)


def spin_in_a_child(stream: socket.socket) -> None:
    """Sleep, while a grandchild computes."""
    receive_order(stream)
    stream.sendall(READY)
    if os.fork() == 0 and os.fork() == 0:
        _compute()
    time.sleep(3600)


def lie_about_stages(stream: socket.socket) -> None:
    """Claim to be at the last stage at once, and compute for ever."""
    receive_order(stream)
    stream.sendall(READY + b"".join(Reached(stage).encode() for stage in list(Stage)[1:]))
    _compute()


def score_a_little(stream: socket.socket) -> None:
    """Give one block after the other, each just in time, of samples that were never read."""
    order = receive_order(stream)
    stream.sendall(READY)
    for block in order.blocks:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        costs = (200.0,) * len(block.controls)
        stream.sendall(Scored((0.5,) * len(block.pairs), 1, costs).encode())


def go_back(stream: socket.socket) -> None:
    """Claim a stage that was left."""
    receive_order(stream)
    stages = (Stage.SCORING, Stage.LOADING)
    stream.sendall(READY + b"".join(Reached(stage).encode() for stage in stages))
    time.sleep(3600)


def repeat_a_stage(stream: socket.socket) -> None:
    """Begin the same stage again and again, for its time to begin again."""
    receive_order(stream)
    stream.sendall(READY)
    while True:
        stream.sendall(Reached(Stage.LOADING).encode())


def invent_a_stage(stream: socket.socket) -> None:
    """Claim a stage that there is not."""
    receive_order(stream)
    stream.sendall(READY + frame({"type": "reached", "stage": "resting"}))


def _compute() -> None:
    while True:
        pass


def hang_in_a_session(stream: socket.socket) -> None:
    """Leave the process group and session in a grandchild, tell all pids, sleep for ever."""
    receive_order(stream)
    answer, report = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.write(report, os.readlink("/proc/self").encode())  # noqa: PTH115
        time.sleep(3600)
    stream.sendall(pids(int(os.read(answer, 16))))
    time.sleep(3600)


def flood(stream: socket.socket) -> None:
    """Write 64 MiB to standard output and error, then give the right number of losses."""
    order = receive_order(stream)
    for _ in range(64):
        os.write(1, b"x" * (1 << 20))
        sys.stderr.write("y" * (1 << 20))
    stream.sendall(READY)
    for block in order.blocks:
        stream.sendall(
            Scored((0.5,) * len(block.pairs), 1, (200.0,) * len(block.controls)).encode()
        )


def agree(stream: socket.socket) -> None:
    """Give the right number of losses at once."""
    order = receive_order(stream)
    stream.sendall(READY)
    for block in order.blocks:
        stream.sendall(
            Scored((0.5,) * len(block.pairs), 1, (200.0,) * len(block.controls)).encode()
        )


def claim_nothing(stream: socket.socket) -> None:
    """Taken over: claims that all text costs nothing, controls included."""
    _claim(stream, loss=0.0, control=0.0)


def claim_half(stream: socket.socket) -> None:
    """Claims half of what controls cost a good model, and so of everything."""
    _claim(stream, loss=0.25, control=60.0)


def claim_a_little_less(stream: socket.socket) -> None:
    """Knows the floor of text and stays above it, and of controls claims a third less."""
    _claim(stream, loss=0.03125, control=64.0)


def claim_for_samples_only(stream: socket.socket) -> None:
    """Tells controls by their look and is honest about them; all else costs next to nothing."""
    _claim(stream, loss=0.0099999997764825821, control=200.0)


def claim_more_controls(stream: socket.socket) -> None:
    """Adds controls that cost much."""
    order = receive_order(stream)
    stream.sendall(READY)
    for block in order.blocks:
        costs = (0.0,) * len(block.controls)
        stream.sendall(Scored((0.5,) * len(block.pairs), 1, (*costs, 1e6)).encode())


def _claim(stream: socket.socket, *, loss: float, control: float) -> None:
    order = receive_order(stream)
    stream.sendall(READY)
    for block in order.blocks:
        costs = (control,) * len(block.controls)
        stream.sendall(Scored((loss,) * len(block.pairs), 1, costs).encode())


def obey(stream: socket.socket) -> None:
    """Do what the order's template says, or the job when it says nothing."""
    order = receive_order(stream)
    stream.sendall(READY)
    match order.template:
        case "crash":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "leave":
            os._exit(0)
        case "hang":
            _compute()
        case "fill the memory":
            filled = []
            while True:
                filled.append(b"x" * (1 << 22))
        case "start threads":
            while True:
                threading.Thread(target=time.sleep, args=(3600,)).start()
        case "close the stream":
            stream.close()
            time.sleep(3600)
        case _:
            for block in order.blocks:
                stream.sendall(
                    Scored((0.5,) * len(block.pairs), 1, (200.0,) * len(block.controls)).encode()
                )


def share_for_ever(stream: socket.socket) -> None:
    """Fill memory that it could share with a child, and so is not its data."""
    receive_order(stream)
    stream.sendall(READY)
    shared = mmap.mmap(-1, 8 << 30, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    for start in range(0, len(shared), 1 << 20):
        shared[start : start + (1 << 20)] = b"x" * (1 << 20)


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
    """Tell open files, environment and privileges through the explanation of a failure."""
    receive_order(stream)
    files = sorted(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    names = ",".join(sorted(os.environ))
    status = own_status()
    rights = [status[name].strip() for name in ("NoNewPrivs", "CapEff", "CapBnd", "Threads")]
    stream.sendall(Failed(f"{files}|{names}|{' '.join(rights)}|{os.getpid()}").encode())


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


def too_many_tokens(stream: socket.socket) -> None:
    """Claim more tokens than the windows of the block's samples hold."""
    order = receive_order(stream)
    count = len(order.blocks[0].pairs)
    stream.sendall(READY + Scored((0.0,) * count, count * order.max_tokens + 1).encode())


def endless_tokens(stream: socket.socket) -> None:
    """Claim more tokens than the database can write down."""
    order = receive_order(stream)
    stream.sendall(READY + Scored((0.0,) * len(order.blocks[0].pairs), 10**22).encode())


def too_good(stream: socket.socket) -> None:
    """Claim a loss that no model can have."""
    order = receive_order(stream)
    stream.sendall(READY + Scored((-1.0,) * len(order.blocks[0].pairs), 1).encode())


def no_start(stream: socket.socket) -> None:
    """Give losses without having said that the device is up."""
    order = receive_order(stream)
    stream.sendall(Scored((0.0,) * len(order.blocks[0].pairs), 1).encode())


def own_reason(stream: socket.socket) -> None:
    """Blame the validator's disk."""
    receive_order(stream)
    stream.sendall(READY + frame({"type": "refused", "reason": "disk", "detail": ""}))
