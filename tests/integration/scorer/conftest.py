"""One warm scorer for all tests that need none of their own, and one model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.testing.tiny_models import save_model
from tests.support.device import DEVICE

torch.set_num_threads(1)  # references are tiny; a second thread would only wait


@pytest.fixture(scope="session")
def warm_scorer() -> Iterator[WorkerScorer]:
    """A scorer in float32; starting one takes seconds, a job a fraction of one."""
    scorer = WorkerScorer(device=DEVICE, dtype="float32", threads=1, max_children=10_000)
    yield scorer
    asyncio.run(scorer.aclose())


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Llama. Do not write to it."""
    folder = tmp_path_factory.mktemp("llama")
    save_model(folder)
    return folder
