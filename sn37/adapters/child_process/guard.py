"""Program of a child process: runs a module in a worker and leaves nothing of it behind.

    python -m sn37.adapters.child_process.guard SCRATCH MODULE

The guard forks before any large import. The worker runs MODULE on the same standard streams; the
guard only watches. It acts when the worker ends or the other end of standard input is closed,
on purpose or by the death of the process that holds it. Then it kills the rest of the worker and
all processes that it started, in whatever sessions, and removes the folder SCRATCH. If the guard
itself is killed, the worker dies with it. Its exit code is that of a worker that ended by itself.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import select
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Guard one worker until it ends or must be ended."""
    scratch, module = sys.argv[1:]
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans become its children, so none is missed
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        _work(module, guard)
    # Only the end of standard input ends a guard, not the signal that a service manager sends
    # to a whole group. The worker must hold the only end of the output.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _wait(worker)
    code = _exit_code(worker)
    _kill_descendants()
    shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(code)


def _work(module: str, guard: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # the guard died before it was watched
        os._exit(1)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def _wait(worker: int) -> None:
    """Wait until the worker ends or standard input is closed; the worker reads its content."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # a hang-up is always reported
    poll.register(os.pidfd_open(worker), select.POLLIN)
    poll.poll()


def _exit_code(worker: int) -> int:
    """Return the code of a worker that has ended, as shells have it; 0 if it is still running."""
    ended, status = os.waitpid(worker, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status) if ended else 0
    return code if code >= 0 else 128 - code


def _kill_descendants() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with suppress(ChildProcessError):  # no children are left
        while True:
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            os.wait()  # the processes that they had started are now children, too


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


if __name__ == "__main__":
    main()
