"""What a worker that a model has taken over can reach: its model and its memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sn37.domain.scoring import ScoringJob
from sn37.testing import builders
from tests.integration.scorer.harness import everything, hostile

LEGITIMATE = {"read the model", "list the model", "read itself", "import", "start a thread"}
REFUSALS = {"EPERM", "EACCES", "ENOSYS"}


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """A home with a wallet, and two models."""
    wallet = tmp_path / "home" / "wallets" / "default"
    (wallet / "hotkeys").mkdir(parents=True)
    (wallet / "hotkeys" / "default").write_text("secret")
    for name in ("model", "other"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.json").write_text("{}")
    return {
        "pid": str(os.getpid()),
        "home": str(tmp_path / "home"),
        "wallet": str(wallet),
        "model": str(tmp_path / "models" / "model"),
        "other": str(tmp_path / "models" / "other"),
    }


def job_with(surroundings: dict[str, str]) -> ScoringJob:
    path = Path(surroundings["model"])
    return builders.a_job(
        artifact=builders.an_artifact(path=path), template=json.dumps(surroundings)
    )


def what_there_is(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(file): (file.stat().st_mode, file.stat().st_mtime_ns, file.read_bytes())
        for file in folder.rglob("*")
        if file.is_file()
    }


async def test_t25_a_worker_reaches_nothing_but_its_model(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    before = what_there_is(tmp_path)
    job = job_with(surroundings)
    async with hostile("break_out:main") as scorer:
        blocks = await everything(scorer, job)
        told = scorer.environment()
    names = set(told) - {"device", "dtype", "sandbox", "threads", "torch"}
    names -= {"transformers", "tokenizers"}
    assert {name for name in names if told[name] == "allowed"} == LEGITIMATE
    assert {told[name] for name in names - LEGITIMATE} <= REFUSALS, told
    assert len(names) > 50
    assert len(blocks) == len(job.blocks()), "it scored as if nothing had happened"
    assert what_there_is(tmp_path) == before
    assert not {"sn37-owned"} & {*os.listdir("/tmp"), *os.listdir("/dev/shm")}  # noqa: PTH208
