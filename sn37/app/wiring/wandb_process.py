"""wandb beside a validator: a process of its own, which ends with the validator."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError
from sn37.app.wiring.wandb import NO_PACKAGE, destination_of
from sn37.domain.events import Cautioned
from sn37.ports.telemetry import EventSink

log = logging.getLogger(__name__)

LOG = "wandb.log"  # in the state folder
_END_WITHIN_S = 20.0
_NICENESS = 10  # the validator goes first


@contextmanager
def wandb_beside(settings: Settings, sink: EventSink) -> Iterator[None]:
    """Send finished rounds to wandb if the settings say so.

    It shares nothing with the validator but the database, which it only reads. If it fails, its
    log says why, and the validator continues: what was not sent is sent later.
    """
    process = _started(settings, sink) if settings.wandb else None
    try:
        yield
    finally:
        if process is not None:
            _end(process)


def _started(settings: Settings, sink: EventSink) -> subprocess.Popen[bytes] | None:
    file = settings.state_dir / LOG
    try:
        if find_spec("wandb") is None:
            raise CommandError(NO_PACKAGE)
        place = destination_of(settings, os.environ).place
        with file.open("ab") as errors:
            process = subprocess.Popen(
                _command(settings),
                stdin=subprocess.PIPE,  # the process ends when this is closed, however we end
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # the terminal's Ctrl-C is for the validator
            )
    except (CommandError, OSError) as error:
        advice = f"{error}; this run sends no rounds, `sn37 wandb` sends them later"
        sink.emit(Cautioned(what="wandb", advice=advice))
        return None
    os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    log.info("finished rounds are sent to wandb %s, see %s", place, file)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()  # ends it
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command(settings: Settings) -> list[str]:
    command = [sys.executable, "-m", "sn37.app.main", "wandb", "--beside"]
    command += ["--network", settings.network, "--netuid", str(settings.netuid)]
    command += ["--state-dir", str(settings.state_dir)]
    if settings.schedule is not None:
        command += ["--schedule", str(settings.schedule)]
    return command
