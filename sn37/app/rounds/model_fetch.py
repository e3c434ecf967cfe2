"""Fetching of models, with eviction when the disk is full."""

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

# Stores abort slower transfers. Half of the slowest rate that the hub's store accepts.
SLOWEST_BYTES_PER_S = 1 << 20


def fetch_step(commitment: Commitment, limits: ModelConstraints) -> AbstractContextManager[Step]:
    """Open an actor's step that is long enough to fetch the largest allowed model."""
    within_s = BUSY_S + limits.max_bytes / SLOWEST_BYTES_PER_S
    return step(f"fetching {commitment.model.repo}", within_s=within_s)


async def fetch_model(
    models: ModelStore,
    keeper: StateKeeper,
    commitment: Commitment,
    limits: ModelConstraints,
) -> ModelArtifact:
    """Fetch a model; evict less useful ones if needed.

    Raises:
        StoreFull: Even after eviction there is not enough space.
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
