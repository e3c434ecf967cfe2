"""The warm parent of all workers: imports once, then forks one child per job in milliseconds.

It runs no operator, opens no device and reads no model, so that nothing passes from one
model to the next through it. Started as ``python -m sn37.adapters.cuda.zygote PARENT FD ENTRY``
by ``launcher``:

- ``FD`` is a SOCK_SEQPACKET socket. Each message asks for one child: JSON ``{"folder",
  "memory_bytes"}`` with two descriptors, the job's stream for the child and a control socket.
  End of file means no more jobs: the zygote leaves when its last child has.
- On the control socket of a job the zygote writes the child's pid. ``END_GENTLY`` gives the
  child ``GRACE_S`` to leave by itself, ``END_NOW`` or end of file none; then its process group
  is killed, the child is reaped and its wait status written. Only the zygote kills and reaps,
  so a recycled pid is never hit.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.cuda.confinement import confine, die_with, keep_only

NUMBER = struct.Struct("!i")  # a pid, or a wait status
END_GENTLY, END_NOW = b"e", b"k"
GRACE_S = 2.0  # a crash writes its exit status long before
MAX_REQUEST_BYTES = 8192

Entry = Callable[[socket.socket], None]  # gets the child's end of the job's stream


@dataclass(frozen=True, slots=True)
class Child:
    """A running job."""

    pid: int
    control: socket.socket


def main(parent: int, descriptor: int, entry: str) -> None:
    """Serve until the launcher closes its end and the last child is gone."""
    die_with(parent)
    requests = socket.socket(fileno=descriptor)
    run = load_entry(entry)
    gc.collect()
    gc.freeze()  # children share these pages as long as the collector leaves them alone
    serve(requests, run)


def load_entry(name: str) -> Entry:
    """The function ``module:function``; importing its module is what makes the parent warm."""
    module, _, function = name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry


def serve(requests: socket.socket, run: Entry) -> None:
    """Fork a child per request and end children when told."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if key.data is None:
                    child = _fork(requests, run)
                    if child is None:
                        selector.unregister(requests)
                    else:
                        selector.register(child.control, selectors.EVENT_READ, child)
                else:
                    selector.unregister(key.fileobj)
                    _end(key.data)


def _fork(requests: socket.socket, run: Entry) -> Child | None:
    body, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 2)
    if not body:
        return None
    request = json.loads(body)
    stream, control = (socket.socket(fileno=d) for d in descriptors)
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_worker(zygote, stream, run, request["folder"], request["memory_bytes"])
    stream.close()
    _own_group(pid)
    _tell(control, pid)
    return Child(pid, control)


def _become_worker(
    zygote: int, stream: socket.socket, run: Entry, folder: str, memory_bytes: int | None
) -> None:
    """The child's side of the fork. Never returns."""
    status = 1
    try:
        die_with(zygote)
        _own_group(0)
        kept = keep_only(stream.fileno())
        stream.detach()
        os.chdir(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = folder
        confine(memory_bytes=memory_bytes)
        run(socket.socket(fileno=kept))
        status = 0
    finally:
        # Not sys.exit: it would unwind into the zygote's loop and run its clean-up twice.
        os._exit(status)


def _own_group(pid: int) -> None:
    """Give a child a process group of its own; both sides ask, whoever comes first wins."""
    try:
        os.setpgid(pid, pid)
    except (PermissionError, ProcessLookupError):
        return  # it has left already, or did so itself


def _end(child: Child) -> None:
    with child.control as control:
        try:
            gently = control.recv(1) == END_GENTLY
        except ConnectionError:
            gently = False
        if gently:
            _wait(child.pid, GRACE_S)
        for kill in (os.killpg, os.kill):
            try:
                kill(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it never formed a group
        _, status = os.waitpid(child.pid, 0)
        _tell(control, status)


def _wait(pid: int, timeout_s: float) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)


def _tell(control: socket.socket, number: int) -> None:
    try:
        control.sendall(NUMBER.pack(number))
    except ConnectionError:
        return  # nobody wants to know; end of file will be read next


if __name__ == "__main__":
    Path("/proc/self/comm").write_text("sn37-zygote")
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
