"""Retries of calls that a model host has put off, while a person waits.

Validators do not use this: their rounds go on without the host, and they pace themselves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, ParamSpec, TextIO, TypeVar

from sn37.ports.clock import Clock
from sn37.ports.errors import StoreUnavailable
from sn37.ports.model_store import ModelExaminer, ModelPublisher, ModelStore

MAX_WAITS = 12  # for one call; hosts count requests over 5 minutes, so this is an hour
Tell = Callable[[str, int], None]  # reason, and seconds left; 0 at the end

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Patience:
    """Repeats calls that the host has put off.

    Args:
        tell: Called once a second while it waits.
    """

    def __init__(self, *, clock: Clock, tell: Tell | None = None) -> None:
        self._clock = clock
        self._tell = tell or Countdown(sys.stderr).tell

    def with_(
        self, call: Callable[_P, Awaitable[_T]]
    ) -> Callable[_P, Coroutine[object, object, _T]]:
        """Return the call wrapped so that it is repeated when the host allows it again."""

        async def carry_out(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            for _ in range(MAX_WAITS):
                try:
                    return await call(*args, **kwargs)
                except StoreUnavailable as error:
                    if error.retry_after_s is None:
                        raise
                    await self._wait(str(error), error.retry_after_s)
            return await call(*args, **kwargs)

        return carry_out

    async def _wait(self, why: str, seconds: float) -> None:
        for left in range(math.ceil(seconds), 0, -1):
            self._tell(why, left)
            await self._clock.sleep(1.0)
        self._tell(why, 0)


class PatientExaminer:
    """A ``ModelExaminer`` that waits for the host's rate limit."""

    def __init__(self, examiner: ModelExaminer, patience: Patience) -> None:
        self.examine = patience.with_(examiner.examine)
        self.commit_of = patience.with_(examiner.commit_of)
        self.licence = patience.with_(examiner.licence)
        self.discard = examiner.discard


class PatientPublisher:
    """A ``ModelPublisher`` that waits for the host's rate limit."""

    def __init__(self, publisher: ModelPublisher, patience: Patience) -> None:
        self.upload = patience.with_(publisher.upload)
        self.make_public = patience.with_(publisher.make_public)


class PatientModels:
    """A ``ModelStore`` that waits for the host's rate limit."""

    def __init__(self, models: ModelStore, patience: Patience) -> None:
        self.fetch = patience.with_(models.fetch)
        self.availability = patience.with_(models.availability)
        self.tokenizer = patience.with_(models.tokenizer)
        self.base_model = patience.with_(models.base_model)
        self.inventory = models.inventory
        self.evict = models.evict


class Countdown:
    """Prints one line that counts down on a terminal, elsewhere one line when a wait begins."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_waiting = False

    def tell(self, why: str, seconds_left: int) -> None:
        """See ``Tell``."""
        line = f"{why}; trying again in {seconds_left // 60}:{seconds_left % 60:02}"
        if self._stream.isatty():
            self._stream.write(f"\r{line}\x1b[K" if seconds_left else "\r\x1b[K")
        elif seconds_left and not self._is_waiting:
            self._stream.write(f"{line}\n")
        self._is_waiting = seconds_left > 0
        self._stream.flush()


if TYPE_CHECKING:

    def _(
        examiner: PatientExaminer, publisher: PatientPublisher, models: PatientModels
    ) -> tuple[ModelExaminer, ModelPublisher, ModelStore]:
        return examiner, publisher, models
