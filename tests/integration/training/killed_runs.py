"""Train in processes that kill themselves, one after the other, until one comes to the end.

    python -m tests.integration.training.killed_runs FOLDER METHOD=CALL,CALL,... ...

Each process kills itself with SIGKILL just before its CALL-th call that changes the disk or
takes a step; the last one is left alone. FOLDER gets the base and, of each method (full, lora),
the run METHOD-stormy and, for comparison, the run METHOD-calm of one process. Prints JSON: for
each process of a run the newest checkpoint that it found and the step that it took first, and
what was judged.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

import torch

from sn37.adapters.scoring.model import loading
from sn37.adapters.training.learning import Learner
from sn37.adapters.training.trainer import TransformersTrainer
from sn37.domain.training import Lora, Recipe
from sn37.testing.tiny_models import save_model
from tests.integration.training.runs import a_training_job
from tests.support.device import DEVICE

STEPS = 6
RECIPE = Recipe(
    steps=STEPS, batch_samples=3, learning_rate=2e-3, checkpoint_steps=1, evaluate_steps=2, seed=5
)
LORA = Lora(rank=4, alpha=8, dropout=0.1)


class Death:
    """Comes just before a call of one of the functions that it was given."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def before(self, owner: Any, name: str) -> None:
        function: Callable[..., object] = getattr(owner, name)

        def call(*args: object, **kwargs: object) -> object:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        setattr(owner, name, call)


def train(base: Path, run: Path, method: str, calls: int, report: int) -> None:
    """One process's work."""
    recipe = RECIPE if method == "full" else replace(RECIPE, lora=LORA)
    death = Death(calls)
    for owner, name in ((os, "fsync"), (shutil, "rmtree"), (Path, "rename"), (Learner, "step")):
        death.before(owner, name)
    step = Learner.step

    def told(self: Learner, number: int, rows: Any) -> Any:
        os.write(report, f"{json.dumps({'step': number})}\n".encode())
        return step(self, number, rows)

    setattr(Learner, "step", told)  # noqa: B010

    def judge(folder: PurePath, step: int) -> float:
        weights = sha256(Path(folder, "model.safetensors").read_bytes()).hexdigest()
        os.write(report, f"{json.dumps({'judged': step, 'weights': weights})}\n".encode())
        return float(STEPS - step)

    trainer = TransformersTrainer(device=DEVICE, dtype="float32", threads=1)
    trainer.train(a_training_job(base, run, recipe), judge=judge, on_step=lambda _: None)


def run_through(base: Path, run: Path, method: str, calls: Sequence[int]) -> dict[str, Any]:
    """One process after the other until one ends by itself."""
    starts, judged = [], []
    for call in (*calls, 0):
        found = [int(p.name.split("-")[1]) for p in run.glob("checkpoint-*[0-9]")]
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            train(base, run, method, call, writer)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            lines = [json.loads(line) for line in stream]
        _, status = os.waitpid(pid, 0)
        steps = [line["step"] for line in lines if "step" in line]
        judged += [(line["judged"], line["weights"]) for line in lines if "judged" in line]
        starts.append((max(found, default=0), steps[0] if steps else None))
        if os.waitstatus_to_exitcode(status) == 0:
            break
    return {"starts": starts, "judged": judged}


def main(folder: Path, methods: Sequence[str]) -> None:
    save_model(folder / "base")
    # What each process would import, once.
    loading.warm()
    torch.optim.AdamW([torch.zeros(1)])
    report = {}
    for each in methods:
        method, _, killed = each.partition("=")
        for name, calls in ((f"{method}-calm", ()), (f"{method}-stormy", killed.split(","))):
            run = folder / name
            report[name] = run_through(folder / "base", run, method, [int(c) for c in calls])
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
