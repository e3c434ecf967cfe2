"""Attribution of a worker's failure, to the model or to us, by its messages or its end."""

from __future__ import annotations

import os
import signal

from sn37.adapters.scoring.deadline import How, Overrun
from sn37.adapters.scoring.messages import BlockReply, Failed, Reached, Ready, Refused, Reply
from sn37.adapters.scoring.reference import Pace
from sn37.adapters.scoring.worker_handle import Ended
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable


def unblamed(reply: Reply) -> Ready | Reached | BlockReply:
    """Return the reply; raise the fault that it reports, if any.

    Raises:
        ModelRejected: The worker blames the model.
        ScorerUnavailable: The worker blames us.
    """
    match reply:
        case Refused(reason, detail):
            raise ModelRejected(detail, reason=reason)
        case Failed(detail):
            raise ScorerUnavailable(detail)
        case _:
            return reply


def unexpected(reply: Reply) -> ModelRejected:
    """Return the error for an unexpected message, from a worker that a model has taken over."""
    return ModelRejected(
        f"the worker sent an unexpected message: {type(reply).__name__.lower()}",
        reason=Reason.UNLOADABLE,
    )


def out_of_time(overrun: Overrun, pace: Pace) -> ModelRejected | ScorerUnavailable:
    """Return the fault for a worker that ran out of time.

    The model is at fault if it used up its time on a machine that runs at normal speed. Processor
    time is compared with the processor time of a reference, so that a machine with other load
    neither blames nor excuses a model. Wall-clock time is compared with the reference's
    wall-clock time.

    Args:
        pace: Of the reference, measured right after the worker ended.
    """
    keeps_pace = pace.keeps_work and (pace.keeps_time or not overrun.by_device)
    match overrun.how:
        case How.COMPUTED if keeps_pace:
            return ModelRejected(str(overrun), reason=Reason.TIMEOUT)
        case How.STOOD_STILL if pace.keeps_time:
            return ScorerUnavailable(str(overrun), reason=Reason.STALLED)
        case _:
            return ScorerUnavailable(
                f"{overrun}, and a reference that needs 1 s at best took {pace.wall:.1f} s, "
                f"{pace.processor:.1f} s of them computing: this machine is too busy or too slow"
            )


def post_mortem(
    ended: Ended | None, *, is_ready: bool, most_bytes: int
) -> ModelRejected | ScorerUnavailable:
    """Return the fault for a worker that died without a verdict.

    Args:
        ended: ``None`` if the warm parent died.
        is_ready: True if the worker had begun to read the model.
        most_bytes: Memory that it held at most while the model was within its size.
    """
    if ended is None:
        return ScorerUnavailable("the warm parent died, and the worker with it")
    code = os.waitstatus_to_exitcode(ended.status)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    if ended.was_running:
        how = "closed its stream but went on running"
    if not is_ready:
        return ScorerUnavailable(f"the worker {how} before it read the model")
    if code == -signal.SIGKILL and not ended.was_running:
        # A worker cannot do this to itself, but the kernel can if memory is short. Then the memory
        # that the worker held decides: a model within its size is not to blame.
        held = f"while it held {ended.peak_bytes >> 20} of at most {most_bytes >> 20} MiB"
        if ended.peak_bytes <= most_bytes:
            return ScorerUnavailable(
                f"the worker was killed from outside {held}; the machine may be short of memory"
            )
        return ModelRejected(f"the worker was killed {held}", reason=Reason.MEMORY)
    return ModelRejected(f"the worker {how} without a verdict", reason=Reason.UNLOADABLE)
