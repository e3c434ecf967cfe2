"""Training of the population's models, in a child process.

``python -m sn37.adapters.simnet.miners.train_models`` reads a ``TrainingPlan`` as a line of JSON
from standard input, trains its jobs one after another on one thread, and prints ``<name> <step>``
as progress. A rename makes a job's folder appear when it is finished, and a finished job is not
repeated. A guard (``child_process``) ends it together with its parent.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from sn37.adapters.simnet.feed.corpus import Pair, split, standard_library_pairs
from sn37.adapters.simnet.host.half_written import PARTIAL_PREFIX, appear, own
from sn37.adapters.simnet.miners.roster import Shape, Training

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PROGRESS_STEPS = 5  # between two lines of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Training of one model into ``target``, from ``start`` or from random weights."""

    name: str
    steps: int
    target: str
    template: str
    start: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Work of one child process. ``tokenizer`` is made first if its folder is missing."""

    seed: int
    shape: Shape
    training: Training
    tokenizer: str
    jobs: tuple[Job, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrainingPlan:
        plan = json.loads(text)
        return cls(
            seed=plan["seed"],
            shape=Shape(**plan["shape"]),
            training=Training(**plan["training"]),
            tokenizer=plan["tokenizer"],
            jobs=tuple(Job(**job) for job in plan["jobs"]),
        )


def run(plan: TrainingPlan, report: Callable[[str, int], None]) -> None:
    """Do the unfinished jobs of ``plan``; ``report(name, step)`` is called as progress."""
    from sn37.adapters.simnet.miners import tiny_llama as llama

    llama.be_deterministic()
    corpus = split(standard_library_pairs(), "training")
    home = Path(plan.tokenizer)
    if not home.is_dir():
        made = llama.train_tokenizer(
            (f"{p.prompt}\n{p.response}" for p in corpus), plan.shape.vocabulary
        )
        template = plan.jobs[0].template
        _complete(home, lambda folder: llama.save_tokenizer(made, folder, template=template))
    tokenizer = llama.load_tokenizer(home)
    for job in plan.jobs:
        if not Path(job.target).is_dir():
            _do(job, plan, corpus, tokenizer, report)
        report(job.name, job.steps)


def _do(
    job: Job,
    plan: TrainingPlan,
    corpus: Sequence[Pair],
    tokenizer: Tokenizer,
    report: Callable[[str, int], None],
) -> None:
    from sn37.adapters.simnet.miners import fine_tuning
    from sn37.adapters.simnet.miners import tiny_llama as llama

    seed = _seed(plan.seed, job.name)
    if job.start is None:
        model = llama.new_model(plan.shape, tokenizer, seed=seed)
        rows = [fine_tuning.plain_row(tokenizer, pair.response) for pair in corpus]
    else:
        model = llama.load_model(Path(job.start))
        affixes = llama.affixes(job.template)
        rows = [fine_tuning.pair_row(tokenizer, affixes, p.prompt, p.response) for p in corpus]

    def progress(step: int) -> None:
        if step % PROGRESS_STEPS == 0:
            report(job.name, step)

    fine_tuning.train(
        model, rows, steps=job.steps, training=plan.training, seed=seed, progress=progress
    )

    def save(folder: Path) -> None:
        llama.save_model(model, folder)
        llama.save_tokenizer(tokenizer, folder, template=job.template)

    _complete(Path(job.target), save)


def _seed(seed: int, purpose: str) -> int:
    """Return a seed of 63 bits for one purpose."""
    digest = sha256(f"sn37/simnet/training/1|{seed}|{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _complete(target: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a folder, and rename it to ``target`` when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=own(PARTIAL_PREFIX), dir=target.parent))
    try:
        write(partial)
        partial.chmod(0o755)
        appear(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _print(name: str, step: int) -> None:
    sys.stdout.write(f"{name} {step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run(TrainingPlan.from_json(sys.stdin.readline()), _print)
