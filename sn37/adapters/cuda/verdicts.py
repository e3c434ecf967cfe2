"""Whose fault it is: the model's or ours, from what a worker said or how it ended."""

from __future__ import annotations

import os
import signal

from sn37.adapters.cuda.child import Ended
from sn37.adapters.cuda.messages import Failed, Ready, Refused, Reply, Scored
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable


def unblamed(reply: Reply) -> Ready | Scored:
    """The message, unless it blames somebody.

    Raises:
        ModelRejected: The worker blames the model.
        ScorerUnavailable: It blames us.
    """
    match reply:
        case Refused(reason, detail):
            raise ModelRejected(detail, reason=reason)
        case Failed(detail):
            raise ScorerUnavailable(detail)
        case _:
            return reply


def unexpected(reply: Reply) -> ModelRejected:
    """A message that was not due, from a worker that a model has taken over."""
    return ModelRejected(
        f"the worker sent {type(reply).__name__.lower()} out of turn", reason=Reason.UNLOADABLE
    )


def post_mortem(
    ended: Ended | None, *, is_ready: bool, most_bytes: int
) -> ModelRejected | ScorerUnavailable:
    """Whose fault the death of a worker is that ended without a verdict.

    Args:
        ended: ``None`` when the warm parent died.
        is_ready: Whether it had come to the model.
        most_bytes: What it held at most while the model was within its size.
    """
    if ended is None:
        return ScorerUnavailable("the warm parent died, and the worker with it")
    code = os.waitstatus_to_exitcode(ended.status)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    if ended.was_running:
        how = "closed its stream and went on"
    if not is_ready:
        return ScorerUnavailable(f"the worker {how} before it read the model")
    if code == -signal.SIGKILL and not ended.was_running:
        # A worker cannot do this to itself. The kernel can, for want of memory: then it counts
        # how much the worker held, and a model within its size is not to blame.
        held = f"while it held {ended.peak_bytes >> 20} of at most {most_bytes >> 20} MiB"
        if ended.peak_bytes <= most_bytes:
            return ScorerUnavailable(
                f"the worker was killed from outside {held}; the machine may lack memory"
            )
        return ModelRejected(f"the worker was killed {held}", reason=Reason.MEMORY)
    return ModelRejected(f"the worker {how} without a verdict", reason=Reason.UNLOADABLE)
