"""The program of a child process: runs a module in a worker, and leaves nothing of it behind.

    python -m sn37.adapters.child_process.guard SCRATCH MODULE

The guard forks before anything heavy is imported. The worker runs MODULE on the same standard
streams; the guard only watches. When the worker ends, or the other end of standard input is
closed, by hand or because whoever held it died, it kills what is left of the worker and of
everything that started, whichever sessions those are in, and removes the folder SCRATCH.
Killed itself, it takes the worker along.
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
    """Guard one worker until it has ended, or has to."""
    scratch, module = sys.argv[1:]
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans become ours, so none is out of sight
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        _work(module, guard)
    # Only the end of standard input ends a guard, not the signal that a service manager sends
    # to a whole group; the worker's end of the output must be the only one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _wait(worker)
    _kill_descendants()
    shutil.rmtree(scratch, ignore_errors=True)


def _work(module: str, guard: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # it died before it was watched
        os._exit(1)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def _wait(worker: int) -> None:
    """Until the worker ends or standard input is closed; what is in it is the worker's."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # hanging up is reported always
    poll.register(os.pidfd_open(worker), select.POLLIN)
    poll.poll()


def _kill_descendants() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with suppress(ChildProcessError):  # there are none left
        while True:
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            os.wait()  # and those that it had started are now among the children


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


if __name__ == "__main__":
    main()
