"""Port: the chain, as one subnet's validator and miner see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid
from sn37.domain.metagraph import Metagraph
from sn37.domain.submission.commitment import CommitmentBook, CommitmentQuote, StandingCommitment
from sn37.domain.weight_vector import WeightVector


class Chain(Protocol):
    """Read one subnet's state and submit this validator's weights.

    The subnet and the signing hotkey are fixed at construction. Every read names the block
    it is pinned to, so that one decision never mixes two chain states. All methods raise
    ``ChainUnavailable`` when no endpoint answers or the state at that block is gone.
    """

    async def head(self) -> BlockRef:
        """Newest finalized block."""
        ...

    async def block(self, number: Block) -> BlockRef:
        """The finalized block with this number; its hash seeds the sampling.

        Raises:
            ValueError: ``number`` is negative or above the finalized head.
        """
        ...

    async def timestamp(self, at: BlockRef) -> datetime:
        """The chain's own time at this block, timezone-aware UTC."""
        ...

    async def metagraph(self, at: BlockRef, netuid: Netuid | None = None) -> Metagraph:
        """Every registered neuron of a subnet (this one by default), ordered by uid."""
        ...

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        """Every registered hotkey's newest opened record, malformed ones with their fault."""
        ...

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        """Submit weights and wait for inclusion; return the id "block-extrinsic index".

        Hotkeys are resolved to uids now; shares of hotkeys that left, or were registered
        after ``evaluated_at``, are dropped and the rest scaled up. Quantizing to u16 is the
        adapter's business.

        Raises:
            WeightsRefused: The chain refused (rate limit, no permit, nobody left, ...).
            ChainUnavailable: Also when the connection was lost on the way: the weights may
                have landed all the same, which ``weights_since`` tells.
        """
        ...

    async def weights_since(self, block: Block) -> str | None:
        """The id of this validator's newest weights, when it set any at ``block`` or later.

        Looks at the newest block there is, finalized or not.
        """
        ...

    async def expect_weights(
        self, weights: WeightVector, *, extrinsic: str, evaluated_at: Block
    ) -> None:
        """Take over weights that an earlier process submitted, as if this one had.

        Where weights are committed first and opened later, what becomes of them is then
        reported.

        Raises:
            ChainUnavailable: Also when nobody keeps the state of their block any more.
        """
        ...

    def blocks(self) -> AsyncIterator[BlockRef]:
        """Finalized blocks as they arrive, ascending, from the head on; gaps are possible."""
        ...


class CommitmentWriter(Protocol):
    """Write this miner's commitment on chain."""

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """Replace this hotkey's commitment; return the block that includes it.

        With ``reveal_at`` (aware, in the future) it is sealed: nobody can read it until the
        network opens it at that time, and the block of the reveal is the one that counts.

        Raises:
            CommitmentRefused: Too long, too often, or the hotkey is not registered.
            ChainUnavailable: Also when the connection was lost on the way: it may have landed
                all the same, which ``standing`` tells.
        """
        ...

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        """What ``commit`` would meet at the newest block. Signs and sends nothing.

        Raises:
            CommitmentRefused: No chain would ever take it: too long, or sealed for too short.
        """
        ...

    async def standing(self) -> StandingCommitment | None:
        """What the next commitment would replace at the newest block; ``None`` for nothing."""
        ...


class Signer(Protocol):
    """This validator's or miner's hotkey."""

    @property
    def hotkey(self) -> Hotkey:
        """Its ss58 address."""
        ...

    def sign(self, message: bytes) -> bytes:
        """sr25519 signature of 64 bytes; randomised, so never compare two."""
        ...
