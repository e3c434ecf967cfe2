"""Port: the chain, from the view of one subnet's validator or miner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid
from sn37.domain.metagraph import Consensus, Metagraph
from sn37.domain.submission.commitment import CommitmentBook, CommitmentQuote, StandingCommitment
from sn37.domain.weight_vector import WeightVector


class Chain(Protocol):
    """Read one subnet's state and submit this validator's weights.

    The subnet and the signing hotkey are fixed at construction. Every read names the block
    it is pinned to, so that one decision never mixes two chain states. All methods raise
    ``ChainUnavailable`` when no endpoint answers or the state at that block is gone.
    """

    async def head(self) -> BlockRef:
        """Return the newest finalized block."""
        ...

    async def block(self, number: Block) -> BlockRef:
        """Return the finalized block with this number; its hash seeds the sampling.

        Raises:
            ValueError: ``number`` is negative or above the finalized head.
        """
        ...

    async def timestamp(self, at: BlockRef) -> datetime:
        """Return the chain's own time at this block, timezone-aware UTC."""
        ...

    async def metagraph(self, at: BlockRef, netuid: Netuid | None = None) -> Metagraph:
        """Return every registered neuron of a subnet (this one by default), ordered by uid."""
        ...

    async def consensus(self, at: BlockRef) -> Consensus:
        """Return the outcome of this subnet's newest epoch, and this validator's own weights.

        The weights of other validators are never read.
        """
        ...

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        """Return every registered hotkey's newest revealed record, or its fault if malformed."""
        ...

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        """Submit weights and wait for inclusion; return the id "block-extrinsic index".

        Hotkeys are resolved to uids at the time of the call. Shares of hotkeys that left, or
        were registered after ``evaluated_at``, are dropped, and the others are scaled up. The
        adapter quantizes to u16.

        Raises:
            WeightsRefused: The chain refused (rate limit, no permit, no hotkey left, ...).
            ChainUnavailable: Also when the connection was lost after sending. The weights may
                be on chain then; ``weights_since`` says so.
        """
        ...

    async def weights_since(self, block: Block) -> str | None:
        """Return the id of this validator's newest weights set at ``block`` or later, if any.

        Reads the newest block, finalized or not.
        """
        ...

    async def expect_weights(
        self, weights: WeightVector, *, extrinsic: str, evaluated_at: Block
    ) -> None:
        """Track weights that an earlier process submitted, as if this process had.

        Where weights are committed first and revealed later, this process then reports how
        the reveal ends.

        Raises:
            ChainUnavailable: Also when no endpoint keeps the state of their block any more.
        """
        ...

    def blocks(self) -> AsyncIterator[BlockRef]:
        """Yield finalized blocks as they arrive, ascending, from the head on, maybe with gaps."""
        ...


class CommitmentWriter(Protocol):
    """Write this miner's commitment on chain."""

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """Replace this hotkey's commitment; return the block that includes it.

        With ``reveal_at`` (timezone-aware, in the future) it is sealed: nobody can read it until
        the network reveals it at that time. The block of the reveal is the one that counts.

        Raises:
            CommitmentRefused: Too long, too often, or the hotkey is not registered.
            ChainUnavailable: Also when the connection was lost after sending. The commitment may
                be on chain then; ``standing`` says so.
        """
        ...

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        """Return what a ``commit`` at the newest block would meet. Signs and sends nothing.

        Raises:
            CommitmentRefused: No chain would accept it: too long, or sealed for too short a time.
        """
        ...

    async def standing(self) -> StandingCommitment | None:
        """Return the commitment that the next one would replace at the newest block, if any."""
        ...


class Signer(Protocol):
    """This validator's or miner's hotkey."""

    @property
    def hotkey(self) -> Hotkey:
        """The ss58 address."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return an sr25519 signature of 64 bytes. It is randomised: never compare two."""
        ...
