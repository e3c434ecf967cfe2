"""A switch from one release to another, as far as it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a switch stands. Each is written down before what it allows is begun."""

    PREPARING = (
        "preparing"  # the service may be stopped, the backup partial; the old one is current
    )
    SWITCHING = "switching"  # the backup is whole; either may be current, the new one may have run
    RETURNING = "returning"  # the new one was no good; either may be current
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
    backup: str  # absolute path of the copy of the state; "" where there was no state
    schema: int | None  # version of the state in that copy
    tolerated: tuple[str, ...] = ()  # dependencies that failed before, so are not its fault
    why: str = ""  # of a return


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a running validator's page of its health says."""

    version: str
    started_at: str
    is_ready: bool
    why: str  # it is not ready
    degraded: frozenset[str]  # which of its dependencies fail
