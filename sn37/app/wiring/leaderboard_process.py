"""The leaderboard beside a validator: a process of its own, which ends with the validator."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO

from sn37.app.config.setting_types import host_and_port
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError

log = logging.getLogger(__name__)

LOG = "leaderboard.log"  # in the state folder
_END_WITHIN_S = 10.0


@contextmanager
def leaderboard_beside(settings: Settings) -> Iterator[str | None]:
    """Serve the leaderboard at the address of the settings, if there is one; yield its address.

    It shares nothing with the validator but the database, which it only reads. If it fails, its
    log says why, and the validator continues.

    Raises:
        CommandError: A package is missing, or the address cannot be used.
    """
    if settings.leaderboard is None:
        yield None
        return
    require_leaderboard()
    host, port = host_and_port(settings.leaderboard)
    with listener(host, port, "--leaderboard") as bound, _log_of(settings) as errors:
        process = _started(settings, bound, errors)
        address = address_of(host, bound)
        bound.close()  # the process has it
        try:
            yield address
        finally:
            if process.stdin is not None:
                process.stdin.close()  # ends it
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def require_leaderboard() -> None:
    """Check that the web application's packages are installed.

    Raises:
        CommandError: Names those that are missing.
    """
    missing = [name for name in ("fastapi", "jinja2", "uvicorn") if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the leaderboard needs {', '.join(missing)}: run pip install 'sn37[leaderboard]'"
        )


def listener(host: str, port: int, flag: str) -> socket.socket:
    """Bind an address, port 0 for any.

    Raises:
        CommandError: It is in use, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        number = error.errno or 0  # negative if the name of the host was not found
        why = os.strerror(number).lower() if number > 0 else "this host is not known"
        raise CommandError(f"{flag} {host}:{port}: {why}; choose another address") from error
    # Connections inherit it. asyncio leaves it out for sockets made in this way, and an answer in
    # two writes would then wait 40 ms for the client's acknowledgement.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def address_of(host: str, bound: socket.socket) -> str:
    """Return the address of pages for a browser."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}/"


def _started(
    settings: Settings, bound: socket.socket, errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    command = ["leaderboard", "--beside", str(bound.fileno()), "--network", settings.network]
    command += ["--netuid", str(settings.netuid), "--state-dir", str(settings.state_dir)]
    if settings.schedule is not None:
        command += ["--schedule", str(settings.schedule)]
    return subprocess.Popen(
        [sys.executable, "-m", "sn37.app.main", *command],
        stdin=subprocess.PIPE,  # the process ends when this is closed, however we end
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=(bound.fileno(),),
        start_new_session=True,  # the terminal's Ctrl-C is for the validator
    )


def _log_of(settings: Settings) -> IO[bytes]:
    file = settings.state_dir / LOG
    try:
        return file.open("ab")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from error
