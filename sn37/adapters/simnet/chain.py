"""The simnet chain as the port that validators and miners use.

Time is virtual: a block appears when somebody who drives the chain asks for it, either
``blocks`` (which waits until the validator is idle) or a miner's ``commit``. Reads and
writes run inline in the event loop: each is one SQLite statement or transaction of well
under a millisecond on a local file, less than handing it to a thread costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bittensor.sp_core import Keypair

from sn37.adapters.simnet import views
from sn37.adapters.simnet.extrinsics import (
    MAX_COMMITMENT_BYTES,
    Call,
    Extrinsic,
    Refusal,
    quantized,
    seal,
    signed,
)
from sn37.adapters.simnet.keys import as_signer
from sn37.adapters.simnet.ledger import Ledger, Receipt
from sn37.adapters.simnet.schema import create_file
from sn37.domain.canonical import JsonValue
from sn37.domain.commitment import CommitmentBook
from sn37.domain.emission import WeightVector
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.domain.metagraph import Metagraph
from sn37.ports.chain import Signer
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable, CommitmentRefused, WeightsRefused

if TYPE_CHECKING:
    from sn37.ports.chain import Chain, CommitmentWriter

Pace = Literal["virtual", "real"]


class SimnetChain:
    """One subnet of a chain in a file, seen by one hotkey.

    The asynchronous methods are the ports ``Chain`` and ``CommitmentWriter``. The synchronous
    ones are for whoever builds the world: they register members and write history.

    Args:
        path: The file that ``create`` made.
        netuid: The subnet that reads and writes mean by default.
        signer: Signs weights and commitments; a chain without one can only be read.
        idle: Returns once the validator has nothing to do before the next block; without
            it a block follows as soon as it is asked for.
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
        self._path = path
        self._ledger = Ledger(path)
        self._netuid = netuid
        self._signer = None if signer is None else as_signer(signer)
        self._idle = idle
        self._clock = clock if pace == "real" else None
        # The newest answers, each with the change counter and last change it is valid for.
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
        netuid: Netuid = Netuid(37),
    ) -> SimnetChain:
        """Make the file of a chain whose newest block is ``head``, and open it to be filled.

        Block ``n`` has the time ``genesis_time + 12 s * n``; a high ``head`` costs nothing.

        Raises:
            FileExistsError: ``path`` holds a chain already.
        """
        create_file(path, seed=seed, genesis_time=genesis_time, head=head)
        return cls(path, netuid=netuid)

    def close(self) -> None:
        """Release the file; the next call opens it again."""
        self._ledger.close()

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

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        netuid = self._netuid
        with self._translated():
            state = self._state_at(at, netuid)
            known = self._books.get(netuid)
            if known is None or known[0] != state:
                book = views.commitment_book(self._ledger.connection, netuid, at.number)
                known = self._books[netuid] = (state, book)
        return known[1]

    async def submit_weights(self, weights: WeightVector) -> str:
        """See the port. The extrinsic goes into the head block, at the next free position.

        Waiting for the next block could wait for ever: at virtual pace that block is made
        only once the submitter, which waits for it, is idle.
        """
        if self._signer is None:
            raise WeightsRefused(
                "this chain was opened without a hotkey to sign with", code=Refusal.NOT_AUTHORIZED
            )
        at = await self.head()
        members = {n.hotkey: n.uid for n in (await self.metagraph(at)).neurons}
        present = {members[h]: share for h, share in weights.shares.items() if h in members}
        values = quantized(present)
        if not values:
            raise WeightsRefused(
                "nobody with a share is registered any more", code=Refusal.INVALID_ARGUMENT
            )
        args: dict[str, JsonValue] = {"weights": {str(uid): value for uid, value in values.items()}}
        with self._translated():
            number = self._pool(self._signer, Call.WEIGHTS, args, due=at.number)
            receipt = self._ledger.receipt(number)
        if receipt.refusal is not None:
            raise WeightsRefused(receipt.refusal.advice, code=receipt.refusal)
        return receipt.extrinsic_id

    async def blocks(self) -> AsyncIterator[BlockRef]:
        """See the port. Every block comes, whoever made it; none is skipped."""
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
            await asyncio.sleep(0)  # the other actors get their turn

    # The port CommitmentWriter

    async def commit(self, text: str) -> BlockRef:
        """See the port. Makes the next block itself, so that a miner needs no validator."""
        if self._signer is None:
            raise CommitmentRefused(
                "this chain was opened without a hotkey to sign with", code=Refusal.NOT_AUTHORIZED
            )
        with self._translated():
            head = self._ledger.head()
            args: dict[str, JsonValue] = {"raw": _raw(text).hex()}
            number = self._pool(self._signer, Call.COMMIT, args, due=Block(head + 1))
            while (receipt := self._ledger.receipt(number)).is_pending:
                head = self._ledger.produce(after=head)
        if receipt.refusal is not None:
            raise CommitmentRefused(receipt.refusal.advice, code=receipt.refusal)
        return self._ledger.ref(receipt.placed[0])

    # Building a world

    def register(
        self,
        netuid: Netuid,
        hotkey: Hotkey,
        coldkey: Coldkey,
        stake_rao: int,
        permit: bool,
        at_block: Block,
    ) -> Uid:
        """Give ``hotkey`` the lowest slot that is free from ``at_block`` on.

        Raises:
            ValueError: It is a member already, or every slot is taken.
        """
        return self._ledger.register(
            netuid, hotkey, coldkey, stake_rao=stake_rao, permit=permit, at_block=at_block
        )

    def deregister(self, netuid: Netuid, hotkey: Hotkey, at_block: Block) -> None:
        """End a membership; from ``at_block`` on the uid may go to somebody else.

        Raises:
            ValueError: The hotkey is not registered, or only since ``at_block`` or later.
        """
        self._ledger.deregister(netuid, hotkey, at_block=at_block)

    def schedule_commit(
        self, keypair: Keypair | Signer, text: str | bytes, at_block: Block
    ) -> None:
        """Sign a commitment now, to be included in block ``at_block``.

        A block in the past includes it at once, as the next extrinsic of that block; a
        hotkey's history is written in order. What a future block refuses is just not there.

        Raises:
            CommitmentRefused: It is too long, or a past block refuses it.
        """
        self._schedule(keypair, Call.COMMIT, {"raw": _raw(text).hex()}, at_block)

    def schedule_sealed(
        self, keypair: Keypair | Signer, text: str | bytes, at_block: Block, reveal_block: Block
    ) -> None:
        """Sign a commitment now that block ``at_block`` includes and ``reveal_block`` opens.

        Raises:
            CommitmentRefused: It is too long, or a past block refuses it.
            ValueError: It would open before it is included.
        """
        if reveal_block <= at_block:
            raise ValueError(f"reveal_block {reveal_block} is not after at_block {at_block}")
        signer = as_signer(keypair)
        sealed = seal(
            self._ledger.seed,
            _raw(text),
            hotkey=signer.hotkey,
            committed=at_block,
            reveal=reveal_block,
        )
        self._schedule(
            signer, Call.SEAL, {"sealed": sealed.hex(), "reveal": reveal_block}, at_block
        )

    def submit_extrinsic(self, extrinsic: Extrinsic, at_block: Block) -> Receipt:
        """Put an extrinsic into the pool as it is, genuine or not, and say what became of it.

        Refused ones are never included; one for a future block is still pending.
        """
        return self._ledger.receipt(self._ledger.submit(extrinsic, due=at_block))

    def reveals(self, hotkey: Hotkey, at: BlockRef) -> tuple[views.Opened, ...]:
        """The hotkey's opened seals at ``at``, oldest first: the last ten."""
        return views.reveals(self._ledger.connection, self._netuid, at.number, hotkey)

    def weights(self, netuid: Netuid, hotkey: Hotkey) -> Mapping[Hotkey, float]:
        """The shares that this validator's newest weights give, by hotkey; empty without any."""
        return views.weight_shares(self._ledger.connection, netuid, self._ledger.head(), hotkey)

    # Inside

    def _schedule(
        self, key: Keypair | Signer, call: Call, args: Mapping[str, JsonValue], due: Block
    ) -> None:
        receipt = self._ledger.receipt(self._pool(as_signer(key), call, args, due=due))
        if receipt.refusal is not None:
            raise CommitmentRefused(receipt.refusal.advice, code=receipt.refusal)

    def _pool(
        self, signer: Signer, call: Call, args: Mapping[str, JsonValue], *, due: Block
    ) -> int:
        extrinsic = signed(
            signer,
            chain_id=self._ledger.chain_id,
            netuid=self._netuid,
            nonce=self._ledger.next_nonce(signer.hotkey),
            call=call,
            args=args,
        )
        return self._ledger.submit(extrinsic, due=due)

    def _state_at(self, at: BlockRef, netuid: Netuid) -> tuple[int, Block | None]:
        """What the subnet's state at ``at`` depends on: equal values, equal states.

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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ChainUnavailable(f"simnet chain {self._path}: {error}") from error


def _raw(text: str | bytes) -> bytes:
    """The bytes of a commitment.

    Raises:
        CommitmentRefused: More than fit a field; the sender's own node refuses these.
    """
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_COMMITMENT_BYTES:
        raise CommitmentRefused(
            f"{len(raw)} bytes: {Refusal.LIMIT_EXCEEDED.advice}", code=Refusal.LIMIT_EXCEEDED
        )
    return raw


if TYPE_CHECKING:
    _chain: Chain = SimnetChain(Path(), netuid=Netuid(37))
    _writer: CommitmentWriter = SimnetChain(Path(), netuid=Netuid(37))
