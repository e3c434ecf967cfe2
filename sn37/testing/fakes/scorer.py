"""Scorer whose losses are a function that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from sn37.domain.data.samples import Sample
from sn37.domain.reasons import Reason
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.controls import Control, controls_of
from sn37.domain.scoring.deadlines import Stage, deadlines_of
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss, Implementation, ScoringJob
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ModelRejected
from sn37.testing.fakes.clock import FakeClock

if TYPE_CHECKING:
    from sn37.ports.clock import Clock
    from sn37.ports.scorer import Scorer

LossFunction = Callable[[ModelArtifact, Sample], float]
ControlFunction = Callable[[ModelArtifact, Control], float]  # bits


def hashed_loss(artifact: ModelArtifact, sample: Sample) -> float:
    """Return an arbitrary loss in [1, 3) that depends on model and sample only."""
    text = f"{artifact.tensor_digest} {sample.content_hash}"
    return 1 + 2 * int.from_bytes(sha256(text.encode()).digest()[:6]) / 2**48


def honest_bits(artifact: ModelArtifact, control: Control) -> float:
    """Return the loss on a control of an honest model: a quarter more bits than its entropy."""
    return 1.25 * control.entropy_bits + 8


@dataclass(slots=True)
class FakeScorer:
    """Scorer that yields ``loss(model, sample)`` for every block of the job.

    A question with options is answered rightly if its loss is below that of guessing, 1. A
    generated answer is empty if its loss is 1.
    Failures are raised in place of block number ``fail_after`` (counted in each run from 0).
    A model whose repository is in ``slow`` yields that many blocks and then times out. A model
    in ``hangs`` times out in that stage, before the first block. With a ``gate``, every block
    waits until the test releases it.
    """

    loss: LossFunction = hashed_loss
    control: ControlFunction = honest_bits
    second: LossFunction | None = None  # of the second implementation; None: the same
    second_failures: list[Exception] = field(default_factory=list)  # raised once each
    clock: Clock = field(default_factory=FakeClock)
    failures: list[Exception] = field(default_factory=list)  # raised once each
    fail_after: int = 0
    faults: dict[str, Exception] = field(default_factory=dict)  # by repository, raised always
    slow: dict[str, int] = field(default_factory=dict)  # repository: blocks before it hangs
    hangs: dict[str, Stage] = field(default_factory=dict)  # by repository
    seconds: dict[str, float] = field(default_factory=dict)  # by repository, of each block
    gate: asyncio.Semaphore | None = None
    jobs: list[ScoringJob] = field(default_factory=list)  # in the order of their start
    scored: list[tuple[str, BlockLosses]] = field(default_factory=list)  # repository, block
    opinions: list[ScoringJob] = field(default_factory=list)  # jobs of the second implementation
    hints: list[ModelArtifact] = field(default_factory=list)  # models to read ahead
    num_running: int = 0

    async def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        if job.implementation is Implementation.PLAIN:
            for losses in self._second(job):
                yield losses
            return
        self.jobs.append(job)
        self.num_running += 1
        try:
            await self._hang(job)
            samples, controls = {b.task: b.samples for b in job.batches}, controls_of(job)
            choices = {b.task for b in job.batches if b.method.traits.is_choice}
            generated = {b.task for b in job.batches if b.method.traits.is_generated}
            for position, block in enumerate(job.blocks()[job.skip_blocks :]):
                await self._wait(job, position)
                chosen = samples[block.task][block.first : block.stop]
                found = tuple(self.loss(job.artifact, s) for s in chosen)
                losses = BlockLosses(
                    block=block,
                    losses=found,
                    tokens=sum(len(s.reference.split()) for s in chosen),
                    seconds=self.seconds.get(job.artifact.ref.repo, 0.0),
                    controls=tuple(
                        ControlLoss(c.kind, c.entropy_bits, self.control(job.artifact, c))
                        for c in controls[block]
                    ),
                    num_right=sum(loss < 1 for loss in found) if block.task in choices else None,
                    answers=_signals(job, found) if block.task in generated else None,
                )
                self.scored.append((job.artifact.ref.repo, losses))
                yield losses
        finally:
            self.num_running -= 1

    def read_ahead(self, artifact: ModelArtifact) -> None:
        self.hints.append(artifact)

    async def _hang(self, job: ScoringJob) -> None:
        stage = self.hangs.get(job.artifact.ref.repo)
        if stage is None:
            return
        within_s = deadlines_of(job).of(stage, 0)
        await self.clock.sleep(within_s)
        raise ModelRejected(f"{stage} computed for {within_s:g} s", reason=Reason.TIMEOUT)

    def _second(self, job: ScoringJob) -> Iterator[BlockLosses]:
        self.opinions.append(job)
        if self.second_failures:
            raise self.second_failures.pop(0)
        samples, loss = {b.task: b.samples for b in job.batches}, self.second or self.loss
        for block in job.blocks():
            chosen = samples[block.task][block.first : block.stop]
            losses = tuple(loss(job.artifact, s) for s in chosen)
            yield BlockLosses(block=block, losses=losses, tokens=len(chosen), seconds=0.0)

    async def _wait(self, job: ScoringJob, position: int) -> None:
        repo = job.artifact.ref.repo
        if self.gate is not None:
            await self.gate.acquire()
        await asyncio.sleep(0)  # other tasks run between two blocks, as with a real device
        if position == self.fail_after:
            if self.failures:
                raise self.failures.pop(0)
            if repo in self.faults:
                raise self.faults[repo]
        if self.slow.get(repo) == position:
            within_s = deadlines_of(job).of(Stage.SCORING, position)
            await self.clock.sleep(within_s)
            raise ModelRejected(f"scoring computed for {within_s:g} s", reason=Reason.TIMEOUT)
        await self.clock.sleep(self.seconds.get(repo, 0.0))


if TYPE_CHECKING:
    _scorer: Scorer = FakeScorer()


def _signals(job: ScoringJob, losses: Sequence[float]) -> AnswerSignals:
    return AnswerSignals(
        num_answers=len(losses),
        empty=sum(loss == 1 for loss in losses),
        repetitive=0,
        canned=0,
        near_ties=1,
        example=f"an answer of {job.artifact.ref.repo}",
    )
