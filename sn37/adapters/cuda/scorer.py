"""The ``Scorer`` port over worker processes: the parent's side, without torch."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeVar

from sn37.adapters.cuda.child import Child
from sn37.adapters.cuda.launcher import Launcher
from sn37.adapters.cuda.messages import (
    LENGTH,
    MAX_REPLY_BYTES,
    BlockOrder,
    Failed,
    MalformedMessage,
    Ready,
    Refused,
    Reply,
    Scored,
    WorkOrder,
    decode_reply,
)
from sn37.adapters.cuda.read_ahead import ReadAhead
from sn37.domain.competition import Method
from sn37.domain.models import ModelArtifact
from sn37.domain.reasons import Reason
from sn37.domain.scoring import BlockLosses, SampleBlock, ScoringJob
from sn37.ports.errors import ModelRejected, ScorerUnavailable
from sn37.ports.scorer import Scorer

_Result = TypeVar("_Result")
Device = Literal["cpu", "cuda"]
Dtype = Literal["float32", "bfloat16"]

WORKER = "sn37.adapters.cuda.worker:main"
METHODS = frozenset({Method.REFERENCE_LOSS, Method.TEXT_LOSS})
ITEM_BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2}
WORKING_BYTES = 2 << 30  # libraries, logits of a chunk, activations of short samples
TOKEN_BYTES = 1 << 20  # of the window: activations of a sample that fills it


class WorkerScorer:
    """Scores each model in a process of its own, forked from a warm parent.

    Args:
        threads: Of the worker's operators. Sums are split by it, so it is part of what makes
            losses bit-identical.
        scratch: Folder for what workers write; one folder each, removed with the worker.
        entry: ``module:function`` that a worker runs; tests give others.
        search_path: Where to find the entry besides this process's import path.
        max_children: Workers after which the warm parent is replaced.
    """

    def __init__(
        self,
        *,
        device: Device,
        dtype: Dtype,
        threads: int,
        scratch: Path,
        entry: str = WORKER,
        search_path: Sequence[Path] = (),
        max_children: int = 64,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._device: Device = device
        self._dtype: Dtype = dtype
        self._threads = threads
        self._launcher = Launcher(
            entry=entry,
            scratch=scratch,
            environment=_child_environment(threads),
            search_path=search_path,
            max_children=max_children,
        )
        self._ahead = ReadAhead()
        self._reported: Mapping[str, str] = {}

    async def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        """See :meth:`sn37.ports.scorer.Scorer.score`.

        The deadline starts when the worker has been forked and stands still while the caller
        holds a block, so that a slow caller is never the model's fault.
        """
        _check(job)
        blocks = job.blocks()[job.skip_blocks :]
        if not blocks:
            return
        num_oom_kills = _num_oom_kills()
        worker = await self._launcher.launch(memory_bytes=self._memory_bytes(job))
        deadline = _Deadline(job.timeout_s)
        try:
            await deadline.run(worker.send(self._order(job, blocks).encode()))
            match _unblamed(await deadline.run(_receive(worker))):
                case Ready(environment):
                    self._reported = environment
                case other:
                    raise _unexpected(other)
            for block in blocks:
                match _unblamed(await deadline.run(_receive(worker))):
                    case Scored(losses, tokens) if len(losses) == block.stop - block.first:
                        seconds = deadline.stop()
                    case other:
                        raise _unexpected(other)
                yield BlockLosses(block=block, losses=losses, tokens=tokens, seconds=seconds)
                deadline.go()
        except ConnectionError as error:
            raise _post_mortem(await worker.end(gently=True), num_oom_kills) from error
        finally:
            await worker.end()

    def read_ahead(self, artifact: ModelArtifact) -> None:
        """See :meth:`sn37.ports.scorer.Scorer.read_ahead`."""
        self._ahead.start(Path(artifact.path))

    async def aclose(self) -> None:
        """End the warm parent and every worker that is left; ``score`` would start a new one."""
        await asyncio.to_thread(self._ahead.stop)
        await self._launcher.aclose()

    def environment(self) -> Mapping[str, str]:
        """What the last bits of losses depend on, for receipts.

        Device and runtime as the newest worker found them, once there was one.
        """
        return {
            "device": self._device,
            "dtype": self._dtype,
            "threads": str(self._threads),
            "torch": _version("torch"),
            "transformers": _version("transformers"),
            "tokenizers": _version("tokenizers"),
            **self._reported,
        }

    def _order(self, job: ScoringJob, blocks: Sequence[SampleBlock]) -> WorkOrder:
        batches = {batch.task: batch for batch in job.batches}
        return WorkOrder(
            model=str(Path(job.artifact.path).absolute()),
            architecture=job.artifact.architecture,
            max_parameters=job.constraints.max_parameters,
            max_tokens=job.constraints.max_tokens,
            tokenizer=None if job.tokenizer is None else str(Path(job.tokenizer).absolute()),
            template=job.template,
            device=self._device,
            dtype=self._dtype,
            threads=self._threads,
            blocks=tuple(
                BlockOrder(
                    method=batches[block.task].method,
                    pairs=tuple(
                        (sample.prompt, sample.reference)
                        for sample in batches[block.task].samples[block.first : block.stop]
                    ),
                )
                for block in blocks
            ),
        )

    def _memory_bytes(self, job: ScoringJob) -> int | None:
        """Twice what the declared weights take, for loading, plus room to work in.

        A driver's address space has nothing to do with the model: no limit on a GPU's host side.
        """
        if self._device != "cpu":
            return None
        weights = max(job.artifact.size_bytes, job.artifact.parameters * ITEM_BYTES[self._dtype])
        return 2 * weights + WORKING_BYTES + TOKEN_BYTES * job.constraints.max_tokens


class _Deadline:
    """Wall-clock seconds left to a worker; the clock stands between ``stop`` and ``go``."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._since = time.monotonic()

    async def run(self, step: Awaitable[_Result]) -> _Result:
        """``step`` within the time left.

        Raises:
            ModelRejected: ``timeout``.
        """
        try:
            async with asyncio.timeout(self._left_s - (time.monotonic() - self._since)):
                return await step
        except TimeoutError as error:
            raise ModelRejected(
                f"loading and scoring took more than {self._timeout_s:g} s", reason=Reason.TIMEOUT
            ) from error

    def stop(self) -> float:
        """Stop the clock; seconds since it last started."""
        lap_s = time.monotonic() - self._since
        self._left_s -= lap_s
        return lap_s

    def go(self) -> None:
        """Start it again."""
        self._since = time.monotonic()


def _check(job: ScoringJob) -> None:
    for batch in job.batches:
        if batch.method not in METHODS:
            raise ScorerUnavailable(
                f"task {batch.task}: this scorer cannot do {batch.method}, only "
                f"{', '.join(sorted(METHODS))}; schedule another method"
            )


async def _receive(worker: Child) -> Reply:
    """The worker's next message.

    Raises:
        ConnectionError: It is gone.
        ModelRejected: What it sent is no message.
    """
    try:
        (length,) = LENGTH.unpack(await worker.reader.readexactly(LENGTH.size))
        if length > MAX_REPLY_BYTES:
            raise MalformedMessage(f"{length} bytes long")
        return decode_reply(await worker.reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("the worker closed its stream") from error
    except MalformedMessage as error:
        raise ModelRejected(
            f"the worker sent a malformed message: {error}", reason=Reason.UNLOADABLE
        ) from error


def _unblamed(reply: Reply) -> Ready | Scored:
    match reply:
        case Refused(reason, detail):
            raise ModelRejected(detail, reason=reason)
        case Failed(detail):
            raise ScorerUnavailable(detail)
        case _:
            return reply


def _unexpected(reply: Reply) -> ModelRejected:
    return ModelRejected(
        f"the worker sent {type(reply).__name__.lower()} out of turn", reason=Reason.UNLOADABLE
    )


def _post_mortem(status: int | None, num_oom_kills: int) -> ModelRejected | ScorerUnavailable:
    """Whose fault the death of a worker is that ended without a verdict."""
    if status is None:
        return ScorerUnavailable("the warm parent died, and the worker with it")
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and _num_oom_kills() > num_oom_kills:
        # The worker's data is limited by what the model declares, so the machine is too small.
        return ScorerUnavailable("this machine ran out of memory and killed the worker")
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    return ModelRejected(f"the worker {how} without a verdict", reason=Reason.UNLOADABLE)


def _num_oom_kills() -> int:
    """Processes that the kernel has killed for memory since it started."""
    counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return int(counts.get("oom_kill", 0))


def _child_environment(threads: int) -> dict[str, str]:
    return {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "LC_ALL": "C.UTF-8",
        "MKL_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",  # numpy's pool would not survive the fork
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",  # nor would the tokenizers'
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "missing"


_: type[Scorer] = WorkerScorer
