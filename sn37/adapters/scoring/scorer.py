"""The ``Scorer`` port over worker processes: the parent's side. Imports neither torch nor
transformers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Literal

from sn37.adapters.scoring.answers import Asked, answers, asked_of, measured
from sn37.adapters.scoring.blame import out_of_time, post_mortem, unexpected
from sn37.adapters.scoring.conversation import next_block, start
from sn37.adapters.scoring.deadline import Deadline, Overrun
from sn37.adapters.scoring.launcher import Launcher
from sn37.adapters.scoring.memory_guard import Watchdog
from sn37.adapters.scoring.messages import BlockOrder, WorkOrder
from sn37.adapters.scoring.model.answering.cache_bytes import CACHE_BYTES
from sn37.adapters.scoring.read_ahead import ReadAhead
from sn37.adapters.scoring.reference import Reference
from sn37.adapters.scoring.sandbox.layers import Sandbox
from sn37.adapters.scoring.sandbox.probe import probe as probe_host
from sn37.adapters.scoring.usage import Meter
from sn37.domain.canonical import as_json, canonical_digest
from sn37.domain.data.batches import SampleBlock
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.choices import unaskable
from sn37.domain.scoring.deadlines import deadlines_of
from sn37.domain.scoring.generated_answers import not_judgeable
from sn37.domain.scoring.jobs import BlockLosses, Implementation, ScoringJob
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ScorerUnavailable
from sn37.ports.scorer import Scorer

Device = Literal["cpu", "cuda"]
Dtype = Literal["float32", "bfloat16"]

WORKER = "sn37.adapters.scoring.worker:main"
ITEM_BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2}
STACK_BYTES = 16 << 20  # of a thread in both of torch's pools; reserved, hardly used
WORKING_BYTES = 2 << 30  # libraries, logits of a chunk, activations of short samples
TOKEN_BYTES = 1 << 20  # activations for each token of the window, for a sample that fills it
# Factor for a second opinion: besides activations, a sample's full logits and their log-softmax,
# 8 bytes for each token of the vocabulary; 3 MiB for the largest that is admitted.
PLAIN_TOKENS = 4
DRIVER_BYTES = 4 << 30  # host memory of a GPU's libraries and driver
WARM_BYTES = 2 << 30  # more than a worker shares with its warm parent


class WorkerScorer:
    """Scores each model in its own process, forked from a warm parent.

    Args:
        threads: Of the worker's operators. It decides how sums are split, so losses are
            bit-identical only for the same number.
        allow_weak_sandbox: Score without Landlock or seccomp if the host has none.
        probe: Finds out how the host can confine workers; blocks, called once.
        entry: ``module:function`` that a worker runs; tests replace it.
        search_path: Import path of the entry, besides this process's own.
        max_children: Number of workers after which the warm parent is replaced.
    """

    def __init__(
        self,
        *,
        device: Device,
        dtype: Dtype,
        threads: int,
        allow_weak_sandbox: bool = False,
        probe: Callable[[], Sandbox] = probe_host,
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
            device=device,
            environment=_child_environment(threads),
            allow_weak=allow_weak_sandbox,
            probe=probe,
            search_path=search_path,
            max_children=max_children,
        )
        self._ahead = ReadAhead()
        self._reference = Reference()
        self._reported: Mapping[str, str] = {}

    async def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        """See :meth:`sn37.ports.scorer.Scorer.score`.

        The model's time, by stage (see ``deadlines``), starts when the worker begins to read the
        model. It stops while the caller holds a block: a slow caller is never the model's fault.
        """
        _check(job)
        blocks = job.blocks()[job.skip_blocks :]
        if not blocks:
            return
        facts = asked_of(job)
        order = self._order(job, facts)
        orders = dict(zip(facts, order.blocks, strict=True))
        allowance = self._memory_bytes(job)
        readable = [_absolute(p) for p in (job.artifact.path, job.tokenizer) if p is not None]
        stacks = self._threads * STACK_BYTES
        limit = allowance + stacks if self._device == "cpu" else None  # a driver reserves at will
        is_ready = False
        async with AsyncExitStack() as stack:
            worker = await self._launcher.launch(readable=readable, memory_bytes=limit)
            stack.push_async_callback(worker.end)
            await self._reference.learn()
            watchdog = await Watchdog.start(worker, allowance_bytes=allowance)
            stack.callback(watchdog.stop)
            try:
                self._reported = await start(worker, order)
                is_ready = True
                meter = Meter(worker.pid, device=self._device, threads=self._threads)
                deadline = Deadline(deadlines_of(job), meter)
                for block in blocks:
                    max_reply_bytes = orders[block].max_reply_bytes
                    told = await next_block(worker, deadline, max_reply_bytes=max_reply_bytes)
                    if not answers(told, block, job, facts[block]):
                        raise unexpected(told)
                    yield measured(told, block, facts[block], deadline.stop())
                    deadline.go()
            except Overrun as overrun:
                await worker.end()
                raise out_of_time(overrun, await self._reference.pace()) from overrun
            except ConnectionError as error:
                ended = await worker.end(gently=True)
                # The model's mapped files count, although the kernel can drop them.
                most_bytes = allowance + job.artifact.size_bytes + WARM_BYTES
                raise watchdog.verdict or post_mortem(
                    ended, is_ready=is_ready, most_bytes=most_bytes
                ) from error

    async def sandbox(self) -> Sandbox:
        """Return the confinement of workers.

        Raises:
            ScorerUnavailable: The host lacks an essential layer, and that is not allowed.
        """
        return await self._launcher.sandbox()

    def read_ahead(self, artifact: ModelArtifact) -> None:
        """See :meth:`sn37.ports.scorer.Scorer.read_ahead`."""
        self._ahead.start(Path(artifact.path))

    async def aclose(self) -> None:
        """End the warm parent and all workers; ``score`` would start a new one."""
        await asyncio.to_thread(self._ahead.stop)
        await self._launcher.aclose()

    def environment(self) -> Mapping[str, str]:
        """Return everything that the last bits of losses depend on, for receipts.

        Device and runtime are those reported by the newest worker, if there was one.
        """
        return {
            "device": self._device,
            "dtype": self._dtype,
            "threads": str(self._threads),
            "torch": _version("torch"),
            "transformers": _version("transformers"),
            "tokenizers": _version("tokenizers"),
            **self._reported,
            "sandbox": found.label if (found := self._launcher.found) else "unknown",
        }

    def _order(self, job: ScoringJob, facts: Mapping[SampleBlock, Asked]) -> WorkOrder:
        methods = {batch.task: batch.method for batch in job.batches}
        blocks = tuple(_order_of(methods[block.task], asked) for block, asked in facts.items())
        return WorkOrder(
            model=str(_absolute(job.artifact.path)),
            architecture=job.artifact.architecture,
            max_parameters=job.constraints.max_parameters,
            max_tokens=job.constraints.max_tokens,
            norms=job.constraints.norms,
            tokenizer=None if job.tokenizer is None else str(_absolute(job.tokenizer)),
            template=job.template,
            device=self._device,
            dtype=self._dtype,
            threads=self._threads,
            memory_bytes=self._memory_bytes(job),
            seed=canonical_digest(as_json(blocks)),
            blocks=blocks,
            stop=job.stop,
            skip_blocks=job.skip_blocks,
            implementation=job.implementation,
        )

    def _memory_bytes(self, job: ScoringJob) -> int:
        """Return twice the size of the declared weights, for loading, plus working memory."""
        is_plain = job.implementation is Implementation.PLAIN
        item_bytes = ITEM_BYTES["float32" if is_plain else self._dtype]
        weights = max(job.artifact.size_bytes, job.artifact.parameters * item_bytes)
        driver = 0 if self._device == "cpu" else DRIVER_BYTES
        token_bytes = TOKEN_BYTES * (PLAIN_TOKENS if is_plain else 1)
        cache = CACHE_BYTES[self._device] if job.budgets else 0
        tokens = token_bytes * job.constraints.max_tokens
        return 2 * weights + WORKING_BYTES + tokens + cache + driver


def _check(job: ScoringJob) -> None:
    for batch in job.batches:
        if why := unaskable(batch):
            raise ScorerUnavailable(f"task {batch.task}: {why}; use a source of such questions")
        if batch.method.traits.is_generated and batch.task not in job.budgets:
            raise ScorerUnavailable(f"task {batch.task}: no budget of tokens for its answers")
        if batch.method is Method.INSTRUCTION_RULES and (why := not_judgeable(batch.samples)):
            raise ScorerUnavailable(f"task {batch.task}: {why}; use a source such as if_eval")


def _order_of(method: Method, asked: Asked) -> BlockOrder:
    """Return the order for a block, without what an answer is judged by: neither the right option
    of a question nor the rules of a prompt."""
    questions, samples = asked.questions, asked.samples
    if method.traits.is_generated:
        choices = [(question.prompt, len(question.answers)) for question in questions]
        prompts = tuple(choices or ((sample.prompt, 0) for sample in samples))
        return BlockOrder(method=method, prompts=prompts, max_new_tokens=asked.budget)
    pairs = () if questions else tuple((sample.prompt, sample.reference) for sample in samples)
    return BlockOrder(
        method=method,
        pairs=pairs,
        questions=tuple((q.prompt, q.answers) for q in questions),
        controls=tuple((c.prompt, c.text) for c in asked.controls),
    )


def _absolute(path: PurePath) -> Path:
    return Path(path).absolute()


def _child_environment(threads: int) -> dict[str, str]:
    return {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HOME": "/nonexistent",  # the validator's user folder is neither read nor written
        "HF_HUB_OFFLINE": "1",
        "LC_ALL": "C.UTF-8",
        "MKL_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",  # numpy's pool would not survive the fork
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",  # nor would that of tokenizers
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "missing"


_: type[Scorer] = WorkerScorer
