"""Progress of a switch from one release to another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Phase of a switch. Each phase is recorded before its actions begin."""

    PREPARING = (
        "preparing"  # the service may be stopped, the backup partial; the old one is current
    )
    SWITCHING = "switching"  # the backup is complete; either may be current, the new may have run
    RETURNING = "returning"  # the new one failed; either may be current
    DONE = "done"  # the new one runs
    RETURNED = "returned"  # the old one runs

    @property
    def is_over(self) -> bool:
        return self in (Phase.DONE, Phase.RETURNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The newest switch of an installation."""

    old: str  # version, of the release that ran
    new: str
    phase: Phase
    backup: str  # absolute path of the copy of the state; "" without a state
    schema: int | None  # version of the state in that copy
    tolerated: tuple[str, ...] = ()  # dependencies that already failed before
    why: str = ""  # reason of a return


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Content of a running validator's health page."""

    version: str
    started_at: str
    is_ready: bool
    why: str  # reason why it is not ready
    degraded: frozenset[str]  # its failing dependencies
