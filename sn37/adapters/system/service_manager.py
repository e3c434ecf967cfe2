"""Messages to systemd: the datagrams of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)

VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """The manager that started this process as a service; without one, messages are dropped.

    Args:
        address: Path of a datagram socket, with @ for Linux's abstract ones; ``None`` for a
            process that is not a service.
    """

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._failed = False

    def tell(self, **fields: str) -> None:
        """Send assignments such as ``READY="1"``; errors are only logged."""
        if not self._address:
            return
        lines = "\n".join(f"{name}={' '.join(value.split())}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(lines.encode(), self._address)
        except OSError as error:
            if not self._failed:
                self._failed = True
                log.warning("the service manager at %s: %s", os.environ.get(VARIABLE), error)


def from_environment() -> ServiceManager:
    """Return the manager that the environment names, and hide it from child processes."""
    return ServiceManager(os.environ.pop(VARIABLE, None))
