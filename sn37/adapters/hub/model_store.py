"""Model store that fetches from Hugging Face into a local cache."""

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

QUOTA_BYTES = 3_000_000_000_000  # disk size that the network requires of a validator
_T = TypeVar("_T")


class HubModelStore:
    """``ModelStore`` over a hub and a cache folder.

    Every request to the hub runs in its own process, which ends at its deadline, with the call
    and with this process. The next call resumes an unfinished transfer.

    Args:
        cache: Folder that only this store uses.
        connection: Endpoint and token.
        quota_bytes: Maximum size on disk of all complete models together.
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
        # Partial folders that are being filled, with the maximum size of each. The full size
        # counts, or parallel transfers would together take more than there is.
        self._claims: dict[Path, int] = {}
        # Two calls for one revision take turns: the second finds what the first has fetched.
        # A lock exists as long as a call holds it or waits for it.
        self._turns: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self._evicting = asyncio.Lock()  # two at once would delete the same folders

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
                    # The schedule names the tokenizer, so no miner is to blame.
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
                    why = found.refusal.detail if found.refusal else "the check gave no reason"
                    raise StoreUnavailable(f"base model {ref.repo}: {why}")
                # Kept even if its weights are rejected, so that it is not fetched again for that.
                facts = StoredFacts.of_base(found.artifact)
                await _in_thread(lambda: _settle(facts, partial, home))
        return facts.base_artifact(ref, constraints, home)

    def cached_tokenizer(self, ref: TokenizerRef) -> PurePath | None:
        """Return its folder if it was fetched before; send no request."""
        home = self._cache.tokenizer(ref.repo, ref.revision)
        return PurePath(home) if home.is_dir() else None

    async def inventory(self, refs: Collection[ModelRef]) -> Inventory:
        """See ``ModelStore.inventory``."""
        return await _in_thread(lambda: self._cache.inventory(refs, self._quota_bytes))

    async def evict(self, *, keep: Collection[ModelRef]) -> int:
        """See ``ModelStore.evict``."""
        async with self._evicting:
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
        raise FileNotFoundError(f"{home} was deleted during the fetch: fetch the model again")
    return facts


async def _in_thread(work: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreUnavailable(f"the model cache cannot be read or written: {error}") from error


if TYPE_CHECKING:
    _store: ModelStore = HubModelStore(Path())
