"""Chain in memory whose head the test moves, and a signer for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha512
from typing import TYPE_CHECKING

from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid, Uid
from sn37.domain.metagraph import Consensus, Metagraph, Neuron
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    CommitmentQuote,
    MalformedCommitment,
    StandingCommitment,
)
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import CommitmentRefused, WeightsRefused
from sn37.testing.builders import a_block_ref, a_neuron, time_of

if TYPE_CHECKING:
    from sn37.ports.chain import Chain, CommitmentWriter, Signer

MAX_COMMITMENT_BYTES = 128


@dataclass(slots=True)
class FakeChain:
    """Chain with members, commitments and weights; older blocks stay readable.

    ``blocks`` yields the head and then each later block as ``advance`` makes it. With
    ``waits=False``, or after ``stop``, it ends once it has yielded the head.
    """

    number: Block = field(default_factory=lambda: Block(1000))
    netuid: Netuid = field(default_factory=lambda: Netuid(37))
    hotkey: Hotkey = field(default_factory=lambda: Hotkey("validator"))  # the signer's
    waits: bool = True
    failures: list[Exception] = field(default_factory=list)  # raised once each
    records: list[Commitment | MalformedCommitment] = field(default_factory=list)
    submitted: list[WeightVector] = field(default_factory=list)  # as they took effect
    expected: list[str] = field(default_factory=list)  # extrinsics taken over
    texts: list[tuple[BlockRef, str]] = field(default_factory=list)  # written by ``commit``
    seals: list[datetime | None] = field(default_factory=list)  # reveal times of ``texts``
    rate_limit_blocks: int = 1  # between two commitments
    registered: bool = True  # what ``quote`` reports for ``hotkey``
    weights_version: int = 0  # lowest version key that the subnet accepts
    _members: dict[Netuid, list[tuple[Block, tuple[Neuron, ...]]]] = field(default_factory=dict)
    _sent: list[tuple[Block, str]] = field(default_factory=list)  # block and id of weights
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def advance(self, num_blocks: int = 1) -> None:
        """Move the head by ``num_blocks`` blocks and wake all iterators that wait for one."""
        self.number = Block(self.number + num_blocks)
        self._wake()

    def stop(self) -> None:
        """Make every ``blocks`` iterator end once it has yielded the head."""
        self.waits = False
        self._wake()

    def set_members(self, *neurons: Neuron, since: int = 0, netuid: int | None = None) -> None:
        """Set the subnet's neurons from block ``since`` on, until a call for a later block."""
        history = self._members.setdefault(Netuid(self.netuid if netuid is None else netuid), [])
        history.append((Block(since), tuple(sorted(neurons, key=lambda n: n.uid))))
        history.sort(key=lambda change: change[0])

    def add(self, *records: Commitment | MalformedCommitment) -> None:
        """Put records on chain at their own blocks; register unknown hotkeys at block 0."""
        for record in records:
            self.records.append(record)
            self._register(record.hotkey)

    @property
    def has_members(self) -> bool:
        """True if any hotkey was ever registered on this subnet."""
        return bool(self._members.get(self.netuid))

    async def head(self) -> BlockRef:
        self._maybe_fail()
        return a_block_ref(self.number)

    async def block(self, number: Block) -> BlockRef:
        self._maybe_fail()
        if not 0 <= number <= self.number:
            raise ValueError(f"block {number} is not in 0..{self.number}")
        return a_block_ref(number)

    async def timestamp(self, at: BlockRef) -> datetime:
        self._maybe_fail()
        return time_of(at.number)

    async def metagraph(self, at: BlockRef, netuid: Netuid | None = None) -> Metagraph:
        self._maybe_fail()
        return Metagraph(
            at=at,
            neurons=self._neurons(at.number, netuid),
            weights_version=self.weights_version,
        )

    async def consensus(self, at: BlockRef) -> Consensus:
        """See ``Chain``. The signer is the only validator, so its weights are the consensus."""
        self._maybe_fail()
        num_sent = sum(block <= at.number for block, _ in self._sent)
        own = self.submitted[num_sent - 1].shares if num_sent else {}
        trust = {self.hotkey: 1.0} if own else {}
        return Consensus(at=at, weights=own, validator_trust=trust, own=own)

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        self._maybe_fail()
        members = {n.hotkey for n in self._neurons(at.number)}
        newest = {
            r.hotkey: r
            for r in sorted(self.records, key=lambda r: r.block)
            if r.block <= at.number and r.hotkey in members
        }
        return CommitmentBook(
            well_formed={h: r for h, r in newest.items() if isinstance(r, Commitment)},
            malformed={h: r for h, r in newest.items() if isinstance(r, MalformedCommitment)},
        )

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        self._maybe_fail()
        now = self._neurons(self.number)
        limit = self.number if evaluated_at is None else evaluated_at
        members = {n.hotkey for n in now if n.registered_at <= limit}
        kept = {h: s for h, s in weights.shares.items() if h in members and s > 0}
        total = sum(kept.values())
        if not total:
            raise WeightsRefused("none of the hotkeys is registered", code="NoHotkeyLeft")
        self.submitted.append(WeightVector({h: s / total for h, s in kept.items()}))
        self.set_members(
            *(replace(n, last_update=self.number) if n.hotkey == self.hotkey else n for n in now),
            since=self.number,
        )
        name = f"{self.number}-{len(self.submitted)}"
        self._sent.append((self.number, name))
        return name

    async def weights_since(self, block: Block) -> str | None:
        self._maybe_fail()
        return next((name for at, name in reversed(self._sent) if at >= block), None)

    async def expect_weights(
        self, weights: WeightVector, *, extrinsic: str, evaluated_at: Block
    ) -> None:
        self._maybe_fail()
        self.expected.append(extrinsic)

    async def blocks(self) -> AsyncIterator[BlockRef]:
        last = -1
        while True:
            self._maybe_fail()
            if self.number > last:
                last = self.number
                yield a_block_ref(last)
            elif self.waits:
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                await waiter
            else:
                return

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """Include ``text`` in the next block; record it in ``texts`` and ``seals``."""
        quote = await self.quote(text, reveal_at=reveal_at)
        if quote.blocks_left:
            raise CommitmentRefused(f"not before block {quote.due}", code="RateLimited")
        self.advance()
        self.texts.append((a_block_ref(self.number), text))
        self.seals.append(reveal_at)
        return a_block_ref(self.number)

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        self._maybe_fail()
        if (num_bytes := len(text.encode())) > MAX_COMMITMENT_BYTES:
            raise CommitmentRefused(
                f"{num_bytes} bytes, at most {MAX_COMMITMENT_BYTES} fit", code="TooLong"
            )
        newest = self.texts[-1][0].number if self.texts else -self.rate_limit_blocks
        return CommitmentQuote(
            head=self.number,
            registered=self.registered,
            num_bytes=num_bytes,
            fee_rao=0,
            due=Block(max(newest + self.rate_limit_blocks, self.number + 1)),
            why="the rate limit",
        )

    async def standing(self) -> StandingCommitment | None:
        self._maybe_fail()
        if not self.texts:
            return None
        (at, text), reveal_at = self.texts[-1], self.seals[-1]
        is_open = reveal_at is None or reveal_at <= time_of(self.number)
        return StandingCommitment(
            block=at.number,
            data=text.encode() if is_open else None,
            was_sealed=is_open and reveal_at is not None,
        )

    def _neurons(self, at: int, netuid: Netuid | None = None) -> tuple[Neuron, ...]:
        history = self._members.get(self.netuid if netuid is None else netuid, [])
        return next((neurons for since, neurons in reversed(history) if since <= at), ())

    def _register(self, hotkey: Hotkey) -> None:
        history = self._members.get(self.netuid, [])
        if any(n.hotkey == hotkey for _, neurons in history for n in neurons):
            return
        members = self._neurons(self.number)
        uid = Uid(1 + max((n.uid for n in members), default=-1))
        self.set_members(*members, a_neuron(hotkey, uid=uid))

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    def _maybe_fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@dataclass(slots=True)
class FakeSigner:
    """Signer without a key: its signature is a hash, see ``fake_signature``."""

    hotkey: Hotkey = field(default_factory=lambda: Hotkey("validator"))
    signed: list[bytes] = field(default_factory=list)

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return fake_signature(self.hotkey, message)


def fake_signature(hotkey: Hotkey, message: bytes) -> bytes:
    """Return the 64-byte signature of ``FakeSigner`` with ``hotkey`` for ``message``."""
    return sha512(hotkey.encode() + b"\0" + message).digest()


if TYPE_CHECKING:
    _chain: Chain = FakeChain()
    _writer: CommitmentWriter = FakeChain()
    _signer: Signer = FakeSigner()
