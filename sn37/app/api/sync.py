"""``sn37.app.api`` for programs without an event loop: the same names and arguments.

Each call runs the coroutine of the same name to the end, in a new event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import ParamSpec, TypeVar

from sn37.app import api
from sn37.app.errors import UsageError

__all__ = [
    "bases",
    "check",
    "competitions",
    "evaluate",
    "fetch_base",
    "publish",
    "status",
    "train",
]

P = ParamSpec("P")
T = TypeVar("T")


def _to_the_end(function: Callable[P, Coroutine[object, object, T]]) -> Callable[P, T]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(function(*args, **kwargs))
        name = function.__name__
        raise UsageError(f"an event loop is running: await sn37.app.api.{name} instead")

    return call


competitions = _to_the_end(api.competitions)
bases = _to_the_end(api.bases)
fetch_base = _to_the_end(api.fetch_base)
train = _to_the_end(api.train)
check = _to_the_end(api.check)
evaluate = _to_the_end(api.evaluate)
publish = _to_the_end(api.publish)
status = _to_the_end(api.status)
