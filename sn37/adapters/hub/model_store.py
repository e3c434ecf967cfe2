"""Fetching models from Hugging Face into a local cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from sn37.adapters.admission.stored_facts import StoredFacts, read_facts
from sn37.adapters.hub.cache import ModelCache
from sn37.adapters.hub.examiner import examined
from sn37.adapters.hub.transfer_messages import (
    CheckOrder,
    Connection,
    FetchOrder,
    ProbeOrder,
    TokenizerOrder,
)
from sn37.adapters.hub.transfer_process import carry_out
from sn37.domain.schedule.competition import BaseModelRef, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Availability, Inventory, ModelArtifact, ModelRef
from sn37.durable import rename_whole
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelStore

QUOTA_BYTES = 3_000_000_000_000  # what the network asks of a validator's disk
_T = TypeVar("_T")


class HubModelStore:
    """``ModelStore`` over a hub and a cache folder.

    Every request to the hub runs in a process of its own, which ends with its deadline, with
    the call and with this process. A transfer that did not end is resumed by the next call.

    Args:
        cache: Folder of this store alone.
        connection: Which hub, and as whom.
        quota_bytes: What complete models may take on disk together.
    """

    def __init__(
        self,
        cache: Path,
        *,
        connection: Connection | None = None,
        quota_bytes: int = QUOTA_BYTES,
    ) -> None:
        self._cache = ModelCache(cache)
        self._connection = connection or Connection()
        self._quota_bytes = quota_bytes
        # Partial folders that are being filled, with the most they may come to. Counted in full,
        # or transfers side by side would together take more than is there.
        self._claims: dict[Path, int] = {}
        # Two calls for one revision take turns: the second finds what the first has fetched.
        # A lock is there as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    async def fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        """See ``ModelStore.fetch``."""
        ref = commitment.model
        home = self._cache.home(ref.repo, ref.revision)
        partial = self._cache.partial(ref.repo, ref.revision)
        async with self._turn(partial):
            facts = await _in_thread(lambda: read_facts(home))
            if facts is None:
                others = dict(self._claims)
                self._claims[partial] = constraints.max_bytes
                try:
                    order = await _in_thread(
                        lambda: self._order(commitment, constraints, partial, others)
                    )
                    await carry_out(self._connection, order)
                finally:
                    del self._claims[partial]
                facts = await _in_thread(lambda: _just_fetched(home))
        return facts.artifact(commitment, constraints, home)

    def _turn(self, partial: Path) -> asyncio.Lock:
        return self._turns.setdefault(partial, asyncio.Lock())

    def _order(
        self,
        commitment: Commitment,
        constraints: ModelConstraints,
        partial: Path,
        claims: Mapping[Path, int],
    ) -> FetchOrder:
        room = self._cache.room(partial, self._quota_bytes, claims)
        return FetchOrder(
            commitment=commitment,
            constraints=constraints,
            partial=str(partial),
            home=str(self._cache.home(commitment.model.repo, commitment.model.revision)),
            room_bytes=room.quota_bytes,
            claimed_bytes=room.claimed_bytes,
        )

    async def availability(self, ref: ModelRef) -> Availability:
        """See ``ModelStore.availability``."""
        order = ProbeOrder(repo=ref.repo, revision=ref.revision)
        readable = await carry_out(self._connection, order)
        return Availability.PUBLIC if readable else Availability.PRIVATE

    async def tokenizer(self, ref: TokenizerRef) -> PurePath:
        """See ``ModelStore.tokenizer``."""
        home = self._cache.tokenizer(ref.repo, ref.revision)
        partial = self._cache.partial(ref.repo, ref.revision)
        async with self._turn(partial):
            if not home.is_dir():
                order = TokenizerOrder(
                    repo=ref.repo, revision=ref.revision, partial=str(partial), home=str(home)
                )
                try:
                    await carry_out(self._connection, order)
                except (ModelNotPublic, ModelRejected) as error:
                    # The schedule names it, so no miner is to blame.
                    raise StoreUnavailable(f"tokenizer {ref.repo}: {error}") from error
        return PurePath(home)

    async def base_model(self, ref: BaseModelRef, constraints: ModelConstraints) -> ModelArtifact:
        """See ``ModelStore.base_model``."""
        home = self._cache.base(ref.repo, ref.revision)
        partial = self._cache.partial(ref.repo, ref.revision)
        async with self._turn(partial):
            facts = await _in_thread(lambda: read_facts(home))
            if facts is None:
                order = CheckOrder(
                    repo=ref.repo,
                    revision=ref.revision,
                    constraints=constraints,
                    folder=str(partial),
                    weights=True,
                )
                found = examined(await carry_out(self._connection, order), partial)
                if found.artifact is None:
                    why = found.refusal.detail if found.refusal else "it was not admitted"
                    raise StoreUnavailable(f"base model {ref.repo}: {why}")
                # Kept whatever its weights are: it is not brought again to be refused again.
                facts = StoredFacts.of_base(found.artifact)
                await _in_thread(lambda: _settle(facts, partial, home))
        return facts.base_artifact(ref, constraints, home)

    def cached_tokenizer(self, ref: TokenizerRef) -> PurePath | None:
        """Its folder, if it has been fetched before; asks nobody."""
        home = self._cache.tokenizer(ref.repo, ref.revision)
        return PurePath(home) if home.is_dir() else None

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """See ``ModelStore.inventory``."""
        return await _in_thread(lambda: self._cache.inventory(refs, self._quota_bytes))

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """See ``ModelStore.evict``."""
        busy = {folder for folder, turn in self._turns.items() if turn.locked()}
        busy |= {folder.parent.with_name("models") / folder.name for folder in busy}
        return await _in_thread(lambda: self._cache.evict(keep=keep, busy=busy))


def _settle(facts: StoredFacts, partial: Path, home: Path) -> None:
    facts.write(partial)
    home.parent.mkdir(parents=True, exist_ok=True)
    rename_whole(partial, home)


def _just_fetched(home: Path) -> StoredFacts:
    facts = read_facts(home)
    if facts is None:
        raise FileNotFoundError(f"{home} is gone")
    return facts


async def _in_thread(work: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreUnavailable(f"the model cache cannot be used: {error}") from error


if TYPE_CHECKING:
    _store: ModelStore = HubModelStore(Path())
