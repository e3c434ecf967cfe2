"""Reads of the port ``Chain``: heads, blocks, members and commitments of one subnet."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import bittensor as bt

from sn37.adapters.subtensor.agreement import agreed, agreed_hash
from sn37.adapters.subtensor.blocks import commit_positions, header_hash
from sn37.adapters.subtensor.commitments import (
    Opened,
    Parse,
    decode_book,
    lookups_of,
    newest_opened,
    tied_calls,
)
from sn37.adapters.subtensor.connection import Connection, Use
from sn37.adapters.subtensor.decoding import a_hash, a_list, a_mapping, an_int
from sn37.adapters.subtensor.metagraph import decode_metagraph
from sn37.adapters.subtensor.storage import read_maps, substrate_of
from sn37.domain.backoff import Backoff
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, CompetitionId, Hotkey, Netuid
from sn37.domain.metagraph import Metagraph
from sn37.domain.submission.base_models import BaseModel, rank_base_models
from sn37.domain.submission.commitment import (
    CommitmentBook,
    MalformedCommitment,
    parse_commitment,
    parse_legacy_commitment,
)
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable

log = logging.getLogger(__name__)

SILENCE_S = BLOCK_SECONDS + 3.0  # without a new head; then it is requested
PAUSES_S = Backoff(1.0, 0.5 * BLOCK_SECONDS)  # before subscribing again
NUM_REMEMBERED = 16  # newest answers of a kind; several actors request those of one head
NUM_AGREED = 1024  # blocks; a cold start reads many while a round is planned
NUM_ORDERS = 1024  # tied blocks, each with a few hotkeys; old ones stay needed
PRE_TRAINING = Netuid(9)
LAST_INDEX = 1 << 32  # greater than every extrinsic index

_K = TypeVar("_K")
_T = TypeVar("_T")
_V = TypeVar("_V")


class ChainReader:
    """Reads of one subnet, each pinned to a block hash.

    Reading the commitments costs four requests for any number of miners: the header and the
    runtime version that decode the block, its members, and all records together.
    """

    def __init__(self, connection: Connection, *, netuid: Netuid, clock: Clock) -> None:
        self._connection = connection
        self._netuid = netuid
        self._clock = clock
        self._final = -1  # highest block known to be final
        self._agreed: dict[Block, BlockRef] = {}  # by two endpoints, if there are two
        self._metagraphs: dict[tuple[BlockRef, Netuid, bool], Metagraph] = {}
        self._orders: dict[Block, Mapping[Hotkey, int]] = {}  # of calls in tied blocks
        self._bodiless: set[Block] = set()  # tied blocks that no endpoint kept when last read
        self._opened: list[Opened | MalformedCommitment] | None = None
        self._book = CommitmentBook()
        self._computes_hashes = False
        self._warned = False

    async def head(self) -> BlockRef:
        """See the port ``Chain``, here and below."""

        async def use(client: bt.Client) -> BlockRef:
            number = Block(an_int(await client.finalized_block()))
            return BlockRef(number, a_hash(await substrate_of(client).block_hash(number)))

        head = await self._connection.read("finalized head", use)
        self._final = max(self._final, head.number)
        return head

    async def block(self, number: Block) -> BlockRef:
        """See the port. Two endpoints must agree on the hash, if there are two."""
        if number not in self._agreed:
            if number < 0:
                raise ValueError(f"block {number} is negative")
            if number > self._final and number > (head := await self.head()).number:
                raise ValueError(f"block {number} is above the finalized head {head.number}")
            found = BlockRef(number, await self._agreed_hash(number))
            _remember(self._agreed, number, found, limit=NUM_AGREED)
        return self._agreed[number]

    async def timestamp(self, at: BlockRef) -> datetime:
        async def use(client: bt.Client) -> datetime:
            stamp = await substrate_of(client).query("Timestamp", "Now", [], at.hash)
            return datetime.fromtimestamp(an_int(stamp) / 1000, tz=UTC)

        return await self._connection.read(f"time of block {at.number}", use)

    async def metagraph(self, at: BlockRef, netuid: Netuid | None = None) -> Metagraph:
        netuid = self._netuid if netuid is None else netuid

        async def use(client: bt.Client) -> Metagraph:
            record = await substrate_of(client).runtime_call(
                "SubnetInfoRuntimeApi", "get_metagraph", [netuid], at.hash
            )
            return decode_metagraph(record, at)

        key = (at, netuid, self._decides(at))
        if key not in self._metagraphs:
            what = f"metagraph of subnet {netuid} at block {at.number}"
            _remember(self._metagraphs, key, await self._read(what, use, at))
        return self._metagraphs[key]

    async def commitments(self, at: BlockRef) -> CommitmentBook:
        """See the port. An unchanged book is the same object."""
        opened = await self.opened(at, self._netuid)
        if opened != self._opened:
            book = decode_book(opened)
            if tied := tied_calls(o for o in opened if o.hotkey in book.well_formed):
                book = decode_book(opened, await self._positions(tied))
                if self._bodiless & tied.keys():
                    return book  # read again next time: other validators may know the order
            self._opened, self._book = opened, book
        return self._book

    async def base_models(
        self,
        at: BlockRef,
        *,
        netuid: Netuid = PRE_TRAINING,
        default_competition: CompetitionId | None = None,
        competitions: Collection[CompetitionId] | None = None,
    ) -> tuple[BaseModel, ...]:
        """Return models of the pre-training subnet, the best first, see ``rank_base_models``.

        ``default_competition`` is that of its oldest texts, which do not name one. Without it
        they do not count as commitments.
        """
        parse: Parse = parse_commitment
        if default_competition is not None:
            parse = partial(parse_legacy_commitment, default_competition=default_competition)
        book = decode_book(await self.opened(at, netuid), parse=parse)
        return rank_base_models(book, await self.metagraph(at, netuid), competitions)

    async def opened(self, at: BlockRef, netuid: Netuid) -> list[Opened | MalformedCommitment]:
        """Return the valid record of each member of a subnet that has one, not yet parsed."""
        members = [n.hotkey for n in (await self.metagraph(at, netuid)).neurons]

        async def use(client: bt.Client) -> list[Opened | MalformedCommitment]:
            committed, revealed = await read_maps(client, lookups_of(netuid, members), at.hash)
            found = map(newest_opened, members, committed, revealed)
            return [record for record in found if record is not None]

        if not members:
            return []
        return await self._read(f"commitments of subnet {netuid} at block {at.number}", use, at)

    def _decides(self, at: BlockRef) -> bool:
        """True if a round may use this block: its hash was agreed on."""
        return self._agreed.get(at.number) == at

    async def _read(self, what: str, use: Use[_T], at: BlockRef) -> _T:
        """Read the state at a block, from two endpoints if it decides a round (attack 61)."""
        if self._decides(at):
            return await agreed(self._connection, what, use)
        return await self._connection.read(what, use)

    async def blocks(self) -> AsyncIterator[BlockRef]:
        """See the port. A lost or silent subscription is opened again."""
        last, num_failures = -1, 0
        while True:
            head = await self.head()
            if head.number > last:
                last = head.number
                yield head
            try:
                async with aclosing(self._new_heads(Block(last))) as heads:
                    async for head in heads:
                        last, num_failures = head.number, 0
                        yield head
            except ChainUnavailable as error:
                log.info("%s; subscribing again", error)
                num_failures += 1
                await self._clock.sleep(error.retry_after_s or PAUSES_S.after(num_failures))

    async def _new_heads(self, last: Block) -> AsyncGenerator[BlockRef, None]:
        """Yield finalized heads after ``last``, until the subscription is found silent."""

        async def use(client: bt.Client) -> AsyncIterator[tuple[Block, str | None]]:
            async for header in client.blocks(finalized=True):
                yield Block(an_int(header.number)), header_hash(header.raw)

        stream = self._connection.stream("new heads", use, silence_s=SILENCE_S)
        async with aclosing(stream) as headers:
            async for header in headers:
                if header is None:
                    if (await self.head()).number > last:
                        return
                elif header[0] > last:
                    last, computed = header
                    self._final = max(self._final, last)
                    yield BlockRef(last, await self._checked_hash(last, computed))

    async def _checked_hash(self, number: Block, computed: str | None) -> str:
        """Return a new head's hash, read until the computed one was once the same."""
        if computed is not None and self._computes_hashes:
            return computed
        asked = await self._block_hash(number)
        self._computes_hashes = asked == computed
        return asked

    async def _block_hash(self, number: Block) -> str:
        async def use(client: bt.Client) -> str:
            return a_hash(await substrate_of(client).block_hash(number))

        return await self._connection.read(f"hash of block {number}", use)

    async def _agreed_hash(self, number: Block) -> str:
        """Return the hash of a final block, from two endpoints (attack 43)."""
        found, names = await agreed_hash(self._connection, number, self._clock)
        if len(names) == 1 and not self._warned:
            self._warned = True
            log.warning(
                "block hashes, commitments and stake, which decide rounds, come from %s alone; "
                "add a second endpoint with --endpoint to compare them",
                names[0],
            )
        return found

    async def _positions(
        self, tied: Mapping[Block, Sequence[Hotkey]]
    ) -> dict[tuple[Block, Hotkey], int]:
        """Return the extrinsic index of each call that shares its block with another call."""
        positions: dict[tuple[Block, Hotkey], int] = {}
        for block, hotkeys in tied.items():
            order = await self._order_in(block) or {}
            # A hotkey that is not found, however it committed, must not gain by it.
            positions |= {(block, hotkey): order.get(hotkey, LAST_INDEX) for hotkey in hotkeys}
        return positions

    async def _order_in(self, block: Block) -> Mapping[Hotkey, int] | None:
        """Return indices by hotkey; ``None`` if no endpoint has kept the block's body."""
        num_bodiless = 0

        async def use(client: bt.Client) -> dict[Hotkey, int]:
            nonlocal num_bodiless
            substrate = substrate_of(client)
            at = a_hash(await substrate.block_hash(block))
            record = await substrate.get_block(block_hash=at)
            if record is None:  # a node may keep the state of a block without its body
                num_bodiless += 1
                raise bt.ChainError(f"block {block} is no longer kept by the endpoint")
            return commit_positions(a_list(a_mapping(record)["extrinsics"]), self._netuid)

        if block not in self._orders:
            what = f"order of the commitments in block {block}"
            try:
                order = await self._connection.read(what, use)
            except ChainUnavailable:
                if num_bodiless < len(self._connection.endpoint_names):
                    raise  # one that is down may have it
                if block not in self._bodiless:
                    self._bodiless.add(block)
                    log.warning(
                        "no endpoint keeps block %d: its commitments are ordered by hotkey, maybe "
                        "unlike other validators; add an archive endpoint with --endpoint",
                        block,
                    )
                return None
            self._bodiless.discard(block)
            _remember(self._orders, block, order, limit=NUM_ORDERS)
        return self._orders[block]


def _remember(known: dict[_K, _V], key: _K, value: _V, *, limit: int = NUM_REMEMBERED) -> None:
    """Keep the newest answers about what can no longer change."""
    known[key] = value
    while len(known) > limit:
        del known[next(iter(known))]
