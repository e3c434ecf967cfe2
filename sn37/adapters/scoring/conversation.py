"""The parent's part of the conversation with a worker, in its fixed order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sn37.adapters.scoring.blame import unblamed, unexpected
from sn37.adapters.scoring.deadline import Deadline
from sn37.adapters.scoring.messages import (
    LENGTH,
    MAX_REPLY_BYTES,
    Answered,
    BlockReply,
    MalformedMessage,
    Reached,
    Ready,
    Reply,
    Scored,
    Weighed,
    WorkOrder,
    decode_reply,
)
from sn37.adapters.scoring.worker_handle import Child
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable

START_S = 180.0  # until a worker reads the model; a driver may take long to release memory


async def start(worker: Child, order: WorkOrder) -> Mapping[str, str]:
    """Start the worker's job; return its environment. It has not read the model yet.

    Raises:
        ScorerUnavailable: The worker does not start.
    """
    try:
        async with asyncio.timeout(START_S):
            await worker.send(order.encode())
            match unblamed(await _receive(worker)):
                case Ready(environment):
                    return environment
                case other:
                    raise unexpected(other)
    except TimeoutError as error:
        raise ScorerUnavailable(f"the worker did not start within {START_S:g} s") from error


async def next_block(
    worker: Child, deadline: Deadline, *, max_reply_bytes: int = MAX_REPLY_BYTES
) -> BlockReply:
    """Return the losses of the next block, or its answers; track the stages before it."""
    while True:
        match unblamed(await deadline.run(_receive(worker, max_reply_bytes))):
            case Reached(stage) if deadline.stage.is_before(stage):
                deadline.enter(stage)
            case Scored() | Weighed() | Answered() as told:
                deadline.block_done()
                return told
            case other:
                raise unexpected(other)


async def _receive(worker: Child, max_reply_bytes: int = MAX_REPLY_BYTES) -> Reply:
    """Return the worker's next message.

    Raises:
        ConnectionError: The worker is gone.
        ModelRejected: The worker sent an invalid message.
    """
    try:
        (length,) = LENGTH.unpack(await worker.reader.readexactly(LENGTH.size))
        if length > max_reply_bytes:
            raise MalformedMessage(f"{length} bytes are too long")
        return decode_reply(await worker.reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("the worker closed its stream") from error
    except MalformedMessage as error:
        raise ModelRejected(
            f"the worker sent a malformed message: {error}", reason=Reason.UNLOADABLE
        ) from error
