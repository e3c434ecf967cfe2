"""Health check of a release that has just been started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sn37.domain.release.upgrade import Page
from sn37.ports.releases import Service

POLL_S = 1.0
# Weights wait for the chain's rate limit, and the chain may refuse them, in every version.
_NOBODYS_FAULT = frozenset({"weights"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Open once the new validator has been healthy for long enough without a break.

    Healthy means: the version is the one that was started, the process is the same all the time,
    it follows its chain (/readyz), and nothing fails that did not fail before the switch. It does
    not wait for a round, which takes an hour or more.
    """

    service: Service
    settle_s: float  # healthy for so long
    deadline_s: float  # else given up after so long
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    tell: Callable[[str], None]

    def objection(self, version: str, tolerated: frozenset[str]) -> str:
        """Wait for the gate; return why it did not open, or "".

        Args:
            tolerated: Dependencies that failed before the switch.
        """
        until = self.monotonic() + self.deadline_s
        started, since, said = "", 0.0, ""
        while (now := self.monotonic()) <= until:
            page = self.service.page()
            if why := fault(page, version, tolerated):
                started = ""
            elif page is not None and page.started_at != started:
                started, since = page.started_at, now
                why = "healthy, watching it"
            elif now - since >= self.settle_s:
                return ""
            if why and why != said:
                self.tell(f"{version}: {why}")
                said = why
            self.sleep(POLL_S)
        return f"not healthy for {self.settle_s:.0f} s within {self.deadline_s:.0f} s; last: {said}"


def fault(page: Page | None, version: str, tolerated: frozenset[str]) -> str:
    """Return the fault that a health page shows, or "" for a healthy release."""
    if page is None:
        return "no answer from its health pages"
    if page.version != version:
        return f"version {page.version} answers instead"
    if not page.is_ready:
        return page.why or "not ready"
    if new := sorted(page.degraded - tolerated - _NOBODYS_FAULT):
        return f"{', '.join(new)} degraded"
    return ""
