"""Dispatch of the calls in a block of the simnet chain: each is checked, then applied.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from sn37.adapters.simnet.chain.extrinsics import (
    MAX_COMMITMENT_BYTES,
    RATE_LIMIT_BLOCKS,
    U16_MAX,
    Call,
    Extrinsic,
    Refusal,
    unseal,
)
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Block, Hotkey, Netuid


def dispatch(
    connection: sqlite3.Connection,
    extrinsic: Extrinsic,
    *,
    chain_id: str,
    block: Block,
    position: int,
) -> Refusal | None:
    """Apply ``extrinsic`` at a position in ``block``; return the reason if it is refused."""
    if extrinsic.chain_id != chain_id or not extrinsic.is_genuine:
        return Refusal.BAD_SIGNATURE
    used = connection.execute(
        "SELECT 1 FROM extrinsics WHERE hotkey = ? AND nonce = ? AND block IS NOT NULL",
        (extrinsic.hotkey, extrinsic.nonce),
    ).fetchone()
    if used:
        return Refusal.ALREADY_EXISTS
    member = connection.execute(
        "SELECT permit FROM neurons WHERE netuid = ? AND hotkey = ?"
        " AND registered_at <= ? AND (left_at IS NULL OR left_at > ?)",
        (extrinsic.netuid, extrinsic.hotkey, block, block),
    ).fetchone()
    if member is None:
        return Refusal.NOT_REGISTERED
    if extrinsic.call is Call.WEIGHTS:
        if not member[0]:
            return Refusal.NOT_AUTHORIZED
        return _set_weights(connection, extrinsic, block)
    return _set_commitment(connection, extrinsic, block, position)


def note_change(connection: sqlite3.Connection, netuid: Netuid, block: Block) -> None:
    """Record that the state of this subnet changed at ``block``."""
    connection.execute("INSERT OR IGNORE INTO changes VALUES (?, ?)", (netuid, block))
    connection.execute("UPDATE chain SET version = version + 1")


def open_seals(connection: sqlite3.Connection, *, seed: int, head: Block) -> None:
    """Open every sealed commitment that is due at a block, before the block's extrinsics."""
    due = connection.execute(
        "SELECT netuid, hotkey, block, sealed, reveal FROM commitments"
        " WHERE reveal <= ? AND reveal IS NOT NULL AND plain IS NULL AND dropped = 0",
        (head,),
    ).fetchall()
    for netuid, hotkey, block, sealed, reveal in due:
        plain = unseal(seed, sealed, hotkey=hotkey, reveal=reveal)
        connection.execute(
            "UPDATE commitments SET plain = ?, dropped = ?"
            " WHERE netuid = ? AND hotkey = ? AND block = ?",
            (plain, plain is None, netuid, hotkey, block),
        )
        note_change(connection, netuid, reveal)


def _set_commitment(
    connection: sqlite3.Connection, extrinsic: Extrinsic, block: Block, position: int
) -> Refusal | None:
    netuid, hotkey, args = extrinsic.netuid, extrinsic.hotkey, extrinsic.args
    sealed = plain = reveal = None
    if extrinsic.call is Call.SEAL:
        sealed, reveal = _bytes(args.get("sealed")), args.get("reveal")
        if sealed is None or not isinstance(reveal, int) or reveal <= block:
            return Refusal.INVALID_ARGUMENT
    else:
        plain = _bytes(args.get("raw"))
        if plain is None:
            return Refusal.INVALID_ARGUMENT
        if len(plain) > MAX_COMMITMENT_BYTES:
            return Refusal.LIMIT_EXCEEDED
    if _too_soon(connection, "commitments", netuid, hotkey, block):
        return Refusal.RATE_LIMITED
    # A new commitment also replaces a seal that has not opened yet.
    connection.execute(
        "UPDATE commitments SET plain = NULL, dropped = 1"
        " WHERE netuid = ? AND hotkey = ? AND reveal > ?",
        (netuid, hotkey, block),
    )
    connection.execute(
        "INSERT INTO commitments (netuid, hotkey, block, position, plain, sealed, reveal)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (netuid, hotkey, block, position, plain, sealed, reveal),
    )
    return None


def _set_weights(
    connection: sqlite3.Connection, extrinsic: Extrinsic, block: Block
) -> Refusal | None:
    weights = extrinsic.args.get("weights")
    if not isinstance(weights, dict) or not weights:
        return Refusal.INVALID_ARGUMENT
    rows = []
    for uid, value in weights.items():
        if not uid.isdecimal() or not isinstance(value, int) or not 0 < value <= U16_MAX:
            return Refusal.INVALID_ARGUMENT
        rows.append((extrinsic.netuid, extrinsic.hotkey, block, int(uid), value))
    if _too_soon(connection, "weights", extrinsic.netuid, extrinsic.hotkey, block):
        return Refusal.RATE_LIMITED
    connection.executemany("INSERT INTO weights VALUES (?, ?, ?, ?, ?)", rows)
    return None


def _bytes(text: JsonValue) -> bytes | None:
    """Return the bytes of a hex argument, or ``None`` if it is anything else."""
    try:
        return bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _too_soon(
    connection: sqlite3.Connection,
    table: Literal["commitments", "weights"],
    netuid: Netuid,
    hotkey: Hotkey,
    block: Block,
) -> bool:
    """True if this hotkey wrote to ``table`` within the rate limit before ``block``.

    A later block counts too, because history is written in order.
    """
    (newest,) = connection.execute(
        f"SELECT max(block) FROM {table} WHERE netuid = ? AND hotkey = ?",
        (netuid, hotkey),
    ).fetchone()
    return newest is not None and block - newest < RATE_LIMIT_BLOCKS
