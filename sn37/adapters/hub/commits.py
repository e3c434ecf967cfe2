"""Commits of models' repositories on Hugging Face, for schedules."""

from __future__ import annotations

from sn37.adapters.hub.transfer_messages import Connection, ResolveOrder
from sn37.adapters.hub.transfer_process import carry_out
from sn37.domain.printable import one_line
from sn37.ports.errors import PortError, StoreUnavailable


async def model_commit(repo: str, branch: str, *, endpoint: str | None = None) -> str:
    """Return the commit that a branch of a model's repository has today.

    Raises:
        StoreUnavailable: The hub does not answer, or has no such repository or branch.
    """
    order = ResolveOrder(repo=repo, name=branch)
    try:
        return str(await carry_out(Connection(endpoint=endpoint), order))
    except PortError as error:  # a listing that is too long, too
        raise StoreUnavailable(f"{repo} at {branch!r}: {one_line(str(error))}") from error
