"""Identifiers and units. A bare int or str never crosses a module boundary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

Block = NewType("Block", int)  # block number; a count, 12 s apart on finney
Uid = NewType("Uid", int)  # slot on the subnet, 0..65535; reassigned on deregistration
Netuid = NewType("Netuid", int)  # number of a subnet, 0..65535
Hotkey = NewType("Hotkey", str)  # ss58 address; the stable identity of a neuron
Coldkey = NewType("Coldkey", str)  # ss58 address of the owner
CompetitionId = NewType("CompetitionId", int)
TaskName = NewType("TaskName", str)  # unique within a competition
Seed = NewType("Seed", int)  # unsigned 256-bit number, see sampling.seed_of
Digest = NewType("Digest", str)  # text of a hash; the function that makes it names the encoding

_COMMIT = re.compile(r"[0-9a-f]{40}")

BLOCK_SECONDS = 12  # shortest time between two blocks; the chain never runs faster


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One finalized block: its number and its 0x-prefixed hash."""

    number: Block
    hash: str


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """Key of an entry: one commitment. A new commitment of a hotkey is a new entry."""

    hotkey: Hotkey
    block: Block


@dataclass(frozen=True, slots=True, order=True)
class RoundKey:
    """Key of a round: one competition at one sync block."""

    competition: CompetitionId
    sync_block: Block

    def __str__(self) -> str:
        return f"competition {self.competition}, round {self.sync_block}"


def is_commit(revision: str) -> bool:
    """True for a full commit of a repository (40 hex digits); it cannot move as a branch can."""
    return _COMMIT.fullmatch(revision) is not None
