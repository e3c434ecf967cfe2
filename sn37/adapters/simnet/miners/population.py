"""Population of simnet: models that are really trained, and attackers made from them.

``prepare`` creates one folder for each miner below a root, once. A rename makes each appear when it
is complete, and a marker is written when all are. A preparation that was killed therefore
continues with the first unfinished miner.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sn37.adapters.simnet.host.half_written import PARTIAL_PREFIX, appear, own, sweep
from sn37.adapters.simnet.miners.attackers import forge
from sn37.adapters.simnet.miners.roster import (
    BASE,
    FREE,
    FREE_TEMPLATE,
    RECIPE,
    TEMPLATE,
    Miner,
    Recipe,
)
from sn37.adapters.simnet.miners.train_models import Job, TrainingPlan
from sn37.adapters.simnet.miners.training_processes import train_all
from sn37.domain.events import SetUpAdvanced
from sn37.domain.ids import CompetitionId
from sn37.durable import write_whole
from sn37.ports.telemetry import EventSink

MARKER = "complete.json"
_TRAINING = "training simnet's miners (steps)"
_FORGING = "simnet's other miners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Paths of the files. ``folders`` has every miner of the recipe, by name."""

    recipe: Recipe
    tokenizer: Path
    base: Path  # the model that all training starts from
    folders: Mapping[str, Path]


def prepare(
    root: Path,
    *,
    seed: int,
    emit: EventSink,
    recipe: Recipe = RECIPE,
    keep_going: Callable[[], None] = lambda: None,
) -> Population:
    """Train and forge the models that are missing below ``root``.

    The same seed gives the same bytes. The first call takes about a minute on two cores. It
    blocks; training runs in child processes, which never outlive the call. ``keep_going`` is called
    several times a second and ends the call by raising.

    Raises:
        ValueError: ``root`` holds the population of another seed or recipe.
        TrainingFailed: A child process failed.
        OSError: The folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    _claim(root, seed, recipe)
    population = Population(
        recipe=recipe,
        tokenizer=root / "tokenizer",
        base=root / BASE,
        folders=MappingProxyType({m.name: root / "miners" / m.name for m in recipe.miners}),
    )
    if (root / MARKER).exists():
        return population
    for folder in (root, root / "miners"):  # children of a killed process may live a little longer
        sweep(folder, PARTIAL_PREFIX)
    _train(root, seed, population, emit, keep_going)
    forged = [miner for miner in recipe.miners if not miner.steps]
    for done, miner in enumerate(forged, start=1):
        keep_going()
        _forge(root, miner, population)
        emit.emit(SetUpAdvanced(what=_FORGING, done=done, total=len(forged)))
    write_whole(root / MARKER, b"{}")
    return population


def _claim(root: Path, seed: int, recipe: Recipe) -> None:
    """Mark ``root`` as the folder of this seed and recipe.

    Raises:
        ValueError: It belongs to another seed or recipe.
    """
    claim = {"seed": seed, "recipe": recipe.fingerprint}
    path = root / "population.json"
    if not path.exists():
        write_whole(path, json.dumps(claim).encode())
    found = json.loads(path.read_text())
    if found != claim:
        what = "seed" if found["seed"] != seed else "version of simnet"
        raise ValueError(
            f"{root} holds the miners of another {what} ({found['seed']}): choose another "
            f"--state-dir, or delete this one"
        )


def _train(
    root: Path,
    seed: int,
    population: Population,
    emit: EventSink,
    keep_going: Callable[[], None],
) -> None:
    recipe = population.recipe
    base = Job(
        name=BASE,
        steps=recipe.training.base_steps,
        target=str(population.base),
        template=TEMPLATE,
    )

    def plan(jobs: tuple[Job, ...]) -> TrainingPlan:
        return TrainingPlan(
            seed=seed,
            shape=recipe.shape,
            training=recipe.training,
            tokenizer=str(population.tokenizer),
            jobs=jobs,
        )

    def jobs_of(competition: CompetitionId) -> tuple[Job, ...]:
        return tuple(
            Job(
                name=miner.name,
                steps=miner.steps,
                target=str(population.folders[miner.name]),
                template=FREE_TEMPLATE if competition == FREE else TEMPLATE,
                start=base.target,
            )
            for miner in recipe.trained(competition)
        )

    later = [jobs_of(competition) for competition in recipe.competitions]
    total = base.steps + sum(job.steps for jobs in later for job in jobs)
    done: dict[str, int] = {}

    def report(name: str, step: int) -> None:
        done[name] = step
        emit.emit(SetUpAdvanced(what=_TRAINING, done=sum(done.values()), total=total))

    # One process for each competition; no model depends on which finishes first.
    for stage in ([(base,)], later):
        missing: list[TrainingPlan] = []
        for jobs in stage:
            if all(Path(job.target).is_dir() for job in jobs):
                for job in jobs:
                    report(job.name, job.steps)
            else:
                missing.append(plan(jobs))
        train_all(missing, logs=root / "logs", report=report, keep_going=keep_going)


def _forge(root: Path, miner: Miner, population: Population) -> None:
    target = population.folders[miner.name]
    if target.is_dir():
        return
    source = population.base if miner.source == BASE else population.folders[miner.source]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=own(PARTIAL_PREFIX), dir=target.parent))
    try:
        forge(miner, source, partial)
        partial.chmod(0o755)
        appear(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
