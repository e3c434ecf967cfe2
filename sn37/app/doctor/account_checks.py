"""Lines about the accounts that a validator uses: the hub and wandb. And the clock."""

from __future__ import annotations

from collections.abc import Iterator

from sn37.app.doctor.topics import CLOCK, HUB, HUB_TOKEN, WANDB
from sn37.domain.check_line import Check
from sn37.domain.printable import one_line
from sn37.ports.host_facts import HubFacts

MAX_SKEW_S = 5.0


def check_hub(facts: HubFacts) -> Iterator[Check]:
    """Yield the clock, the hub and its token."""
    yield check_clock(facts.skew_s)
    yield HUB.ok(f"{facts.endpoint} answers in {facts.answered_s * 1000:.0f} ms")
    yield _token(facts)


def check_clock(skew_s: float | None) -> Check:
    """Report by how much this clock is ahead of the hub's; ``None`` if it names no time."""
    if skew_s is None:
        return CLOCK.warning("unknown: the hub's answer names no time")
    way = "ahead of" if skew_s >= 0 else "behind"
    detail = f"{abs(skew_s):,.1f} s {way} the hub's, allowed are {MAX_SKEW_S:g} s"
    return CLOCK.ok(detail) if abs(skew_s) <= MAX_SKEW_S else CLOCK.warning(detail)


def _token(facts: HubFacts) -> Check:
    if not facts.has_token:
        return HUB_TOKEN.warning("none is set, so the hub allows fewer requests")
    if facts.user is None:
        return HUB_TOKEN.failed("the hub refuses it, and with it every request")
    return HUB_TOKEN.ok(f"accepted, of {one_line(facts.user, 60)}")


def no_hub(why: str) -> Iterator[Check]:
    """Yield the lines for a hub that did not answer."""
    yield HUB.failed(one_line(why, 200))


def check_wandb(user: str) -> Check:
    """Report the account that wandb knows this machine as."""
    return WANDB.ok(f"accepted, of {one_line(user, 60)}")


def no_wandb(why: str) -> Check:
    """Return the line for a login that wandb does not accept, or a wandb that does not answer."""
    return WANDB.failed(one_line(why, 200))
