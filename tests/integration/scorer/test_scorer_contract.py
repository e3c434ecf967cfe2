"""The scorer's contract over real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.scoring.jobs import ScoringJob
from sn37.ports.scorer import Scorer
from sn37.testing.scorer_contract import ScorerContract
from sn37.testing.tiny_models import a_real_job
from tests.support.device import DEVICE

LOOPS = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3


class TestWorkerScorer(ScorerContract):
    @pytest.fixture(autouse=True)
    def _surroundings(self, warm_scorer: WorkerScorer, llama: Path, tmp_path: Path) -> None:
        self.warm = warm_scorer
        self.model = llama
        self.folder = tmp_path

    def scorer(self) -> AbstractAsyncContextManager[Scorer]:
        return nullcontext(self.warm)

    @asynccontextmanager
    async def broken_scorer(self) -> AsyncIterator[Scorer]:
        scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1, entry="no_module:main")
        try:
            yield scorer
        finally:
            await scorer.aclose()

    def job(self) -> ScoringJob:
        return a_real_job(self.model)

    def unloadable_job(self) -> ScoringJob:
        return a_real_job(self.folder / "nothing")

    def hanging_job(self) -> ScoringJob:
        return replace(self.job(), template=LOOPS, timeout_s=1.0)
