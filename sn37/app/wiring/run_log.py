"""The program's log of one run, opened when the state folder is ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path

from sn37.app.errors import CommandError
from sn37.ports.errors import PortError

log = logging.getLogger(__name__)

_ALL = 1_000_000  # records; a start that is refused logs a few


class RunLog:
    """Log file of a validator.

    The file may belong to a validator that runs. Until ``open`` records are held in memory, so a
    start that is refused writes nothing.

    Args:
        handler: Opens a file; raises ``OSError``.
    """

    def __init__(self, file: Path, *, handler: Callable[[Path], logging.Handler]) -> None:
        self._file = file
        self._handler = handler
        self._held = MemoryHandler(_ALL, flushLevel=logging.CRITICAL + 1)
        self._is_open = False

    def hold(self, level: str) -> None:
        """Begin to log, in memory."""
        # A full disk must not fill the terminal with tracebacks.
        logging.raiseExceptions = False
        logging.captureWarnings(True)
        logging.basicConfig(handlers=[self._held], level=level.upper())

    def open(self) -> None:
        """Write what was logged so far, and all that follows, to the file.

        Raises:
            CommandError: The file cannot be opened.
        """
        try:
            handler = self._handler(self._file)
        except OSError as error:
            raise CommandError(
                f"log {self._file}: {error.strerror or error}; move it away, or choose another "
                "--state-dir"
            ) from error
        self._held.setTarget(handler)
        self._held.flush()
        root = logging.getLogger()
        if self._held in root.handlers:
            root.removeHandler(self._held)
            root.addHandler(handler)
        self._is_open = True

    @contextmanager
    def bugs(self) -> Iterator[None]:
        """Raise one known error unchanged; log the traceback of anything else and name the log.

        Before the log is open, a bug keeps its traceback.
        """
        try:
            yield
        except Exception as error:
            causes = tuple(_causes(error))
            bug = next((c for c in causes if not isinstance(c, CommandError | PortError)), None)
            log.error("stopped by %r", causes[0], exc_info=error if bug else None)
            if bug is None:
                raise causes[0] from None
            if not self._is_open:
                raise
            raise CommandError(
                f"a bug in sn37 stopped the validator: {type(bug).__name__}: {bug}; its traceback "
                f"is in {self._file}; please report it; nothing recorded is lost, the same command "
                "continues"
            ) from error


def _causes(error: Exception) -> Iterator[Exception]:
    """Yield the errors of a group, and of the groups in it."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error
