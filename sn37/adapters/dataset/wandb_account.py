"""The login of this machine at wandb, asked for in a process that can be killed."""

from __future__ import annotations

import asyncio
import json

from sn37.adapters.child_process.running import ChildError, child_environment, running
from sn37.domain.printable import one_line
from sn37.ports.errors import DatasetUnavailable

_MODULE = "sn37.adapters.dataset.wandb_login"
_INHERITED = frozenset({"NETRC", "WANDB_API_KEY", "WANDB_BASE_URL"})
TIMEOUT_S = 50.0


async def wandb_user(*, timeout_s: float = TIMEOUT_S) -> str:
    """Return the name of the account whose login this machine has.

    Raises:
        DatasetUnavailable: There is none, wandb refuses it, or does not answer.
    """
    try:
        async with (
            asyncio.timeout(timeout_s),
            running(_MODULE, child_environment({}, names=_INHERITED)) as child,
        ):
            async for line in child.lines():
                match json.loads(line):
                    case {"user": str(user)}:
                        return user
                    case {"failed": str(message)}:
                        raise DatasetUnavailable(one_line(message, 300))
            raise child.death()
    except TimeoutError as error:
        raise DatasetUnavailable(f"wandb does not answer within {timeout_s:g} s") from error
    except ChildError as error:
        raise DatasetUnavailable(f"the client's process {error}") from error
