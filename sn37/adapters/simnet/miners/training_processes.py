"""Child processes that carry out training plans, and their progress."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from sn37.adapters.child_process.running import PIPED, child_environment, guarded_command
from sn37.adapters.simnet.miners.train_models import TrainingPlan
from sn37.domain.known_facts import known

_MODULE = "sn37.adapters.simnet.miners.train_models"
_STOP_S = 10.0  # for a guard to kill its worker; milliseconds are usual
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
            scratch = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="sn37-", ignore_cleanup_errors=True)
            )
            child = _start(plan, stack.enter_context(log.open("wb")), scratch)
            stack.callback(_stop, child)
            selector.register(known(child.stdout, PIPED), selectors.EVENT_READ, _Lines(report))
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


def _start(plan: TrainingPlan, log: IO[bytes], scratch: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        guarded_command(_MODULE, scratch),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # the parent handles Ctrl-C
        env=child_environment(
            {
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "TOKENIZERS_PARALLELISM": "false",
                "HF_HUB_OFFLINE": "1",
                "TRANSFORMERS_VERBOSITY": "error",
                "TMPDIR": scratch,
            }
        ),
    )
    orders = known(child.stdin, PIPED)
    orders.write(plan.to_json().encode() + b"\n")
    orders.flush()  # stays open: closing it ends the process
    return child


def _stop(child: subprocess.Popen[bytes]) -> None:
    known(child.stdin, PIPED).close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    known(child.stdout, PIPED).close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing was written"
