"""Reads that show whether the chain has opened our committed weights and uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import bittensor as bt

from sn37.adapters.subtensor.decoding import a_list, an_int
from sn37.domain.ids import Block, Hotkey, Netuid, Uid

PENDING = ("SubtensorModule", "TimelockedWeightCommits")
WEIGHTS = ("SubtensorModule", "Weights")
UIDS = ("SubtensorModule", "Uids")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedRow:
    """Weights that the chain holds sealed."""

    extrinsic: str
    block: Block  # of the commit
    values: Mapping[Uid, int]


async def pending_commits(client: bt.Client, netuid: Netuid, hotkey: Hotkey) -> frozenset[Block]:
    """Return the blocks of our commits that the chain has not opened at its newest block."""
    epochs = await client.query_map(PENDING, [netuid])
    return frozenset(
        Block(an_int(block))
        for _, commits in epochs
        for who, block, *_ in map(a_list, a_list(commits or ()))
        if who == hotkey
    )


async def row_in_force(client: bt.Client, netuid: Netuid, hotkey: Hotkey) -> Mapping[Uid, int]:
    """Return our own row of weights; no other hotkey's row is ever read."""
    uid = await client.query(UIDS, [netuid, hotkey])
    if uid is None:
        return {}
    entries = await client.query(WEIGHTS, [netuid, an_int(uid)])
    pairs = (a_list(entry) for entry in a_list(entries or ()))
    return {Uid(an_int(target)): an_int(value) for target, value in pairs}


def reveal_fault(committed: CommittedRow, in_force: Mapping[Uid, int]) -> str:
    """Say why an opened commit does not count; return an empty text if it counts.

    The chain scales a row so that its largest value is 65,535; ours have that scale already.
    """
    if dict(in_force) == dict(committed.values):
        return ""
    return (
        "the chain dropped them at the reveal, and other weights are in force; common reasons are "
        "too little stake, a lost validator permit or a new weights version: run sn37 chain check"
    )
