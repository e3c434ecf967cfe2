"""Examinations side by side, each with a time limit; whatever goes wrong in one is a line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from sn37.domain.check_line import Check, Grade
from sn37.domain.printable import one_line

log = logging.getLogger(__name__)

LIMIT_S = 30.0
_GRACE_S = 15.0  # for what is cancelled, such as child processes, to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Something that yields lines."""

    name: str  # of the line that says that it could not be completed
    run: Callable[[], AsyncIterator[Check]]
    remedy: str
    limit_s: float = LIMIT_S
    grade: Grade = Grade.FAILED  # if it could not be completed


async def examine(examinations: Sequence[Examination]) -> AsyncIterator[Check]:
    """Make all examinations at the same time; yield their lines in the order given."""
    tasks = [asyncio.create_task(_lines(e)) for e in examinations]
    try:
        for task in tasks:
            for check in await task:
                yield check
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lines(examination: Examination) -> Sequence[Check]:
    """Return the lines of an examination, and another one if it failed or took too long."""
    found: list[Check] = []

    async def collect() -> None:
        async for check in examination.run():
            found.append(check)  # noqa: PERF401  # those before a failure are kept

    task = asyncio.create_task(collect())
    try:
        done, _ = await asyncio.wait({task}, timeout=examination.limit_s)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_GRACE_S)
    if not done:
        return (*found, _incomplete(examination, f"no result within {examination.limit_s:g} s"))
    if (error := task.exception()) is not None:
        log.info("%s could not be checked", examination.name, exc_info=error)
        said = one_line(f"{type(error).__name__}: {error}", 200)
        return (*found, _incomplete(examination, f"could not be checked: {said}"))
    return found


def _incomplete(examination: Examination, detail: str) -> Check:
    return Check(
        name=examination.name,
        grade=examination.grade,
        detail=detail,
        remedy=examination.remedy,
    )
