"""Models on disk, and room for the next one."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress

from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import BUSY_S, Step, step
from sn37.domain.disk.eviction import retained
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import StoreFull
from sn37.ports.model_store import ModelStore

# Slower than this, stores give a transfer up: half of the slowest that the hub's puts up with.
SLOWEST_BYTES_PER_S = 1 << 20


def bringing(commitment: Commitment, limits: ModelConstraints) -> AbstractContextManager[Step]:
    """The step of an actor in which a model of any size that is allowed may be brought."""
    within_s = BUSY_S + limits.max_bytes / SLOWEST_BYTES_PER_S
    return step(f"fetching {commitment.model.repo}", within_s=within_s)


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
