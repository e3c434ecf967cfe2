"""The validator as a service: a manager stops and starts it, and it answers over HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from sn37.domain.release.upgrade import Page
from sn37.ports.errors import ServiceUnavailable

if TYPE_CHECKING:
    from sn37.ports.releases import Service

TIMEOUT_S = 300.0  # systemd gives up on a start after 90 s, on a stop after TimeoutStopSec
ASK_TIMEOUT_S = 5.0
_MAX_PAGE_BYTES = 1 << 18


class ManagedService:
    """Service controlled by ``MANAGER stop UNIT`` and ``MANAGER start UNIT``.

    Args:
        manager: systemctl, or a program with the same arguments.
        health: Host and port of the health pages.
    """

    def __init__(self, *, manager: str, unit: str, health: tuple[str, int]) -> None:
        self._manager = manager
        self._unit = unit
        self._health = health

    def stop(self) -> None:
        """See ``Service``."""
        self._tell("stop")

    def start(self) -> None:
        """See ``Service``. A unit that failed too often must be reset, else it does not start."""
        self._run("reset-failed")  # fails if there is nothing to reset
        self._tell("start")

    def page(self) -> Page | None:
        """See ``Service``; an answer of another program counts as none."""
        host, port = self._health
        with closing(http.client.HTTPConnection(host, port, timeout=ASK_TIMEOUT_S)) as connection:
            try:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                said = json.loads(answer.read(_MAX_PAGE_BYTES))
            except (OSError, http.client.HTTPException, ValueError):
                return None
        if not isinstance(said, dict):
            return None
        degraded = said.get("degraded")
        return Page(
            version=str(said.get("version")),
            started_at=str(said.get("started_at")),
            is_ready=answer.status == http.HTTPStatus.OK,
            why=str(said.get("not_ready", "")),
            degraded=frozenset(map(str, degraded)) if isinstance(degraded, dict) else frozenset(),
        )

    def _tell(self, verb: str) -> None:
        code, output = self._run(verb)
        if code != 0:
            last = (output.strip().splitlines() or ["no message"])[-1]
            raise ServiceUnavailable(f"{self._manager} {verb} {self._unit}: {last[:200]}")

    def _run(self, verb: str) -> tuple[int, str]:
        try:
            done = subprocess.run(
                (self._manager, verb, self._unit),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceUnavailable(
                f"{self._manager} {verb}: not finished after {TIMEOUT_S:.0f} s"
            ) from error
        except OSError as error:
            raise ServiceUnavailable(f"{self._manager}: {error.strerror or error}") from error
        return done.returncode, done.stdout.decode(errors="replace")


if TYPE_CHECKING:
    _: type[Service] = ManagedService
