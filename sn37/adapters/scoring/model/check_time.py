"""Measurement of the time for soundness checks in a worker, for bench/scorer.py. Child side.

A check is marked where it is defined, so that the benchmark includes checks that are added later.
Nothing in a worker reads the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class CheckTime:
    """Seconds of all marked calls; nested calls count once."""

    seconds: float = 0.0
    depth: int = 0


OF_THIS_PROCESS = CheckTime()


def counted(check: Callable[_P, _T]) -> Callable[_P, _T]:
    """Mark a function as a soundness check. On a GPU it must wait for the work that it starts."""

    @wraps(check)
    def measured(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        total = OF_THIS_PROCESS
        total.depth += 1
        began = time.perf_counter()
        try:
            return check(*args, **kwargs)
        finally:
            total.depth -= 1
            if not total.depth:
                total.seconds += time.perf_counter() - began

    return measured
