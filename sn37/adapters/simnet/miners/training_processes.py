"""Child processes that carry out training plans, and their progress."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import sn37
from sn37.adapters.simnet.miners.train_models import TrainingPlan

_MODULE = "sn37.adapters.simnet.miners.train_models"
_STOP_S = 2.0  # from asking a child to end to killing it
_PULSE_S = 0.2


class TrainingFailed(RuntimeError):
    """A training process failed; the message names its log."""


def train_all(
    plans: Sequence[TrainingPlan],
    *,
    logs: Path,
    report: Callable[[str, int], None],
    keep_going: Callable[[], None] = lambda: None,
) -> None:
    """Run one child per plan, all at once, until every plan is done.

    ``report(name, step)`` is called in this thread. So is ``keep_going``, several times a second;
    an exception of it ends the call. No child outlives the call.

    Raises:
        TrainingFailed: A child failed; the others are stopped.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        children: list[tuple[subprocess.Popen[bytes], Path]] = []
        for number, plan in enumerate(plans):
            log = logs / f"{plan.jobs[0].name}-{number}.log"
            child = _start(plan, stack.enter_context(log.open("wb")))
            stack.callback(_stop, child)
            assert child.stdout is not None
            selector.register(child.stdout, selectors.EVENT_READ, _Lines(report))
            children.append((child, log))
        while selector.get_map():
            keep_going()
            for key, _ in selector.select(_PULSE_S):
                data = os.read(key.fd, 65_536)
                if data:
                    lines: _Lines = key.data
                    lines.feed(data)
                else:
                    selector.unregister(key.fileobj)
        for child, log in children:
            if code := child.wait():
                raise TrainingFailed(f"training ended with {code}: {_last_line(log)} (see {log})")


class _Lines:
    """Reports from the bytes of a pipe; a read may have several lines, or part of one."""

    def __init__(self, report: Callable[[str, int], None]) -> None:
        self._report = report
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name, step = line.decode().split()
            self._report(name, int(step))


def _start(plan: TrainingPlan, log: IO[bytes]) -> subprocess.Popen[bytes]:
    package_root = str(Path(sn37.__file__).parent.parent)
    child = subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # the parent handles Ctrl-C
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                p for p in (package_root, os.environ.get("PYTHONPATH")) if p
            ),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_VERBOSITY": "error",
        },
    )
    assert child.stdin is not None
    with child.stdin:
        child.stdin.write(plan.to_json().encode())
    return child


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing was written"
