"""Send a commitment, plain or sealed, and read it back before reporting success."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import bittensor as bt

from sn37.adapters.subtensor.commitment_space import Space, read_space
from sn37.adapters.subtensor.commitments import plain_text
from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.decoding import (
    a_hash,
    a_list,
    a_mapping,
    an_int,
    some_bytes,
    without_length,
)
from sn37.adapters.subtensor.errors import clean
from sn37.adapters.subtensor.refusals import commitment_refused
from sn37.adapters.subtensor.storage import substrate_of
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_setter import ERA_BLOCKS, SUBMIT_TIMEOUT_S
from sn37.domain.events import HeldBack
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, Netuid
from sn37.domain.submission.commitment import MAX_TEXT_BYTES, CommitmentQuote, StandingCommitment
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable, CommitmentRefused
from sn37.ports.telemetry import EventSink

if TYPE_CHECKING:
    from sn37.ports.chain import CommitmentWriter

log = logging.getLogger(__name__)

COMMITMENT_OF = ("Commitments", "CommitmentOf")
REVEALED = ("Commitments", "RevealedCommitments")
SILENCE_S = 5.0 * BLOCK_SECONDS  # without a block, while waiting for one
# A seal that opens before its extrinsic is included would hide nothing.
SHORTEST_SEAL = timedelta(seconds=ERA_BLOCKS * BLOCK_SECONDS)

Field = Mapping[str, object]


class CommitmentSender:
    """Sends one miner's commitments on one subnet.

    A text of ours fits one ``Raw`` field of 128 bytes, so the chain's limit on the number of
    fields does not matter. A sealed text is about 250 bytes longer; 1,024 bytes fit.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        netuid: Netuid,
        signer: HotkeySigner,
        clock: Clock,
        sink: EventSink,
    ) -> None:
        self._connection = connection
        self._netuid = netuid
        self._signer = signer
        self._clock = clock
        self._sink = sink

    async def standing(self) -> StandingCommitment | None:
        """See the port."""

        async def read(client: bt.Client) -> StandingCommitment | None:
            record = await client.query(COMMITMENT_OF, [self._netuid, self._signer.hotkey])
            if record is not None:
                at = Block(an_int(a_mapping(record)["block"]))
                return StandingCommitment(block=at, data=plain_text(record))
            revealed = await client.query(REVEALED, [self._netuid, self._signer.hotkey])
            if not revealed:
                return None
            data, block = a_list(a_list(revealed)[-1])
            text = without_length(some_bytes(data))
            return StandingCommitment(block=Block(an_int(block)), data=text, was_sealed=True)

        return await self._connection.read("our commitment", read)

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        """See the port. Wait for the next epoch if this hotkey's space is used up.

        Returns when the block that includes the commitment is final, after reading it back.
        """
        field, num_bytes = await self._composed(text, reveal_at)
        began = await self._room_for(num_bytes)
        await self._require_later(reveal_at)  # the wait for room may have been long
        problem = await self._send(field)
        return await self._confirmed(field, began, problem)

    async def quote(self, text: str, *, reveal_at: datetime | None = None) -> CommitmentQuote:
        """See the port. The fee is the chain's own estimate."""
        field, num_bytes = await self._composed(text, reveal_at)
        space = await self._space()
        fits = space.has_room_for(num_bytes)
        keypair = self._signer.keypair

        async def estimate(client: bt.Client) -> int:
            substrate = substrate_of(client)
            call = await substrate.compose(self._call(field))
            return int((await substrate.estimate_fee(call, keypair)).rao)

        return CommitmentQuote(
            head=space.block,
            registered=space.registered,
            num_bytes=num_bytes,
            fee_rao=await self._connection.read("fee of a commitment", estimate),
            due=Block(space.block + 1) if fits else space.epoch_ends_at,
            why="" if fits else _held_back(space, self._netuid).why,
        )

    async def _composed(self, text: str, reveal_at: datetime | None) -> tuple[Field, int]:
        """Return the field to store, and its size in bytes.

        Raises:
            CommitmentRefused: The chain would refuse it.
        """
        data = text.encode()
        if not 0 < len(data) <= MAX_TEXT_BYTES:
            raise CommitmentRefused(
                f"a commitment has 1 to {MAX_TEXT_BYTES} bytes, not {len(data)}; shorten the "
                "repository name",
                code="TooLong" if data else "Empty",
            )
        await self._require_later(reveal_at)
        return _field(data, reveal_at)

    def _call(self, field: Field) -> bt.calls.Call:
        return bt.calls.Commitments.set_commitment(
            netuid=self._netuid, info={"fields": [dict(field)]}
        )

    async def _require_later(self, reveal_at: datetime | None) -> None:
        """Check that the seal opens only after its extrinsic has been included or has expired.

        Raises:
            CommitmentRefused: It would open too soon.
        """
        if reveal_at is None:
            return
        now = await self._connection.read("chain time", lambda client: client.timestamp())
        if reveal_at < now + SHORTEST_SEAL:
            raise CommitmentRefused(
                f"reveal time {reveal_at:%Y-%m-%d %H:%M:%S} is too soon: the chain's time is "
                f"{now:%Y-%m-%d %H:%M:%S} UTC, choose a time at least {SHORTEST_SEAL} later",
                code="InvalidRevealRound",
            )

    async def _room_for(self, num_bytes: int) -> Block:
        """Wait until the bytes fit the hotkey's space; return the newest block.

        Each wait is reported as an event.

        Raises:
            CommitmentRefused: The hotkey is not registered, or the bytes never fit.
        """
        space = await self._space()
        if not space.registered:
            raise CommitmentRefused(
                f"hotkey {self._signer.hotkey} is not registered on subnet {self._netuid}; "
                f"register it with: btcli subnets register --netuid {self._netuid}",
                code="AccountNotAllowedCommit",
            )
        if num_bytes > space.max_bytes:
            raise CommitmentRefused(
                f"{num_bytes} bytes exceed the {space.max_bytes} bytes of an epoch",
                code="SpaceLimitExceeded",
            )
        told = Block(0)
        while not space.has_room_for(num_bytes):
            if space.epoch_ends_at > told:
                told = space.epoch_ends_at
                self._sink.emit(_held_back(space, self._netuid))
            await self._until(space.epoch_ends_at)
            space = await self._space()
        return space.block

    async def _space(self) -> Space:
        hotkey = self._signer.hotkey
        return await self._connection.read(
            "space for commitments", lambda client: read_space(client, self._netuid, hotkey)
        )

    async def _until(self, block: Block) -> None:
        """Wait until that block, or until no block came for a long time."""
        heads = self._connection.stream(
            "new blocks", lambda client: client.blocks(), silence_s=SILENCE_S
        )
        async with aclosing(heads) as following:
            async for header in following:
                if header is None or header.number >= block:
                    return

    async def _send(self, field: Field) -> CommitmentRefused | ChainUnavailable | None:
        """Send the field once; return the error, which does not prove that it was not stored."""
        call, keypair = self._call(field), self._signer.keypair
        try:
            result = await self._connection.call(
                "commitment",
                lambda client: client.submit_call(
                    call, keypair, signer="hotkey", period=ERA_BLOCKS
                ),
                timeout_s=SUBMIT_TIMEOUT_S,
            )
            result.raise_for_failure()
        except bt.ChainError as error:
            return commitment_refused(error)
        except ChainUnavailable as error:
            return error
        return None

    async def _confirmed(
        self, field: Field, began: Block, problem: CommitmentRefused | ChainUnavailable | None
    ) -> BlockRef:
        """Return the block of our commitment as the chain shows it.

        Raises:
            CommitmentRefused, ChainUnavailable: The chain does not show it.
        """
        if isinstance(problem, ChainUnavailable):
            await self._clock.sleep(max(problem.retry_after_s or 0.0, BLOCK_SECONDS))

        async def read(client: bt.Client) -> BlockRef | None:
            found = await self._record(client)
            if found is None or found[0] <= began or not _holds(found[1], field):
                return None
            return BlockRef(found[0], a_hash(await substrate_of(client).block_hash(found[0])))

        at = await self._connection.read("our commitment", read)
        if at is not None:
            if problem is not None:
                log.info("the commitment was stored in block %s despite: %s", at.number, problem)
            return at
        raise problem or ChainUnavailable(
            "the commitment was reported as included, but the chain does not show it; check with "
            "sn37 chain commitments before sending it again"
        )

    async def _record(self, client: bt.Client) -> tuple[Block, Sequence[object]] | None:
        record = await client.query(COMMITMENT_OF, [self._netuid, self._signer.hotkey])
        if record is None:
            return None
        stored = a_mapping(record)
        return Block(an_int(stored["block"])), a_list(a_mapping(stored["info"])["fields"])


def _field(data: bytes, reveal_at: datetime | None) -> tuple[Field, int]:
    """Return the field to store and the bytes of space that it takes."""
    if reveal_at is None:
        return {f"Raw{len(data)}": data}, len(data)
    try:
        sealed = bt.timelock.encrypt(data, reveal_at=reveal_at)
    except bt.timelock.TimelockError as error:
        raise CommitmentRefused(
            f"the commitment cannot be sealed: {clean(error)}", code="InvalidRevealRound"
        ) from error
    payload = {"encrypted": sealed.encrypted, "reveal_round": sealed.reveal_round}
    return {"TimelockEncrypted": payload}, len(sealed.encrypted)


def _held_back(space: Space, netuid: Netuid) -> HeldBack:
    used = (
        f"{space.used_bytes} of {space.max_bytes} bytes are used in this epoch of subnet {netuid}"
    )
    return HeldBack(what="commitment", why=used, until_block=space.epoch_ends_at)


def _holds(fields: Sequence[object], ours: Field) -> bool:
    """True if these are the fields that we sent."""
    if len(fields) != 1 or not isinstance(fields[0], Mapping) or fields[0].keys() != ours.keys():
        return False
    (stored,), (sent,) = fields[0].values(), ours.values()
    if isinstance(sent, Mapping):
        payload = a_mapping(stored)
        rounds = an_int(payload["reveal_round"]), an_int(sent["reveal_round"])
        return rounds[0] == rounds[1] and some_bytes(payload["encrypted"]) == some_bytes(
            sent["encrypted"]
        )
    return some_bytes(stored) == sent


if TYPE_CHECKING:
    _: type[CommitmentWriter] = CommitmentSender
