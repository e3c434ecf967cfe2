"""Models on disk, and room for the next one."""

from __future__ import annotations

from contextlib import suppress

from sn37.app.keeper import StateKeeper
from sn37.domain.commitment import Commitment
from sn37.domain.models import ModelArtifact, ModelConstraints
from sn37.domain.retention import retained
from sn37.ports.errors import StoreFull
from sn37.ports.model_store import ModelStore


async def bring(
    models: ModelStore,
    keeper: StateKeeper,
    commitment: Commitment,
    limits: ModelConstraints,
) -> ModelArtifact:
    """Fetch a model, making room for it as far as that is worth it.

    Raises:
        StoreFull: There is no room, whatever may go.
        ModelRejected, ModelNotPublic, StoreUnavailable: See ``ModelStore.fetch``.
    """
    with suppress(StoreFull):
        return await models.fetch(commitment, limits)
    first, then = retained(keeper.state)
    await models.evict(keep=first)
    with suppress(StoreFull):
        return await models.fetch(commitment, limits)
    await models.evict(keep=then)
    return await models.fetch(commitment, limits)
