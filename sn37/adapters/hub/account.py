"""The hub as this machine reaches it: its answer, the owner of the token, and its clock."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from sn37.adapters.hub.transfer_messages import Connection, IdentifyOrder
from sn37.adapters.hub.transfer_process import carry_out
from sn37.ports.clock import Clock
from sn37.ports.errors import StoreUnavailable
from sn37.ports.host_facts import HubFacts

TIMEOUT_S = 40.0


async def ask_hub(
    clock: Clock, connection: Connection | None = None, *, timeout_s: float = TIMEOUT_S
) -> HubFacts:
    """Ask the hub who this machine is.

    Raises:
        StoreUnavailable: It does not answer.
    """
    found = await carry_out(connection or Connection(), IdentifyOrder(), timeout_s=timeout_s)
    match found:
        case {
            "endpoint": str(endpoint),
            "has_token": bool(has_token),
            "user": str() | None as user,
            "date": str() | None as date,
            "answered_s": float(answered_s),
        }:
            return HubFacts(
                endpoint=endpoint,
                has_token=has_token,
                user=user,
                answered_s=answered_s,
                skew_s=_skew_s(date, clock),
            )
    raise StoreUnavailable(f"invalid answer to a question about the token: {found}")


def _skew_s(date: str | None, clock: Clock) -> float | None:
    """Return by how much our clock is ahead of a date that has just arrived.

    The date has whole seconds: on average it is half a second behind its clock.
    """
    if date is None:
        return None
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    return (clock.now() - theirs).total_seconds() - 0.5
