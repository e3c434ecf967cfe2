"""Models on disk and on the hub, for commands that start no validator."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dependency_injector import providers

from sn37.app.config.requirements import require_device
from sn37.app.config.settings import Settings
from sn37.app.mining.rate_limits import Patience, PatientExaminer, PatientModels
from sn37.app.wiring.container import Container
from sn37.domain.disk.disk_inventory import refs_of
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.competition import Method, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Inventory, ModelArtifact
from sn37.domain.training import Evaluated, Step
from sn37.ports.errors import ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.adapters.scoring.scorer import WorkerScorer
    from sn37.adapters.training.trainer import TransformersTrainer
    from sn37.adapters.training.wandb_run import WandbRun
    from sn37.ports.model_store import ModelExaminer, ModelStore


def examine_folder(folder: Path, constraints: ModelConstraints, *, weights: bool) -> Examined:
    """The admission of a local folder; raises ``OSError``."""
    from sn37.adapters.admission.examine import examine

    return examine(folder, constraints, weights=weights)


def positions_of(artifact: ModelArtifact) -> int | None:
    """The longest sequence that an admitted model has positions for, if it has a table."""
    from sn37.adapters.admission.positions import positions_in

    return positions_in(Path(artifact.path))


def open_examiner(settings: Settings) -> ModelExaminer:
    """The admission of repositories: those of the hub, or of the simulated network."""
    if settings.is_simnet:
        from sn37.adapters.simnet.host.examiner import FolderExaminer

        repos = settings.state_dir.absolute() / "simnet" / "repos"
        return FolderExaminer(repos, settings.state_dir / "checks")
    from sn37.adapters.hub.examiner import HubExaminer

    return PatientExaminer(HubExaminer(settings.state_dir / "checks"), patience())


def patience() -> Patience:
    """Waits for a hub that limits the rate, and says so on standard error."""
    return Patience(clock=Container.clock())


def open_scorer(settings: Settings) -> WorkerScorer:
    """What scores on this machine.

    Raises:
        CommandError: The settings ask for a device that it does not have.
    """
    require_device(settings)
    return Container(settings=providers.Object(settings)).scorer()


def open_trainer(settings: Settings, *, threads: int | None) -> TransformersTrainer:
    """What trains on this machine; by default with every core that this process may use, or
    with its share of them when several processes were launched here."""
    from sn37.adapters.training.trainer import TransformersTrainer

    require_device(settings)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return TransformersTrainer(
        device=settings.scorer_device,
        dtype=settings.scorer_dtype,
        threads=threads or max(1, len(os.sched_getaffinity(0)) // beside),
    )


def open_wandb(project: str, folder: Path, *, fingerprint: str) -> WandbRun:
    """A run's curves on Weights and Biases."""
    from sn37.adapters.training.wandb_run import WandbRun

    return WandbRun(project=project, folder=folder, fingerprint=fingerprint)


def draw_losses(file: Path, steps: Sequence[Step], evaluations: Sequence[Evaluated]) -> None:
    """Plot a run's losses as a PNG; raises ``OSError``."""
    from sn37.adapters.training.plot import draw

    draw(file, steps, evaluations)


def scored_methods() -> frozenset[Method]:
    """The kinds of task that it can do."""
    return Container.methods()


def scored_architectures() -> frozenset[str]:
    """The classes of models that admission lets through to the scorer."""
    from sn37.adapters.admission.config_keys import FAMILIES

    return frozenset(FAMILIES)


def renderer() -> Callable[[str], str | None] | None:
    """Says why a competition's chat template cannot be rendered; ``None``: jinja2 is missing."""
    from sn37.adapters.scoring.rendering import can_render, template_problem

    return (lambda template: asyncio.run(template_problem(template))) if can_render() else None


async def prescribed_tokenizer(
    settings: Settings, ref: TokenizerRef, *, online: bool
) -> PurePath | None:
    """Folder of a competition's tokenizer; ``None`` when it is not on this machine.

    Args:
        online: Whether to ask the hub for it.

    Raises:
        StoreUnavailable: The hub does not have it, or does not answer.
    """
    if settings.is_simnet:
        from sn37.adapters.simnet.host.model_store import store_of

        try:
            return await store_of(settings.state_dir).tokenizer(ref)
        except StoreUnavailable:
            return None
    from sn37.adapters.hub.model_store import HubModelStore

    cache = HubModelStore(settings.state_dir / "models")
    if not online:
        return cache.cached_tokenizer(ref)
    return await PatientModels(cache, patience()).tokenizer(ref)


def open_models(settings: Settings) -> ModelStore:
    """The models of the network of the settings that a validator keeps in its state folder."""
    if settings.is_simnet:
        from sn37.adapters.simnet.host.model_store import store_of

        return store_of(settings.state_dir)
    from sn37.adapters.hub.model_store import HubModelStore

    return HubModelStore(settings.state_dir / "models")


async def fetch_aside(
    settings: Settings, commitment: Commitment, limits: ModelConstraints
) -> ModelArtifact:
    """A model for a command: the validator's, if that has it whole, else fetched beside it.

    The validator may be running, and nobody else may write among its models. A commitment that
    a receipt quotes does not say its format, so the older one is tried too.

    Raises:
        ModelRejected, ModelNotPublic, StoreUnavailable: See ``ModelStore.fetch``.
    """
    store = open_models(settings)
    held = (await store.inventory([commitment.model])).held.get(commitment.model)
    if not settings.is_simnet and (held is None or not held.complete):
        from sn37.adapters.hub.model_store import HubModelStore

        store = PatientModels(HubModelStore(settings.state_dir / "replayed"), patience())
    try:
        return await store.fetch(commitment, limits)
    except ModelRejected as error:
        if error.reason is not Reason.DIGEST_MISMATCH:
            raise
    return await store.fetch(replace(commitment, format=CommitmentFormat.V1), limits)


async def inventory(settings: Settings, state: ValidatorState) -> Inventory:
    """What is on disk of the models that are recorded; raises ``StoreUnavailable``."""
    return await open_models(settings).inventory(refs_of(state))
