"""The warm parent of all workers: imports once, then forks one child per job in milliseconds.

It runs no operator, opens no device and reads no model, so that it passes nothing from one
model to the next. ``launcher`` starts it as ``python -m
sn37.adapters.scoring.warm_parent PARENT FD ENTRY DEVICE SANDBOX``:

- ``FD`` is a SOCK_SEQPACKET socket. Each message requests one child: JSON ``{"readable",
  "memory_bytes"}`` with two descriptors, the job's stream for the child and a control socket.
  End of file means no more jobs: the zygote exits after its last child.
- To the control socket of a job the zygote writes the child's pid, or 0 if the namespaces
  could not be entered. ``END_GENTLY`` gives the child ``GRACE_S`` to exit by itself;
  ``END_NOW`` and end of file give it no time. Then it is killed and reaped, and its end is
  written. Only the zygote kills and reaps, so a reused pid is never killed.

A child is the first process of its namespace: all processes that it starts die with it. It
is forked by a process in between, which enters the namespaces, and is adopted by the zygote.
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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.scoring.messages import Failed
from sn37.adapters.scoring.sandbox import limits, namespaces
from sn37.adapters.scoring.sandbox.confine import confine
from sn37.adapters.scoring.sandbox.landlock import READ
from sn37.adapters.scoring.sandbox.layers import NAMESPACES, Sandbox
from sn37.adapters.scoring.sandbox.paths import system_paths

NUMBER = struct.Struct("!i")  # a pid
# A wait status, the peak memory in bytes, and whether it was still running.
END = struct.Struct("!iq?")
END_GENTLY, END_NOW = b"e", b"k"
GRACE_S = 2.0  # a crash writes its exit status long before
MAX_REQUEST_BYTES = 16384

Entry = Callable[[socket.socket], None]  # receives the child's end of the job's stream


@dataclass(frozen=True, slots=True)
class Child:
    """A running job. End of file on ``gate`` tells it that the zygote has died."""

    pid: int
    control: socket.socket
    gate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Properties of every child of this zygote."""

    run: Entry
    device: str
    sandbox: Sandbox
    allowed: Sequence[tuple[str, int]]  # paths, each with Landlock's rights over it


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Properties of one child."""

    stream: socket.socket
    readable: Sequence[str]  # folders
    memory_bytes: int | None


def main(parent: int, descriptor: int, entry: str, device: str, sandbox: Sandbox) -> None:
    """Serve until the launcher closes its end and the last child has ended."""
    limits.die_with_parent()
    if os.getppid() != parent:
        return  # it died before the request was in place
    limits.adopt_orphans()
    requests = socket.socket(fileno=descriptor)
    run = load_entry(entry)
    terms = Terms(run=run, device=device, sandbox=sandbox, allowed=system_paths(device))
    gc.collect()
    gc.freeze()  # children share these pages as long as the collector leaves them alone
    serve(requests, terms)


def load_entry(name: str) -> Entry:
    """Return the function ``module:function``; importing its module makes the parent warm."""
    module, _, function = name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry


def serve(requests: socket.socket, terms: Terms) -> None:
    """Fork a child for each request, and end children on request."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fileobj)
                    _end(key.data)
                elif _serve_one(requests, terms, selector):
                    continue
                else:
                    selector.unregister(requests)


def _serve_one(requests: socket.socket, terms: Terms, selector: selectors.BaseSelector) -> bool:
    """Fork one child; return false at end of file."""
    body, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 2)
    if not body:
        return False
    stream, control = (socket.socket(fileno=d) for d in descriptors)
    with stream:
        child = _fork(Request(stream=stream, **json.loads(body)), control, terms)
    if child is None:
        _tell(control, NUMBER.pack(0))
        control.close()
    else:
        _tell(control, NUMBER.pack(child.pid))
        selector.register(control, selectors.EVENT_READ, child)
    return True


def _fork(request: Request, control: socket.socket, terms: Terms) -> Child | None:
    """Fork the child, through a process in between; none if that cannot enter the namespaces."""
    gate, opener = os.pipe()
    answer, report = os.pipe()
    between = os.fork()
    if between == 0:
        _enter_and_fork(request, terms, gate, report)
    os.close(gate)
    os.close(report)
    os.waitpid(between, 0)  # from here on the child is ours
    body = os.read(answer, NUMBER.size)
    os.close(answer)
    if len(body) != NUMBER.size:
        os.close(opener)
        return None
    with suppress(BrokenPipeError):  # it is dead already; its end will be reported
        os.write(opener, b"g")
    return Child(NUMBER.unpack(body)[0], control, opener)


def _enter_and_fork(request: Request, terms: Terms, gate: int, report: int) -> None:
    """Run the process in between. Never returns."""
    status = 1
    try:
        namespaces.enter([layer for layer in NAMESPACES if layer in terms.sandbox.layers])
        child = os.fork()
        if child == 0:
            _become_worker(request, terms, gate)
        os.write(report, NUMBER.pack(child))
        status = 0
    except OSError as error:
        sys.stderr.write(f"namespaces: {error.strerror}\n")
    finally:
        os._exit(status)


def _become_worker(request: Request, terms: Terms, gate: int) -> None:
    """Run the child. Never returns."""
    status = 1
    try:
        kept, gate = limits.keep_only((request.stream.detach(), gate))
        _wait_for_adoption(gate)
        stream = socket.socket(fileno=kept)
        os.chdir("/")
        try:
            confine(
                terms.sandbox,
                device=terms.device,
                allowed=[*terms.allowed, *((folder, READ) for folder in request.readable)],
                memory_bytes=request.memory_bytes,
            )
        except OSError as error:
            stream.sendall(Failed(f"cannot confine the worker: {error.strerror}").encode())
        else:
            terms.run(stream)
        status = 0
    finally:
        # Not sys.exit: it would unwind into the zygote's loop and run its clean-up twice.
        os._exit(status)


def _wait_for_adoption(gate: int) -> None:
    """Return when this process has been adopted by the zygote and will die with it."""
    os.read(gate, 1)
    limits.die_with_parent()
    os.set_blocking(gate, False)
    try:
        os.read(gate, 1)
    except BlockingIOError:
        os.close(gate)
        return
    os._exit(1)  # end of file: the zygote died before the request was in place


def _end(child: Child) -> None:
    with child.control as control:
        try:
            gently = control.recv(1) == END_GENTLY
        except ConnectionError:
            gently = False
        if gently:
            _wait(child.pid, GRACE_S)
        is_running = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        os.kill(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        os.close(child.gate)
        _tell(control, END.pack(status, usage.ru_maxrss << 10, is_running))


def _wait(pid: int, timeout_s: float) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)


def _tell(control: socket.socket, message: bytes) -> None:
    try:
        control.sendall(message)
    except ConnectionError:
        return  # no reader any more; end of file will be read next


if __name__ == "__main__":
    Path("/proc/self/comm").write_text("sn37-zygote")
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], Sandbox.decode(sys.argv[5]))
