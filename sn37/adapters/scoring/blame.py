"""Whose fault it is: the model's or ours, from what a worker said or how it ended."""

from __future__ import annotations

import os
import signal

from sn37.adapters.scoring.deadline import How, Overrun
from sn37.adapters.scoring.messages import Failed, Reached, Ready, Refused, Reply, Scored
from sn37.adapters.scoring.reference import Pace
from sn37.adapters.scoring.worker_handle import Ended
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable


def unblamed(reply: Reply) -> Ready | Reached | Scored:
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


def out_of_time(overrun: Overrun, pace: Pace) -> ModelRejected | ScorerUnavailable:
    """Whose fault it is that a worker ran out of its time.

    The model's, if it used the time up on a machine that did a second's work in a second. Time of
    a processor is held against the reference's time of a processor, so that a machine that is
    busy with other things convicts nobody and excuses nobody; time of the clock against the clock.

    Args:
        pace: Of the reference, as soon as the worker was gone.
    """
    keeps_pace = pace.keeps_work and (pace.keeps_time or not overrun.by_device)
    match overrun.how:
        case How.COMPUTED if keeps_pace:
            return ModelRejected(str(overrun), reason=Reason.TIMEOUT)
        case How.STOOD_STILL if pace.keeps_time:
            return ScorerUnavailable(str(overrun), reason=Reason.STALLED)
        case _:
            return ScorerUnavailable(
                f"{overrun}, and a reference that needs 1 s at best needed {pace.wall:.1f} s, "
                f"{pace.processor:.1f} s of them computing: this machine is too busy or too slow"
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
