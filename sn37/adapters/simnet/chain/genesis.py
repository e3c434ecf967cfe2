"""Members of the simnet chain, and signed commitments at past and future blocks."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bittensor.sp_core import Keypair

from sn37.adapters.simnet.chain import state_at_block as views
from sn37.adapters.simnet.chain.extrinsics import (
    MAX_COMMITMENT_BYTES,
    Call,
    Extrinsic,
    Refusal,
    seal,
    signed,
)
from sn37.adapters.simnet.chain.keys import as_signer
from sn37.adapters.simnet.chain.ledger import ExtrinsicStatus, Ledger
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.ports.chain import Signer
from sn37.ports.errors import ChainUnavailable, CommitmentRefused


class ChainBuilder:
    """Direct access to a chain beside the ports, used before and while a validator runs.

    Methods that read raise ``ChainUnavailable`` when the file cannot be read.
    """

    def __init__(self, path: Path, *, netuid: Netuid) -> None:
        self._path = path
        self._ledger = Ledger(path)
        self._netuid = netuid

    def close(self) -> None:
        """Release the file; the next call opens it again."""
        self._ledger.close()

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
        """End a membership; from ``at_block`` on another hotkey may get the uid.

        Raises:
            ValueError: The hotkey is not registered, or only since ``at_block`` or later.
        """
        self._ledger.deregister(netuid, hotkey, at_block=at_block)

    def schedule_commit(
        self, keypair: Keypair | Signer, text: str | bytes, at_block: Block
    ) -> None:
        """Sign a commitment now, to be included in block ``at_block``.

        A past block includes it at once, as the next extrinsic of that block; a hotkey's
        history must be written in order. If a future block refuses it, it never appears.

        Raises:
            CommitmentRefused: It is too long, or a past block refuses it.
        """
        self._schedule(keypair, Call.COMMIT, {"raw": raw_field(text).hex()}, at_block)

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
        args = _sealed(self._ledger, signer.hotkey, text, due=at_block, reveal=reveal_block)
        self._schedule(signer, Call.SEAL, args, at_block)

    def submit_extrinsic(self, extrinsic: Extrinsic, at_block: Block) -> ExtrinsicStatus:
        """Put an extrinsic into the pool, valid or not, and return its status.

        A refused extrinsic is never included; one for a future block is pending.
        """
        return self._ledger.status(self._ledger.submit(extrinsic, due=at_block))

    def records(self, at: BlockRef) -> tuple[views.Opened, ...]:
        """Return the newest readable record of every member at ``at``, unparsed, by uid."""
        with self._translated():
            return views.opened(self._ledger.connection, self._netuid, at.number)

    def reveals(self, hotkey: Hotkey, at: BlockRef) -> tuple[views.Opened, ...]:
        """Return the hotkey's last ten opened seals at ``at``, oldest first."""
        with self._translated():
            return views.reveals(self._ledger.connection, self._netuid, at.number, hotkey)

    def weights(self, netuid: Netuid, hotkey: Hotkey) -> Mapping[Hotkey, float]:
        """Return the shares in this validator's newest weights by hotkey; empty without weights."""
        with self._translated():
            return views.weight_shares(self._ledger.connection, netuid, self._ledger.head(), hotkey)

    def _schedule(
        self, key: Keypair | Signer, call: Call, args: Mapping[str, JsonValue], due: Block
    ) -> None:
        status = self._ledger.status(self._pool(as_signer(key), call, args, due=due))
        if status.refusal is not None:
            raise CommitmentRefused(status.refusal.advice, code=status.refusal)

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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ChainUnavailable(f"simnet chain {self._path}: {error}") from error


def sealed_or_plain(
    ledger: Ledger, hotkey: Hotkey, text: str, *, due: Block, reveal_at: datetime | None
) -> tuple[Call, dict[str, JsonValue]]:
    """Return the call that commits to ``text`` in block ``due``, sealed if a time is given.

    Raises:
        CommitmentRefused: It is too long, or the time is not after block ``due``.
    """
    if reveal_at is None:
        return Call.COMMIT, {"raw": raw_field(text).hex()}
    blocks = math.ceil((reveal_at - ledger.genesis_time).total_seconds() / BLOCK_SECONDS)
    if blocks <= due:
        raise CommitmentRefused(
            f"{reveal_at} is over at block {due}; choose a later time",
            code=Refusal.INVALID_ARGUMENT,
        )
    return Call.SEAL, _sealed(ledger, hotkey, text, due=due, reveal=Block(blocks))


def _sealed(
    ledger: Ledger, hotkey: Hotkey, text: str | bytes, *, due: Block, reveal: Block
) -> dict[str, JsonValue]:
    sealed = seal(ledger.seed, raw_field(text), hotkey=hotkey, committed=due, reveal=reveal)
    return {"sealed": sealed.hex(), "reveal": reveal}


def raw_field(text: str | bytes) -> bytes:
    """Return the bytes of a commitment.

    Raises:
        CommitmentRefused: They do not fit the field; a real node refuses them as well.
    """
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_COMMITMENT_BYTES:
        raise CommitmentRefused(
            f"{len(raw)} bytes: {Refusal.LIMIT_EXCEEDED.advice}", code=Refusal.LIMIT_EXCEEDED
        )
    return raw
