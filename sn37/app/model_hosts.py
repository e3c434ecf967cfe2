"""Models on disk and on the hub, for commands that start no validator."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dependency_injector import providers

from sn37.app.container import Container
from sn37.app.settings import Settings
from sn37.domain.admission import Examined
from sn37.domain.competition import Method, TokenizerRef
from sn37.domain.holdings import refs_of
from sn37.domain.models import Inventory, ModelConstraints
from sn37.domain.state import ValidatorState
from sn37.ports.errors import StoreUnavailable

if TYPE_CHECKING:
    from sn37.adapters.cuda.scorer import WorkerScorer
    from sn37.adapters.hub.examiner import HubExaminer
    from sn37.ports.model_store import ModelStore


def examine_folder(folder: Path, constraints: ModelConstraints, *, weights: bool) -> Examined:
    """The admission of a local folder; raises ``OSError``."""
    from sn37.adapters.admission.examine import examine

    return examine(folder, constraints, weights=weights)


def open_examiner(settings: Settings) -> HubExaminer:
    """The admission of repositories on the hub."""
    from sn37.adapters.hub.examiner import HubExaminer

    return HubExaminer(settings.state_dir / "checks")


def open_scorer(settings: Settings) -> WorkerScorer:
    """What scores on this machine."""
    return Container(settings=providers.Object(settings)).scorer()


def scored_methods() -> frozenset[Method]:
    """The kinds of task that it can do."""
    return Container.methods()


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
        from sn37.adapters.simnet.model_store import store_of

        try:
            return await store_of(settings.state_dir).tokenizer(ref)
        except StoreUnavailable:
            return None
    from sn37.adapters.hub.model_store import HubModelStore

    cache = HubModelStore(settings.state_dir / "models")
    return await cache.tokenizer(ref) if online else cache.cached_tokenizer(ref)


def open_models(settings: Settings) -> ModelStore:
    """The models of the network of the settings that a validator keeps in its state folder."""
    if settings.is_simnet:
        from sn37.adapters.simnet.model_store import store_of

        return store_of(settings.state_dir)
    from sn37.adapters.hub.model_store import HubModelStore

    return HubModelStore(settings.state_dir / "models")


async def inventory(settings: Settings, state: ValidatorState) -> Inventory:
    """What is on disk of the models that are recorded; raises ``StoreUnavailable``."""
    return await open_models(settings).inventory(refs_of(state))
