"""How much of a round's time the checks of soundness take, in the worker's own code."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import scorer_inputs as inputs
from scorer_runs import Setting, architecture_of

from sn37.adapters.scoring import worker
from sn37.adapters.scoring.answers import asked_of
from sn37.adapters.scoring.messages import LENGTH, Refused, Scored, decode_reply
from sn37.adapters.scoring.model import check_time
from sn37.adapters.scoring.scorer import Device, WorkerScorer
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import ScoringJob
from sn37.testing.builders.models import an_artifact, some_constraints
from sn37.testing.builders.rounds import a_batch, a_job
from sn37.testing.builders.samples import a_sample

ROUND_SAMPLES = 300


def soundness_share(setting: Setting, samples: Sequence[inputs.Sample]) -> float:
    """Time in checks over the time of the whole worker, loading included; to be run in a process
    of its own."""
    job = _job(setting, samples)
    scorer = WorkerScorer(
        device=cast(Device, setting.device), dtype=setting.dtype, threads=setting.threads
    )
    order = scorer._order(job, asked_of(job))
    ours, theirs = socket.socketpair()
    told: list[bytes] = []
    parent = threading.Thread(target=_serve, args=(ours, order.encode(), told))
    parent.start()
    began = time.perf_counter()
    worker.main(theirs)
    wall_s = time.perf_counter() - began
    theirs.close()
    parent.join()
    replies = [decode_reply(body) for body in told]
    num_scored = sum(isinstance(reply, Scored) for reply in replies)
    if num_scored != len(job.blocks()):
        refusal = next((r.detail for r in replies if isinstance(r, Refused)), "no reason")
        raise SystemExit(f"the worker scored {num_scored} of {len(job.blocks())} blocks: {refusal}")
    return check_time.OF_THIS_PROCESS.seconds / wall_s


def _job(setting: Setting, samples: Sequence[inputs.Sample]) -> ScoringJob:
    pairs = tuple(
        a_sample(f"pair-{n}", prompt=s.prompt, reference=s.reference)
        for n, s in enumerate(samples)
        if s.prompt
    )
    texts = tuple(
        a_sample(f"text-{n}", prompt="", reference=s.reference)
        for n, s in enumerate(samples)
        if not s.prompt
    )
    artifact = an_artifact(path=setting.model, architecture=architecture_of(setting.model))
    return a_job(
        artifact=replace(artifact, parameters=1),
        constraints=some_constraints(max_parameters=10**12, max_tokens=8192),
        batches=(
            *((a_batch("pairs", samples=pairs),) if pairs else ()),
            *((a_batch("texts", method=Method.TEXT_LOSS, samples=texts),) if texts else ()),
        ),
        timeout_s=86_400.0,
    )


def _serve(stream: socket.socket, order: bytes, told: list[bytes]) -> None:
    """The validator's side: give the order, keep what comes back."""
    with stream, stream.makefile("rb") as replies:
        stream.sendall(order)
        while head := replies.read(LENGTH.size):
            told.append(replies.read(LENGTH.unpack(head)[0]))
