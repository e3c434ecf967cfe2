"""What a worker that a model has taken over can reach: its model and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import sn37
from sn37.adapters.scoring.sandbox.layers import Layer
from sn37.adapters.scoring.sandbox.probe import probe
from sn37.domain.scoring.jobs import ScoringJob
from sn37.testing import builders
from tests.integration.scorer.break_out import glances
from tests.integration.scorer.harness import HERE, everything, hostile

LEGITIMATE = frozenset(
    {"read the model", "list the model", "read itself", "import", "start a thread"}
)
VERSIONS = {"device", "dtype", "sandbox", "threads", "torch", "transformers", "tokenizers"}
REFUSALS = {"EPERM", "EACCES", "ENOSYS"}
ABSENT = "ENOENT"
NOWHERE = {"pid": "1", **dict.fromkeys(("home", "wallet", "model", "other"), "/")}
GLANCES = frozenset(glances(NOWHERE))


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user can read, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def surroundings(folder: Path) -> dict[str, str]:
    """A home with a wallet, and two models."""
    wallet = folder / "home" / "wallets" / "default"
    (wallet / "hotkeys").mkdir(parents=True)
    (wallet / "hotkeys" / "default").write_text("secret")
    for name in ("model", "other"):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "config.json").write_text("{}")
    return {
        "pid": str(os.getpid()),
        "home": str(folder / "home"),
        "wallet": str(wallet),
        "model": str(folder / "models" / "model"),
        "other": str(folder / "models" / "other"),
    }


def an_interpreter_for(limitations: Sequence[str]) -> str:
    """This one, unless it lies where only root can go; workers of ``break_out`` need no package."""
    folders = Path(sys.executable).resolve().parents
    if "nobody" in limitations and not all(f.stat().st_mode & 1 for f in folders):
        return "/usr/bin/python3"
    return sys.executable


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


def assert_reached_nothing(told: Mapping[str, str], allowed: frozenset[str] = LEGITIMATE) -> None:
    names = set(told) - VERSIONS - GLANCES
    has_own_root = "mount" in told["sandbox"].split(",")
    refusals = REFUSALS | {ABSENT} if has_own_root else REFUSALS
    assert {name for name in names if told[name] == "allowed"} == allowed
    assert {told[name] for name in names - allowed} <= refusals, told
    assert len(names) > 50
    if has_own_root:
        assert {told[name] for name in GLANCES} == {ABSENT}, told


async def test_t25_a_worker_reaches_nothing_but_its_model(
    surroundings: dict[str, str], folder: Path
) -> None:
    before = what_there_is(folder)
    job = job_with(surroundings)
    async with hostile("break_out:main") as scorer:
        blocks = await everything(scorer, job)
        told = scorer.environment()
    assert_reached_nothing(told)
    assert ("mount" in told["sandbox"].split(",")) == (Layer.MOUNT in probe().layers)
    assert len(blocks) == len(job.blocks()), "it scored as if nothing had happened"
    assert what_there_is(folder) == before
    assert not {"sn37-owned"} & {*os.listdir("/tmp"), *os.listdir("/dev/shm")}  # noqa: PTH208


async def test_t25_nor_does_one_that_may_use_a_gpu(
    surroundings: dict[str, str], folder: Path
) -> None:
    """Its driver needs more calls, and gets some answers that nothing stands behind. No GPU is
    touched."""
    before = what_there_is(folder)
    async with hostile("break_out:main", device="cuda") as scorer:
        await everything(scorer, job_with(surroundings))
        told = dict(scorer.environment())
    assert told.pop("GPU") in ("allowed", "ENOENT")  # with and without one
    for name in ("remove the model", "add a link to the model"):
        assert told.pop(name) == "ENOENT"
    assert told.pop("add as C does") == "allowed", "as if"
    assert_reached_nothing(told, LEGITIMATE | {"shared memory"})
    assert what_there_is(folder) == before


def run_small_validator(
    surroundings: Mapping[str, str], limitations: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            an_interpreter_for(limitations),
            str(HERE / "small_validator.py"),
            "break_out:main",
            json.dumps(surroundings),
            surroundings["model"],
            *limitations,
        ],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(sn37.__file__).parents[1])},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("limitations", [("nobody",), ("container",), ("nobody", "container")])
def test_t25_nor_on_a_host_that_gives_less(
    surroundings: dict[str, str], folder: Path, limitations: tuple[str, ...]
) -> None:
    """An ordinary user maps itself; a container without namespaces has the layers that count."""
    before = what_there_is(folder)
    done = run_small_validator(surroundings, limitations)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert_reached_nothing(told)
    assert what_there_is(folder) == before
    layers = told["sandbox"].split(",")
    assert ("user" in layers) == ("container" not in limitations)
    assert "seccomp" in layers


def test_t25_a_layer_that_is_gone_since_the_start_is_our_fault(
    surroundings: dict[str, str],
) -> None:
    done = run_small_validator(surroundings, ("container", "changed"))
    assert "ScorerUnavailable: cannot confine a worker: namespaces: unshare" in done.stderr
