"""Rules of the simnet chain: its members, and the extrinsics that a block includes or refuses.

Synchronous: every call is one short SQLite transaction, well under a millisecond.
``state_at_block`` reads what is written here; ``chain`` is the port over both.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from sn37.adapters.simnet.chain.dispatch import dispatch, note_change, open_seals
from sn37.adapters.simnet.chain.extrinsics import Call, Extrinsic, Refusal, read_extrinsic
from sn37.adapters.simnet.chain.schema import open_file, transaction
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.domain.known_facts import known

SUBNET_SLOTS = 256  # uids of one subnet
FIRST_POSITION = 1  # extrinsic 0 of a block is the chain's own: it sets the time, opens seals


@dataclass(frozen=True, slots=True)
class ExtrinsicStatus:
    """Status of an extrinsic: included, refused, or pending."""

    place: tuple[Block, int] | None = None  # block, and position within it
    refusal: Refusal | None = None

    @property
    def is_pending(self) -> bool:
        return self.place is None and self.refusal is None

    @property
    def extrinsic_id(self) -> str:
        """ "block-index", as explorers name extrinsics. Only for an included one."""
        block, position = self._included()
        return f"{block}-{position}"

    @property
    def block(self) -> Block:
        """The block that includes it. Only for an included one."""
        return self._included()[0]

    def _included(self) -> tuple[Block, int]:
        if self.place is None:
            raise ValueError("the extrinsic is in no block")
        return self.place


class Ledger:
    """One chain file. The connection is opened on first use, by the thread that uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def connection(self) -> sqlite3.Connection:
        return open_file(self._path)

    def close(self) -> None:
        """Release the file; the next call opens it again."""
        if "connection" in self.__dict__:
            self.connection.close()
            del self.connection

    @cached_property
    def seed(self) -> int:
        return int(self.connection.execute("SELECT seed FROM chain").fetchone()[0])

    @cached_property
    def chain_id(self) -> str:
        """Return the hash of block 0; signatures contain it and are valid on this chain only."""
        return self.ref(Block(0)).hash

    @cached_property
    def genesis_time(self) -> datetime:
        (seconds,) = self.connection.execute("SELECT genesis_s FROM chain").fetchone()
        return datetime.fromtimestamp(seconds, UTC)

    def head(self) -> Block:
        return self.state()[0]

    def state(self) -> tuple[Block, int]:
        """Return the number of the newest block, and a counter of all changes."""
        head, version = self.connection.execute("SELECT head, version FROM chain").fetchone()
        return Block(head), version

    def ref(self, number: Block) -> BlockRef:
        """Return the reference of any block; hashes depend on the seed and the number alone."""
        text = f"sn37/simnet/block/1|{self.seed}|{number}"
        return BlockRef(number, "0x" + sha256(text.encode()).hexdigest())

    def time(self, number: Block) -> datetime:
        return self.genesis_time + timedelta(seconds=BLOCK_SECONDS * number)

    # Membership

    def register(
        self,
        netuid: Netuid,
        hotkey: Hotkey,
        coldkey: Coldkey,
        *,
        stake_rao: int,
        permit: bool,
        at_block: Block,
    ) -> Uid:
        """Give ``hotkey`` the lowest slot that is free from ``at_block`` on.

        Raises:
            ValueError: It is a member already, or every slot is taken.
        """
        with transaction(self.connection):
            members = self.connection.execute(
                "SELECT uid, hotkey FROM neurons"
                " WHERE netuid = ? AND (left_at IS NULL OR left_at > ?)",
                (netuid, at_block),
            ).fetchall()
            if any(member == hotkey for _, member in members):
                raise ValueError(f"{hotkey} is registered on subnet {netuid} already")
            taken = {uid for uid, _ in members}
            uid = next((u for u in range(SUBNET_SLOTS) if u not in taken), None)
            if uid is None:
                raise ValueError(f"subnet {netuid} is full; deregister a member first")
            self.connection.execute(
                "INSERT INTO neurons VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (netuid, uid, hotkey, coldkey, stake_rao, permit, at_block),
            )
            note_change(self.connection, netuid, at_block)
        return Uid(uid)

    def deregister(self, netuid: Netuid, hotkey: Hotkey, *, at_block: Block) -> None:
        """End a membership; from ``at_block`` on another hotkey may get its uid.

        Raises:
            ValueError: The hotkey is not registered, or only since ``at_block`` or later.
        """
        with transaction(self.connection):
            ended = self.connection.execute(
                "UPDATE neurons SET left_at = ? WHERE netuid = ? AND hotkey = ?"
                " AND left_at IS NULL AND registered_at < ?",
                (at_block, netuid, hotkey, at_block),
            ).rowcount
            if not ended:
                raise ValueError(f"{hotkey} is not on subnet {netuid} before block {at_block}")
            note_change(self.connection, netuid, at_block)

    # Extrinsics

    def next_nonce(self, hotkey: Hotkey) -> int:
        """Return one more than the largest nonce of this hotkey in blocks and in the pool."""
        (highest,) = self.connection.execute(
            "SELECT max(nonce) FROM extrinsics WHERE hotkey = ? AND refusal IS NULL", (hotkey,)
        ).fetchone()
        return 0 if highest is None else highest + 1

    def submit(self, extrinsic: Extrinsic, *, due: Block) -> int:
        """Put an extrinsic into the pool unchecked, and return its id for ``status``.

        The block that includes it checks it: the next one from ``due`` on, or block ``due``
        itself if it exists already, so that a history can be written.
        """
        with transaction(self.connection):
            cursor = self.connection.execute(
                "INSERT INTO extrinsics (hotkey, nonce, payload, signature, due)"
                " VALUES (?, ?, ?, ?, ?)",
                (extrinsic.hotkey, extrinsic.nonce, extrinsic.payload, extrinsic.signature, due),
            )
            number = known(cursor.lastrowid, "an INSERT of one row gives it a number")
            if due <= (head := self.head()):
                self._include(number, extrinsic, due)
                open_seals(self.connection, seed=self.seed, head=head)
        return number

    def status(self, extrinsic: int) -> ExtrinsicStatus:
        """Return the status of the extrinsic with this id."""
        block, position, refusal = self.connection.execute(
            "SELECT block, position, refusal FROM extrinsics WHERE id = ?", (extrinsic,)
        ).fetchone()
        return ExtrinsicStatus(
            place=None if block is None else (Block(block), position),
            refusal=None if refusal is None else Refusal(refusal),
        )

    def newest_weights(self, netuid: Netuid, hotkey: Hotkey, *, since: Block) -> str | None:
        """Return the id of ``hotkey``'s newest weights extrinsic at ``since`` or later."""
        included = self.connection.execute(
            "SELECT block, position, payload, signature FROM extrinsics"
            " WHERE hotkey = ? AND block >= ? ORDER BY block DESC, position DESC",
            (hotkey, since),
        )
        for block, position, payload, signature in included:
            extrinsic = read_extrinsic(payload, signature)
            if extrinsic.call is Call.WEIGHTS and extrinsic.netuid == netuid:
                return f"{block}-{position}"
        return None

    def produce(self, *, after: Block) -> Block:
        """Add the block after ``after``, unless it exists; return the newest number.

        One transaction opens the seals that are due, includes due extrinsics in the order of
        arrival, and moves the head. A kill therefore leaves the block whole or not begun.
        """
        with transaction(self.connection):
            if (head := self.head()) != after:
                return head
            number = Block(head + 1)
            self.connection.execute("UPDATE chain SET head = ?", (number,))
            open_seals(self.connection, seed=self.seed, head=number)
            due = self.connection.execute(
                "SELECT id, payload, signature FROM extrinsics"
                " WHERE block IS NULL AND refusal IS NULL AND due <= ? ORDER BY due, id",
                (number,),
            ).fetchall()
            for extrinsic, payload, signature in due:
                self._include(extrinsic, read_extrinsic(payload, signature), number)
        return number

    def _include(self, number: int, extrinsic: Extrinsic, block: Block) -> None:
        """Apply one extrinsic to ``block``, or record why it was refused."""
        (highest,) = self.connection.execute(
            "SELECT max(position) FROM extrinsics WHERE block = ?", (block,)
        ).fetchone()
        position = FIRST_POSITION if highest is None else highest + 1
        refusal = dispatch(
            self.connection, extrinsic, chain_id=self.chain_id, block=block, position=position
        )
        if refusal is not None:
            self.connection.execute(
                "UPDATE extrinsics SET refusal = ? WHERE id = ?", (refusal, number)
            )
            return
        self.connection.execute(
            "UPDATE extrinsics SET block = ?, position = ? WHERE id = ?", (block, position, number)
        )
        note_change(self.connection, extrinsic.netuid, block)
