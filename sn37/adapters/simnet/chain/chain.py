"""The simnet chain as the port that validators and miners use.

Time is virtual: a block appears when the driver of the chain asks for it. That is ``blocks``, which
waits until the validator is idle, or a miner's ``commit``. Reads and writes run in the event loop
itself: a poll without news takes 20 microseconds, a block or an extrinsic 0.1 ms, the commitments
of a full subnet after a change 10 ms. A thread would cost about as much, and a read could see a
half-finished change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bittensor.sp_core import Keypair

from sn37.adapters.simnet.chain import state_at_block as views
from sn37.adapters.simnet.chain.extrinsics import Call, Refusal, quantized
from sn37.adapters.simnet.chain.genesis import ChainBuilder, sealed_or_plain
from sn37.adapters.simnet.chain.keys import as_signer
from sn37.adapters.simnet.chain.schema import create_file
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, Netuid
from sn37.domain.metagraph import Consensus, Metagraph
from sn37.domain.submission.commitment import CommitmentBook, CommitmentQuote, StandingCommitment
from sn37.domain.weight_vector import WeightVector
from sn37.ports.chain import Signer
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable, CommitmentRefused, WeightsRefused

if TYPE_CHECKING:
    from sn37.ports.chain import Chain, CommitmentWriter

Pace = Literal["virtual", "real"]
SUBNET = Netuid(37)


class SimnetChain(ChainBuilder):
    """One subnet of a chain that is stored in a file, for one hotkey.

    The asynchronous methods are the ports ``Chain`` and ``CommitmentWriter``; the synchronous
    ones of ``ChainBuilder`` are for code that builds the world.

    Args:
        path: The file that ``create`` made.
        netuid: The default subnet of reads and writes.
        signer: Signs weights and commitments; without one the chain can only be read.
        idle: Returns once the validator has nothing to do before the next block. Without it
            a block is made as soon as it is requested.
        pace: "virtual", or "real" for a block every 12 seconds of ``clock``.
        clock: Needed at real pace, not used otherwise.
    """

    def __init__(
        self,
        path: Path,
        *,
        netuid: Netuid,
        signer: Signer | Keypair | None = None,
        idle: Callable[[], Awaitable[None]] | None = None,
        pace: Pace = "virtual",
        clock: Clock | None = None,
    ) -> None:
        if pace == "real" and clock is None:
            raise ValueError("pace real needs a clock")
        super().__init__(path, netuid=netuid)
        self._signer = None if signer is None else as_signer(signer)
        self._idle = idle
        self._clock = clock if pace == "real" else None
        # The newest results, each with the change counter and last change for which it is valid.
        self._books: dict[Netuid, tuple[tuple[int, Block | None], CommitmentBook]] = {}
        self._metagraphs: dict[Netuid, tuple[tuple[int, Block | None], Metagraph]] = {}

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        seed: int,
        genesis_time: datetime,
        head: Block,
        netuid: Netuid = SUBNET,
    ) -> SimnetChain:
        """Create the file of a chain whose newest block is ``head``, and open the chain.

        Block ``n`` has the time ``genesis_time + 12 s * n``; a high ``head`` costs nothing.

        Raises:
            FileExistsError: ``path`` is a chain already.
        """
        create_file(path, seed=seed, genesis_time=genesis_time, head=head)
        return cls(path, netuid=netuid)

    # The port Chain

    async def head(self) -> BlockRef:
        with self._translated():
            return self._ledger.ref(self._ledger.head())

    async def block(self, number: Block) -> BlockRef:
        with self._translated():
            head = self._ledger.head()
        if not 0 <= number <= head:
            raise ValueError(f"block {number} is not between 0 and the head {head}")
        return self._ledger.ref(number)

    async def timestamp(self, at: BlockRef) -> datetime:
        with self._translated():
            self._version_at(at)
            return self._ledger.time(at.number)

    async def metagraph(self, at: BlockRef, netuid: Netuid | None = None) -> Metagraph:
        netuid = self._netuid if netuid is None else netuid
        with self._translated():
            state = self._state_at(at, netuid)
            known = self._metagraphs.get(netuid)
            if known is None or known[0] != state:
                known = (state, views.metagraph(self._ledger.connection, netuid, at))
                self._metagraphs[netuid] = known
        return replace(known[1], at=at)

    async def consensus(self, at: BlockRef) -> Consensus:
        own = None if self._signer is None else self._signer.hotkey
        with self._translated():
            self._version_at(at)
            return views.consensus(self._ledger.connection, self._netuid, at, own)

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        netuid = self._netuid
        with self._translated():
            state = self._state_at(at, netuid)
            known = self._books.get(netuid)
            if known is None or known[0] != state:
                book = views.commitment_book(self._ledger.connection, netuid, at.number)
                known = self._books[netuid] = (state, book)
        return known[1]

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        """See the port. The extrinsic goes into the head block, at the next free position.

        Waiting for the next block could take for ever: at virtual pace that block is made only
        when the submitter is idle, and the submitter would be waiting for the block.
        """
        if self._signer is None:
            raise WeightsRefused(
                "this chain was opened without a hotkey to sign with", code=Refusal.NOT_AUTHORIZED
            )
        at = await self.head()
        members = {
            n.hotkey: n.uid
            for n in (await self.metagraph(at)).neurons
            if evaluated_at is None or n.registered_at <= evaluated_at
        }
        present = {members[h]: share for h, share in weights.shares.items() if h in members}
        values = quantized(present)
        if not values:
            raise WeightsRefused(
                "nobody with a share is registered any more", code=Refusal.INVALID_ARGUMENT
            )
        args: dict[str, JsonValue] = {"weights": {str(uid): value for uid, value in values.items()}}
        with self._translated():
            number = self._pool(self._signer, Call.WEIGHTS, args, due=at.number)
            status = self._ledger.status(number)
        if status.refusal is not None:
            raise WeightsRefused(status.refusal.advice, code=status.refusal)
        return status.extrinsic_id

    async def weights_since(self, block: Block) -> str | None:
        if self._signer is None:
            return None
        with self._translated():
            return self._ledger.newest_weights(self._netuid, self._signer.hotkey, since=block)

    async def expect_weights(
        self, weights: WeightVector, *, extrinsic: str, evaluated_at: Block
    ) -> None:
        """See the port. Weights take effect at once here, so none are pending."""

    async def blocks(self) -> AsyncIterator[BlockRef]:
        """See the port. Yields every block, whichever process made it."""
        at = await self.head()
        while True:
            asked = self._clock.monotonic() if self._clock else 0.0
            yield at
            with self._translated():
                head = self._ledger.head()
            if head == at.number:
                await self._until_next_block(asked)
                with self._translated():
                    self._ledger.produce(after=at.number)
            at = self._ledger.ref(Block(at.number + 1))

    async def _until_next_block(self, previous: float) -> None:
        if self._clock:
            await self._clock.sleep(max(0.0, previous + BLOCK_SECONDS - self._clock.monotonic()))
        elif self._idle:
            await self._idle()
        else:
            await asyncio.sleep(0)  # lets the other actors run

    # The port CommitmentWriter

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """See the port. Makes the next block, so a miner needs no validator."""
        signer = self._authorized()
        with self._translated():
            head = self._ledger.head()
            call, args = sealed_or_plain(
                self._ledger, signer.hotkey, text, due=Block(head + 1), reveal_at=reveal_at
            )
            number = self._pool(signer, call, args, due=Block(head + 1))
            while (status := self._ledger.status(number)).is_pending:
                head = self._ledger.produce(after=head)
        if status.refusal is not None:
            raise CommitmentRefused(status.refusal.advice, code=status.refusal)
        return self._ledger.ref(status.block)

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        """See the port. There are no fees here."""
        signer = self._authorized()
        with self._translated():
            head = self._ledger.head()
            first = Block(head + 1)
            _, args = sealed_or_plain(
                self._ledger, signer.hotkey, text, due=first, reveal_at=reveal_at
            )
            connection, at = self._ledger.connection, self._ledger.ref(first)
            allowed = views.next_commitment(connection, self._netuid, signer.hotkey)
            members = views.metagraph(connection, self._netuid, at)
        return CommitmentQuote(
            head=head,
            registered=members.find(signer.hotkey) is not None,
            num_bytes=len(str(args.get("sealed", args.get("raw")))) // 2,  # they are hex
            fee_rao=0,
            due=max(allowed, first),
            why=Refusal.RATE_LIMITED.advice if allowed > first else "",
        )

    async def standing(self) -> StandingCommitment | None:
        if self._signer is None:
            return None
        with self._translated():
            head = self._ledger.head()
            return views.standing(self._ledger.connection, self._netuid, head, self._signer.hotkey)

    # Inside

    def _authorized(self) -> Signer:
        """Return the miner's hotkey.

        Raises:
            CommitmentRefused: This chain can only be read.
        """
        if self._signer is None:
            raise CommitmentRefused(
                "this chain was opened without a hotkey to sign with", code=Refusal.NOT_AUTHORIZED
            )
        return self._signer

    def _state_at(self, at: BlockRef, netuid: Netuid) -> tuple[int, Block | None]:
        """Return a key of the subnet's state at ``at``: equal keys mean equal states.

        Raises:
            ChainUnavailable: This chain has no such block.
        """
        version = self._version_at(at)
        return version, views.last_change(self._ledger.connection, netuid, at.number)

    def _version_at(self, at: BlockRef) -> int:
        head, version = self._ledger.state()
        if not 0 <= at.number <= head or at != self._ledger.ref(at.number):
            raise ChainUnavailable(f"block {at.number} ({at.hash}) is not on this chain")
        return version


if TYPE_CHECKING:
    _chain: Chain = SimnetChain(Path(), netuid=Netuid(37))
    _writer: CommitmentWriter = SimnetChain(Path(), netuid=Netuid(37))
