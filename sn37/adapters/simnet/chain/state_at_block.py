"""State of the simnet chain at a block: members, opened commitments, weights."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from sn37.adapters.simnet.chain.extrinsics import RATE_LIMIT_BLOCKS
from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Netuid, Uid
from sn37.domain.metagraph import Consensus, Metagraph, Neuron
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentBook,
    MalformedCommitment,
    StandingCommitment,
    parse_commitment,
)

REVEALS_KEPT = 10  # of a hotkey: older ones are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A commitment that everyone can read at some block."""

    hotkey: Hotkey
    raw: bytes
    block: Block  # of the commitment, or of the reveal of a sealed one
    position: int  # of the extrinsic within the block; 0 for a reveal, which the chain makes


def last_change(connection: sqlite3.Connection, netuid: Netuid, block: Block) -> Block | None:
    """Return the newest block up to ``block`` at which the subnet's state changed."""
    (newest,) = connection.execute(
        "SELECT max(block) FROM changes WHERE netuid = ? AND block <= ?", (netuid, block)
    ).fetchone()
    return None if newest is None else Block(newest)


def metagraph(connection: sqlite3.Connection, netuid: Netuid, at: BlockRef) -> Metagraph:
    """Return the members at ``at``, ordered by uid; incentives are the mean weights, by stake."""
    rows = connection.execute(
        "SELECT uid, hotkey, coldkey, stake_rao, permit, registered_at,"
        " (SELECT max(block) FROM weights AS w WHERE w.netuid = n.netuid"
        "  AND w.hotkey = n.hotkey AND block BETWEEN n.registered_at AND :at)"
        " FROM neurons AS n WHERE netuid = :netuid AND registered_at <= :at"
        " AND (left_at IS NULL OR left_at > :at) ORDER BY uid",
        {"netuid": netuid, "at": at.number},
    ).fetchall()
    stakes = {Hotkey(row[1]): row[3] for row in rows if row[4]}
    incentives = _incentives(connection, netuid, at.number, stakes)
    return Metagraph(
        at=at,
        neurons=tuple(
            Neuron(
                uid=Uid(uid),
                hotkey=Hotkey(hotkey),
                coldkey=Coldkey(coldkey),
                stake_rao=stake_rao,
                validator_permit=bool(permit),
                registered_at=Block(registered_at),
                # A new member's slot counts as updated at its registration, as on Bittensor.
                last_update=Block(registered_at if last_update is None else last_update),
                incentive=incentives.get(Hotkey(hotkey), 0.0),
            )
            for uid, hotkey, coldkey, stake_rao, permit, registered_at, last_update in rows
        ),
    )


def _incentives(
    connection: sqlite3.Connection, netuid: Netuid, block: Block, stakes: Mapping[Hotkey, int]
) -> dict[Hotkey, float]:
    """Return each hotkey's share by the validators' newest weights; sums to 1, or is empty."""
    found: dict[Hotkey, float] = {}
    for validator, stake_rao in stakes.items():
        for miner, share in weight_shares(connection, netuid, block, validator).items():
            found[miner] = found.get(miner, 0.0) + share * stake_rao
    total = sum(found.values())
    return {hotkey: value / total for hotkey, value in found.items()} if total else {}


def consensus(
    connection: sqlite3.Connection, netuid: Netuid, at: BlockRef, own: Hotkey | None
) -> Consensus:
    """Return the consensus of the newest weights at ``at``, as an epoch of Bittensor computes it.

    The consensus on a miner is the largest weight that validators with at least half of the stake
    give it; a validator's trust is the sum of its weights, each cut to the consensus. Source:
    Yuma Consensus, https://docs.learnbittensor.org/learn/yuma-consensus, with kappa 0.5.
    """
    stakes = dict(
        connection.execute(
            "SELECT hotkey, stake_rao FROM neurons WHERE netuid = ? AND permit"
            " AND registered_at <= ? AND (left_at IS NULL OR left_at > ?)",
            (netuid, at.number, at.number),
        ).fetchall()
    )
    rows = {v: weight_shares(connection, netuid, at.number, Hotkey(v)) for v in sorted(stakes)}
    voting = {v: row for v, row in rows.items() if row}
    half = sum(stakes[v] for v in voting) / 2
    agreed = dict[Hotkey, float]()
    for miner in sorted({miner for row in voting.values() for miner in row}):
        offers = sorted({row.get(miner, 0.0) for row in voting.values()}, reverse=True)
        agreed[miner] = next(
            offer
            for offer in offers
            if sum(stakes[v] for v, row in voting.items() if row.get(miner, 0.0) >= offer) >= half
        )
    return Consensus(
        at=at,
        weights={miner: weight for miner, weight in agreed.items() if weight},
        validator_trust={
            Hotkey(v): sum(min(share, agreed[miner]) for miner, share in row.items())
            for v, row in voting.items()
        },
        own={} if own is None else weight_shares(connection, netuid, at.number, own),
    )


def reveals(
    connection: sqlite3.Connection, netuid: Netuid, block: Block, hotkey: Hotkey
) -> tuple[Opened, ...]:
    """Return a hotkey's last ten opened seals at ``block``, oldest first."""
    rows = connection.execute(
        "SELECT plain, reveal FROM commitments WHERE netuid = ? AND hotkey = ?"
        " AND reveal <= ? AND plain IS NOT NULL ORDER BY reveal DESC LIMIT ?",
        (netuid, hotkey, block, REVEALS_KEPT),
    ).fetchall()
    return tuple(
        Opened(hotkey=hotkey, raw=plain, block=Block(reveal), position=0)
        for plain, reveal in reversed(rows)
    )


def opened(connection: sqlite3.Connection, netuid: Netuid, block: Block) -> tuple[Opened, ...]:
    """Return the newest readable record of every member at ``block``.

    As on Bittensor, a sealed commitment replaces the plain one at once: until it is opened, only
    earlier reveals of the hotkey can be read.
    """
    members = connection.execute(
        "SELECT hotkey FROM neurons WHERE netuid = ? AND registered_at <= ?"
        " AND (left_at IS NULL OR left_at > ?) ORDER BY uid",
        (netuid, block, block),
    ).fetchall()
    return tuple(
        record for (member,) in members if (record := _newest(connection, netuid, block, member))
    )


def _newest(
    connection: sqlite3.Connection, netuid: Netuid, block: Block, hotkey: Hotkey
) -> Opened | None:
    current = connection.execute(
        "SELECT plain, block, position, reveal FROM commitments"
        " WHERE netuid = ? AND hotkey = ? AND block <= ? ORDER BY block DESC LIMIT 1",
        (netuid, hotkey, block),
    ).fetchone()
    if current is None:
        return None
    plain, committed, position, reveal = current
    candidates = list(reveals(connection, netuid, block, hotkey)[-1:])
    if reveal is None:
        candidates.append(
            Opened(hotkey=hotkey, raw=plain, block=Block(committed), position=position)
        )
    return max(candidates, key=lambda c: (c.block, c.position), default=None)


def standing(
    connection: sqlite3.Connection, netuid: Netuid, block: Block, hotkey: Hotkey
) -> StandingCommitment | None:
    """Return the hotkey's newest record at ``block``, plain, sealed or opened."""
    row = connection.execute(
        "SELECT block, plain, reveal FROM commitments"
        " WHERE netuid = ? AND hotkey = ? AND block <= ? AND dropped = 0"
        " ORDER BY block DESC LIMIT 1",
        (netuid, hotkey, block),
    ).fetchone()
    if row is None:
        return None
    committed, plain, reveal = row
    if reveal is None or reveal > block:
        return StandingCommitment(block=Block(committed), data=None if reveal else plain)
    return StandingCommitment(block=Block(reveal), data=plain, was_sealed=True)


def next_commitment(connection: sqlite3.Connection, netuid: Netuid, hotkey: Hotkey) -> Block:
    """Return the first block at which the rate limit lets this hotkey commit again."""
    (newest,) = connection.execute(
        "SELECT max(block) FROM commitments WHERE netuid = ? AND hotkey = ?", (netuid, hotkey)
    ).fetchone()
    return Block(0 if newest is None else newest + RATE_LIMIT_BLOCKS)


def commitment_book(connection: sqlite3.Connection, netuid: Netuid, block: Block) -> CommitmentBook:
    """Return the newest readable record of every member at ``block``, parsed."""
    well_formed: dict[Hotkey, Commitment] = {}
    malformed: dict[Hotkey, MalformedCommitment] = {}
    for record in opened(connection, netuid, block):
        parsed = parse_commitment(
            record.raw,
            hotkey=record.hotkey,
            block=record.block,
            extrinsic_index=record.position,
        )
        if isinstance(parsed, Commitment):
            well_formed[record.hotkey] = parsed
        else:
            malformed[record.hotkey] = parsed
    return CommitmentBook(well_formed=well_formed, malformed=malformed)


def weight_shares(
    connection: sqlite3.Connection, netuid: Netuid, block: Block, validator: Hotkey
) -> dict[Hotkey, float]:
    """Return the validator's newest weights at ``block``, as shares by hotkey.

    Empty if it set none.
    """
    rows = connection.execute(
        "SELECT n.hotkey, w.value FROM weights AS w JOIN neurons AS n"
        " ON n.netuid = w.netuid AND n.uid = w.uid AND n.registered_at <= w.block"
        " AND (n.left_at IS NULL OR n.left_at > w.block)"
        " WHERE w.netuid = :netuid AND w.hotkey = :hotkey AND w.block ="
        " (SELECT max(block) FROM weights"
        "  WHERE netuid = :netuid AND hotkey = :hotkey AND block <= :at) ORDER BY w.uid",
        {"netuid": netuid, "hotkey": validator, "at": block},
    ).fetchall()
    total = sum(value for _, value in rows)
    return {Hotkey(hotkey): value / total for hotkey, value in rows}
