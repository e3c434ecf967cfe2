"""Contract tests for every model store."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

import pytest

from sn37.domain.ids import Digest
from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.competition import BaseModelRef, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Availability, Inventory, ModelArtifact
from sn37.ports.errors import ModelNotPublic, ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelStore

_T = TypeVar("_T")


class ModelStoreContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``.

    Each call of ``store`` opens the same host with an empty cache.
    """

    @abstractmethod
    def store(self) -> AbstractAsyncContextManager[ModelStore]:
        """Open a store; leaving the context releases its resources."""

    @abstractmethod
    def silence(self, store: ModelStore) -> None:
        """Make the host stop answering this store."""

    @abstractmethod
    def constraints(self) -> ModelConstraints:
        """Return limits that ``published`` and ``other`` satisfy."""

    @abstractmethod
    def published(self) -> Commitment:
        """Return a commitment whose public repository keeps every rule."""

    @abstractmethod
    def other(self) -> Commitment:
        """Return another such commitment, by another hotkey."""

    @abstractmethod
    def private(self) -> Commitment:
        """Return a commitment whose repository is private or missing."""

    @abstractmethod
    def copied(self) -> Commitment:
        """Return the same repository, revision and hash as ``published``, by another hotkey."""

    @abstractmethod
    def faulty(self) -> Mapping[Reason, Commitment]:
        """Return commitments whose repositories break a rule, by the expected reason."""

    @abstractmethod
    def tokenizer_ref(self) -> TokenizerRef:
        """Return a tokenizer that is on the host."""

    def ask(self, question: Callable[[ModelStore], Awaitable[_T]]) -> _T:
        """Ask a freshly opened store."""

        async def run() -> _T:
            async with self.store() as store:
                return await question(store)

        return asyncio.run(run())

    def fetch(self, commitment: Commitment) -> ModelArtifact:
        """Fetch a model with a freshly opened store."""
        return self.ask(lambda store: store.fetch(commitment, self.constraints()))

    def test_a_published_model_is_fetched_as_committed(self) -> None:
        artifact, constraints = self.fetch(self.published()), self.constraints()
        assert artifact.ref == self.published().model
        assert 0 < artifact.size_bytes <= constraints.max_bytes
        assert constraints.min_parameters <= artifact.parameters <= constraints.max_parameters
        assert artifact.architecture in constraints.architectures
        assert artifact.path.is_absolute()

    def test_equal_files_have_equal_digests_wherever_they_lie(self) -> None:
        first, second = self.fetch(self.published()), self.fetch(self.published())
        assert first.content_digest == second.content_digest
        assert first.tensor_digest == second.tensor_digest

    def test_two_models_lie_apart(self) -> None:
        async def both(store: ModelStore) -> tuple[ModelArtifact, ModelArtifact]:
            constraints = self.constraints()
            return (
                await store.fetch(self.published(), constraints),
                await store.fetch(self.other(), constraints),
            )

        first, second = self.ask(both)
        assert first.path != second.path
        assert first.tensor_digest != second.tensor_digest

    def test_a_fetched_model_is_not_asked_for_again(self) -> None:
        async def twice(store: ModelStore) -> tuple[ModelArtifact, ModelArtifact]:
            first = await store.fetch(self.published(), self.constraints())
            self.silence(store)
            return first, await store.fetch(self.published(), self.constraints())

        first, second = self.ask(twice)
        assert first == second

    def test_a_commitment_copied_from_another_hotkey_is_rejected(self) -> None:
        with pytest.raises(ModelRejected) as caught:
            self.fetch(self.copied())
        assert caught.value.reason is Reason.DIGEST_MISMATCH

    def test_a_copied_commitment_is_rejected_even_if_the_files_are_here(self) -> None:
        async def original_first(store: ModelStore) -> None:
            await store.fetch(self.published(), self.constraints())
            await store.fetch(self.copied(), self.constraints())

        with pytest.raises(ModelRejected) as caught:
            self.ask(original_first)
        assert caught.value.reason is Reason.DIGEST_MISMATCH

    def test_each_broken_rule_is_named(self) -> None:
        faulty = self.faulty()
        assert faulty
        for reason, commitment in faulty.items():
            with pytest.raises(ModelRejected) as caught:
                self.fetch(commitment)
            assert caught.value.reason is reason
            assert reason.blame is Blame.MINER
            assert str(caught.value)

    def test_a_repository_that_cannot_be_read_is_not_public(self) -> None:
        with pytest.raises(ModelNotPublic):
            self.fetch(self.private())

    def test_availability_tells_public_from_private(self) -> None:
        async def both(store: ModelStore) -> tuple[Availability, Availability]:
            return (
                await store.availability(self.published().model),
                await store.availability(self.private().model),
            )

        assert self.ask(both) == (Availability.PUBLIC, Availability.PRIVATE)

    def test_a_tokenizer_has_one_folder(self) -> None:
        async def twice(store: ModelStore) -> tuple[PurePath, PurePath]:
            ref = self.tokenizer_ref()
            return await store.tokenizer(ref), await store.tokenizer(ref)

        first, second = self.ask(twice)
        assert first == second

    def base_ref(self) -> BaseModelRef:
        """Return the model of ``published`` as a base model of a schedule."""
        ref = self.published().model
        return BaseModelRef(
            repo=ref.repo,
            revision=ref.revision,
            tensor_digest=self.fetch(self.published()).tensor_digest,
        )

    def test_a_base_model_is_admitted_once_and_stays_when_models_are_evicted(self) -> None:
        ref = self.base_ref()

        async def run(store: ModelStore) -> tuple[ModelArtifact, ModelArtifact]:
            first = await store.base_model(ref, self.constraints())
            await store.evict(keep=())
            self.silence(store)
            by_commit = replace(ref, tensor_digest=None)
            return first, await store.base_model(by_commit, self.constraints())

        first, second = self.ask(run)
        assert first == second
        assert first.tensor_digest == ref.tensor_digest
        assert (first.ref.repo, first.ref.revision) == (ref.repo, ref.revision)
        assert first.path.is_absolute()
        assert first.size_bytes > 0

    def test_a_base_model_takes_no_place_among_the_models(self) -> None:
        async def run(store: ModelStore) -> Inventory:
            await store.base_model(self.base_ref_at(self.published()), self.constraints())
            return await store.inventory([self.published().model])

        assert (found := self.ask(run)).held == {}
        assert found.other_bytes == 0

    def base_ref_at(self, commitment: Commitment) -> BaseModelRef:
        """Return a commitment's repository as a base model, pinned at its revision."""
        return BaseModelRef(repo=commitment.model.repo, revision=commitment.model.revision)

    def test_a_base_model_that_is_not_as_the_schedule_says_is_our_trouble(self) -> None:
        ref, faulty = self.base_ref(), self.faulty()
        refused = [
            replace(ref, tensor_digest=Digest("0" * 64)),
            self.base_ref_at(self.private()),
            *(self.base_ref_at(c) for r, c in faulty.items() if r is not Reason.DIGEST_MISMATCH),
        ]
        for wrong in refused:
            with pytest.raises(StoreUnavailable, match="base model"):
                self.ask(lambda store, wrong=wrong: store.base_model(wrong, self.constraints()))  # type: ignore[misc]

    def test_the_limits_of_each_competition_hold_for_its_base_model(self) -> None:
        async def run(store: ModelStore) -> None:
            ref = self.base_ref_at(self.published())
            artifact = await store.base_model(ref, self.constraints())
            tight = replace(self.constraints(), max_bytes=artifact.size_bytes - 1)
            with pytest.raises(StoreUnavailable, match="base model"):
                await store.base_model(ref, tight)

        self.ask(run)

    def test_eviction_frees_what_is_not_kept(self) -> None:
        async def run(store: ModelStore) -> tuple[int, int, ModelArtifact]:
            evicted = await store.fetch(self.published(), self.constraints())
            kept = await store.fetch(self.other(), self.constraints())
            freed = await store.evict(keep=[kept.ref])
            self.silence(store)
            again = await store.fetch(self.other(), self.constraints())
            with pytest.raises(StoreUnavailable):
                await store.fetch(self.published(), self.constraints())
            return freed, evicted.size_bytes, again

        freed, size_bytes, again = self.ask(run)
        assert freed >= size_bytes
        assert again.ref == self.other().model

    def test_the_inventory_tells_what_is_here_without_asking_the_host(self) -> None:
        async def run(store: ModelStore) -> tuple[ModelArtifact, Inventory, Inventory]:
            before = await store.inventory([self.published().model])
            artifact = await store.fetch(self.published(), self.constraints())
            await store.fetch(self.other(), self.constraints())
            self.silence(store)
            refs = [self.published().model, self.private().model]
            return artifact, before, await store.inventory(refs)

        artifact, before, after = self.ask(run)
        assert (before.held, before.other_bytes) == ({}, 0)
        assert set(after.held) == {self.published().model}
        held = after.held[self.published().model]
        assert held.complete
        assert held.size_bytes >= artifact.size_bytes
        assert after.other_bytes > 0

    def test_evicting_nothing_frees_nothing(self) -> None:
        assert self.ask(lambda store: store.evict(keep=())) == 0

    def test_an_evicted_model_can_be_fetched_again(self) -> None:
        async def run(store: ModelStore) -> tuple[ModelArtifact, ModelArtifact]:
            first = await store.fetch(self.published(), self.constraints())
            await store.evict(keep=())
            return first, await store.fetch(self.published(), self.constraints())

        first, second = self.ask(run)
        assert first == second

    @pytest.mark.parametrize("call", ["fetch", "availability", "tokenizer", "base_model"])
    def test_a_silent_host_is_reported_as_unavailable(self, call: str) -> None:
        async def run(store: ModelStore) -> object:
            self.silence(store)
            if call == "fetch":
                return await store.fetch(self.published(), self.constraints())
            if call == "availability":
                return await store.availability(self.published().model)
            if call == "base_model":
                return await store.base_model(
                    self.base_ref_at(self.published()), self.constraints()
                )
            return await store.tokenizer(self.tokenizer_ref())

        with pytest.raises(StoreUnavailable) as caught:
            self.ask(run)
        assert caught.value.__cause__ is not None
