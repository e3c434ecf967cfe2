"""Contract tests for every publisher of models."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

import pytest

from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.digests import ModelHashes
from sn37.ports.errors import ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.ports.model_store import ModelPublisher

_T = TypeVar("_T")


class ModelPublisherContract(ABC):
    """Contract of the miner's side of the host. Each test starts without repositories."""

    @abstractmethod
    def publisher(self) -> AbstractAsyncContextManager[ModelPublisher]:
        """Open a publisher; leaving the context releases its resources."""

    @abstractmethod
    def silence(self, publisher: ModelPublisher) -> None:
        """Make the host stop answering this publisher."""

    @abstractmethod
    def folder(self) -> PurePath:
        """Return a folder whose files every validator accepts."""

    @abstractmethod
    def bad_folder(self) -> PurePath:
        """Return a folder with a file that every validator refuses."""

    @abstractmethod
    def repo(self) -> str:
        """Return a repository name under which the miner may publish."""

    @abstractmethod
    def constraints(self) -> ModelConstraints:
        """Return limits that the files of ``folder`` satisfy."""

    @abstractmethod
    async def exists(self, publisher: ModelPublisher, repo: str) -> bool:
        """True if the host has a repository of that name."""

    @abstractmethod
    async def is_public(self, publisher: ModelPublisher, repo: str) -> bool:
        """True if everybody can read the repository."""

    def ask(self, question: Callable[[ModelPublisher], Awaitable[_T]]) -> _T:
        """Ask a freshly opened publisher."""

        async def run() -> _T:
            async with self.publisher() as publisher:
                return await question(publisher)

        return asyncio.run(run())

    async def upload(self, publisher: ModelPublisher) -> tuple[str, ModelHashes]:
        """Upload ``folder`` as ``repo``."""
        return await publisher.upload(self.folder(), self.repo(), self.constraints())

    def test_an_upload_returns_a_git_revision_and_base64_hashes(self) -> None:
        revision, hashes = self.ask(self.upload)
        assert re.fullmatch(r"[0-9a-f]{40}", revision)
        for model_hash in (hashes.v1, hashes.v2):
            assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", model_hash)

    def test_an_upload_is_private_until_made_public(self) -> None:
        async def run(publisher: ModelPublisher) -> tuple[bool, bool]:
            await self.upload(publisher)
            before = await self.is_public(publisher, self.repo())
            await publisher.make_public(self.repo())
            return before, await self.is_public(publisher, self.repo())

        assert self.ask(run) == (False, True)

    def test_uploading_again_changes_nothing(self) -> None:
        async def run(
            publisher: ModelPublisher,
        ) -> tuple[tuple[str, ModelHashes], tuple[str, ModelHashes]]:
            first = await self.upload(publisher)
            return first, await self.upload(publisher)

        first, second = self.ask(run)
        assert first == second

    def test_making_public_twice_changes_nothing(self) -> None:
        async def run(publisher: ModelPublisher) -> bool:
            await self.upload(publisher)
            await publisher.make_public(self.repo())
            await publisher.make_public(self.repo())
            return await self.is_public(publisher, self.repo())

        assert self.ask(run)

    def test_what_validators_refuse_is_refused_before_anything_is_sent(self) -> None:
        async def run(publisher: ModelPublisher) -> tuple[Reason, Reason, bool]:
            limits = self.constraints()
            with pytest.raises(ModelRejected) as every:
                await publisher.upload(self.bad_folder(), self.repo(), limits)
            with pytest.raises(ModelRejected) as some:
                await publisher.upload(self.folder(), self.repo(), replace(limits, max_bytes=1))
            return every.value.reason, some.value.reason, await self.exists(publisher, self.repo())

        file, size, exists = self.ask(run)
        assert file.blame is Blame.MINER
        assert size is Reason.TOO_LARGE
        assert not exists

    @pytest.mark.parametrize("call", ["upload", "make_public"])
    def test_a_silent_host_is_reported_as_unavailable(self, call: str) -> None:
        async def run(publisher: ModelPublisher) -> None:
            self.silence(publisher)
            if call == "upload":
                await self.upload(publisher)
            else:
                await publisher.make_public(self.repo())

        with pytest.raises(StoreUnavailable) as caught:
            self.ask(run)
        assert caught.value.__cause__ is not None
