"""Whether a release that has just been started is any good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sn37.domain.release.upgrade import Page
from sn37.ports.releases import Service

POLL_S = 1.0
# Weights wait for the chain's rate limit and are refused for its reasons, whatever version asks.
_NOBODYS_FAULT = frozenset({"weights"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Open once the new validator was well for long enough without a break.

    Well means: it is the version that was started and the same process all the time, it follows
    its chain (/readyz), and nothing fails that did not fail before the switch. A round takes an
    hour and more, so that none is waited for.
    """

    service: Service
    settle_s: float  # well for so long
    deadline_s: float  # or given up after so long
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    tell: Callable[[str], None]

    def objection(self, version: str, tolerated: frozenset[str]) -> str:
        """Wait; why the release is no good, or empty when it is.

        Args:
            tolerated: Dependencies that failed before.
        """
        until = self.monotonic() + self.deadline_s
        started, since, said = "", 0.0, ""
        while (now := self.monotonic()) <= until:
            page = self.service.page()
            if why := fault(page, version, tolerated):
                started = ""
            elif page is not None and page.started_at != started:
                started, since = page.started_at, now
                why = "well, and watched"
            elif now - since >= self.settle_s:
                return ""
            if why and why != said:
                self.tell(f"{version}: {why}")
                said = why
            self.sleep(POLL_S)
        return f"not well for {self.settle_s:.0f} s within {self.deadline_s:.0f} s; last: {said}"


def fault(page: Page | None, version: str, tolerated: frozenset[str]) -> str:
    """What a page says against a release; empty when it is well."""
    if page is None:
        return "no answer from its health pages"
    if page.version != version:
        return f"version {page.version} answers in its place"
    if not page.is_ready:
        return page.why or "not ready"
    if new := sorted(page.degraded - tolerated - _NOBODYS_FAULT):
        return f"{', '.join(new)} degraded"
    return ""
