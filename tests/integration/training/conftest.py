"""One thread, as in the references; and one warm scorer for all tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import torch

from sn37.adapters.scoring.scorer import WorkerScorer
from tests.support.device import DEVICE

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def warm_scorer() -> Iterator[WorkerScorer]:
    """A scorer in float32; starting one takes seconds, a job a fraction of one."""
    scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1, max_children=10_000)
    yield scorer
    asyncio.run(scorer.aclose())
