"""Contract tests for every writer of commitments and every signer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

from sn37.domain.ids import BlockRef, Hotkey
from sn37.domain.submission.commitment import CommitmentQuote
from sn37.ports.errors import ChainUnavailable, CommitmentRefused

if TYPE_CHECKING:
    from sn37.ports.chain import CommitmentWriter, Signer

STRANGER = Hotkey("5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM")  # registered nowhere


class CommitmentWriterContract(ABC):
    """Contract of the miner's side of the chain. Each test starts without a commitment."""

    @abstractmethod
    def writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        """Open a writer with the hotkey of a registered miner."""

    @abstractmethod
    def silent_writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        """Open the same writer over endpoints that do not answer."""

    @abstractmethod
    async def committed(self, writer: CommitmentWriter) -> str | None:
        """Return the miner's text that is on chain now."""

    @abstractmethod
    async def wait_out_the_rate_limit(self, writer: CommitmentWriter) -> None:
        """Advance the chain until the miner may commit again."""

    def test_a_text_is_on_chain_once_committed(self) -> None:
        async def run() -> tuple[BlockRef, str | None]:
            async with self.writer() as writer:
                at = await writer.commit("alice:model:first")
                return at, await self.committed(writer)

        at, text = asyncio.run(run())
        assert text == "alice:model:first"
        assert at.number > 0

    def test_a_second_text_replaces_the_first(self) -> None:
        async def run() -> tuple[bool, str | None]:
            async with self.writer() as writer:
                first = await writer.commit("first")
                await self.wait_out_the_rate_limit(writer)
                second = await writer.commit("second")
                return first.number < second.number, await self.committed(writer)

        assert asyncio.run(run()) == (True, "second")

    @pytest.mark.parametrize("text", ["x" * 128, "é" * 64])
    def test_128_bytes_fit(self, text: str) -> None:
        async def run() -> str | None:
            async with self.writer() as writer:
                await writer.commit(text)
                return await self.committed(writer)

        assert asyncio.run(run()) == text

    @pytest.mark.parametrize("text", ["x" * 129, "é" * 65])
    def test_a_longer_text_is_refused_and_leaves_nothing(self, text: str) -> None:
        async def run() -> str | None:
            async with self.writer() as writer:
                with pytest.raises(CommitmentRefused) as caught:
                    await writer.commit(text)
                assert caught.value.code
                return await self.committed(writer)

        assert asyncio.run(run()) is None

    def test_a_quote_says_what_a_text_takes_and_commits_nothing(self) -> None:
        async def run() -> tuple[CommitmentQuote, str | None]:
            async with self.writer() as writer:
                return await writer.quote("text"), await self.committed(writer)

        quote, text = asyncio.run(run())
        assert text is None
        assert (quote.registered, quote.num_bytes, quote.blocks_left) == (True, 4, 0)

    def test_what_no_chain_takes_has_no_quote(self) -> None:
        async def run() -> None:
            async with self.writer() as writer:
                await writer.quote("x" * 129)

        with pytest.raises(CommitmentRefused):
            asyncio.run(run())

    def test_a_silent_chain_is_reported_as_unavailable(self) -> None:
        async def run() -> None:
            async with self.silent_writer() as writer:
                await writer.commit("text")

        with pytest.raises(ChainUnavailable) as caught:
            asyncio.run(run())
        assert caught.value.__cause__ is not None


class SignerContract(ABC):
    """Contract of a signer."""

    @abstractmethod
    def signer(self) -> Signer:
        """Return a signer, with the same key at each call."""

    @abstractmethod
    def verify(self, hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
        """True if the signature is this hotkey's. Must not use the signer's own code."""

    def test_the_hotkey_stays_the_same(self) -> None:
        assert self.signer().hotkey == self.signer().hotkey

    @pytest.mark.parametrize("message", [b"", b"text", bytes(range(256)) * 40])
    def test_a_signature_verifies(self, message: bytes) -> None:
        signer = self.signer()
        signature = signer.sign(message)
        assert len(signature) == 64
        assert self.verify(signer.hotkey, message, signature)

    def test_a_signature_is_of_one_message(self) -> None:
        signer = self.signer()
        assert not self.verify(signer.hotkey, b"another", signer.sign(b"one"))

    def test_a_signature_is_of_one_hotkey(self) -> None:
        assert not self.verify(STRANGER, b"text", self.signer().sign(b"text"))
