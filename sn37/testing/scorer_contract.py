"""Contract tests for every scorer."""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sn37.domain.reasons import Blame, Reason
from sn37.domain.scoring.controls import controls_of, missing_bits
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.ports.errors import ModelRejected, ScorerUnavailable

if TYPE_CHECKING:
    from sn37.ports.scorer import Scorer


class ScorerContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def scorer(self) -> AbstractAsyncContextManager[Scorer]:
        """Open a scorer that works; leaving the context releases its resources."""

    @abstractmethod
    def broken_scorer(self) -> AbstractAsyncContextManager[Scorer]:
        """Open a scorer whose device or worker fails at every job."""

    @abstractmethod
    def job(self) -> ScoringJob:
        """Return a job of two tasks and at least three blocks with a model that can be scored."""

    @abstractmethod
    def unloadable_job(self) -> ScoringJob:
        """Return the same job with a model that cannot be loaded."""

    @abstractmethod
    def hanging_job(self) -> ScoringJob:
        """Return the same job with a model that never answers, and a short ``timeout_s``."""

    def score(self, job: ScoringJob) -> tuple[BlockLosses, ...]:
        """Return all blocks that a fresh scorer yields."""

        async def run() -> tuple[BlockLosses, ...]:
            async with self.scorer() as scorer:
                return await _all(scorer, job)

        return asyncio.run(run())

    def test_the_blocks_of_the_job_come_in_order(self) -> None:
        job = self.job()
        assert len(job.blocks()) >= 3
        assert tuple(b.block for b in self.score(job)) == job.blocks()

    def test_every_block_says_what_it_cost(self) -> None:
        assert all(b.tokens > 0 and b.seconds >= 0 for b in self.score(self.job()))

    def test_t50_every_block_says_what_its_controls_cost_an_honest_model(self) -> None:
        job = self.job()
        due, scored = controls_of(job), self.score(job)
        for block in scored:
            told = [(c.kind, c.entropy_bits) for c in block.controls]
            assert told == [(c.kind, c.entropy_bits) for c in due[block.block]]
            assert told
        assert missing_bits(c for block in scored for c in block.controls) < 0

    def test_equal_jobs_give_bit_identical_losses(self) -> None:
        assert _bits(self.score(self.job())) == _bits(self.score(self.job()))

    def test_a_second_job_on_the_same_scorer_gives_the_same(self) -> None:
        async def twice() -> tuple[tuple[BlockLosses, ...], tuple[BlockLosses, ...]]:
            async with self.scorer() as scorer:
                return await _all(scorer, self.job()), await _all(scorer, self.job())

        first, second = asyncio.run(twice())
        assert _bits(first) == _bits(second)

    @pytest.mark.parametrize("skip", [1, 2])
    def test_skipped_blocks_change_nothing_about_the_rest(self, skip: int) -> None:
        whole = self.score(self.job())
        rest = self.score(replace(self.job(), skip_blocks=skip))
        assert _bits(rest) == _bits(whole[skip:])

    def test_skipping_every_block_yields_nothing(self) -> None:
        job = self.job()
        assert self.score(replace(job, skip_blocks=len(job.blocks()))) == ()

    def test_a_scorer_that_was_closed_early_scores_the_next_model(self) -> None:
        async def run() -> tuple[BlockLosses, tuple[BlockLosses, ...]]:
            async with self.scorer() as scorer:
                async with aclosing(scorer.score(self.job())) as blocks:
                    first = await anext(blocks)
                return first, await _all(scorer, self.job())

        first, whole = asyncio.run(run())
        assert _bits((first,)) == _bits(whole[:1])

    def test_scoring_can_be_cancelled_before_it_has_begun(self) -> None:
        async def run() -> tuple[BlockLosses, ...]:
            async with self.scorer() as scorer:
                started = asyncio.Event()

                async def forever() -> None:
                    started.set()
                    await _all(scorer, replace(self.hanging_job(), timeout_s=3600))

                await _cancel(asyncio.create_task(forever()), started)
                return await _all(scorer, self.job())

        assert len(asyncio.run(run())) == len(self.job().blocks())

    def test_scoring_can_be_cancelled_between_two_blocks(self) -> None:
        async def run() -> tuple[BlockLosses, ...]:
            async with self.scorer() as scorer:
                running = asyncio.Event()

                async def one_by_one() -> None:
                    async with aclosing(scorer.score(self.job())) as blocks:
                        await anext(blocks)
                        running.set()
                        async for _ in blocks:
                            await asyncio.sleep(0)
                        await asyncio.Event().wait()  # all blocks arrived at once

                await _cancel(asyncio.create_task(one_by_one()), running)
                return await _all(scorer, self.job())

        assert len(asyncio.run(run())) == len(self.job().blocks())

    def test_a_model_that_cannot_be_loaded_is_the_miners_fault(self) -> None:
        with pytest.raises(ModelRejected) as caught:
            self.score(self.unloadable_job())
        assert caught.value.reason.blame is Blame.MINER

    def test_a_model_that_hangs_is_stopped_at_its_timeout(self) -> None:
        with pytest.raises(ModelRejected) as caught:
            self.score(self.hanging_job())
        assert caught.value.reason is Reason.TIMEOUT

    def test_a_bad_model_does_not_harm_the_next_one(self) -> None:
        async def run() -> tuple[BlockLosses, ...]:
            async with self.scorer() as scorer:
                for bad in (self.unloadable_job(), self.hanging_job()):
                    with pytest.raises(ModelRejected):
                        await _all(scorer, bad)
                return await _all(scorer, self.job())

        assert _bits(asyncio.run(run())) == _bits(self.score(self.job()))

    def test_a_hint_changes_nothing_even_if_its_files_are_missing(self) -> None:
        async def run() -> tuple[BlockLosses, ...]:
            async with self.scorer() as scorer:
                scorer.read_ahead(self.unloadable_job().artifact)
                scorer.read_ahead(self.job().artifact)
                return await _all(scorer, self.job())

        assert _bits(asyncio.run(run())) == _bits(self.score(self.job()))

    def test_a_broken_device_is_not_the_models_fault(self) -> None:
        async def run() -> None:
            async with self.broken_scorer() as scorer:
                await _all(scorer, self.job())

        with pytest.raises(ScorerUnavailable) as caught:
            asyncio.run(run())
        assert caught.value.__cause__ is not None
        assert caught.value.reason.blame is Blame.OURS


async def _cancel(task: asyncio.Task[None], when: asyncio.Event) -> None:
    await when.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _all(scorer: Scorer, job: ScoringJob) -> tuple[BlockLosses, ...]:
    async with aclosing(scorer.score(job)) as blocks:
        return tuple([block async for block in blocks])


def _bits(blocks: tuple[BlockLosses, ...]) -> list[tuple[object, ...]]:
    # Compared as bytes: NaN equals itself and 0.0 differs from -0.0. Seconds may differ.
    return [
        (b.block, struct.pack(f"{len(b.losses)}d", *b.losses), b.tokens, b.controls) for b in blocks
    ]
