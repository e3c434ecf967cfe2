"""A miner's commitment: its text on chain, and the hash that binds a model to a hotkey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.models import ModelRef


class CommitmentFormat(StrEnum):
    """How the text was written; it decides how the model hash is computed."""

    V1 = "v1"  # directory hash of existing tools
    V2 = "v2"  # content digest over (path, size, sha256)


class CommitmentFault(StrEnum):
    """Each way in which the text of a commitment can be wrong."""

    NOT_TEXT = "not_text"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    PARTS = "parts"
    NAMESPACE = "namespace"
    NAME = "name"
    REVISION = "revision"
    SECURE_HASH = "secure_hash"
    COMPETITION = "competition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """One miner's claim: this model, in this competition, as of this block."""

    hotkey: Hotkey
    block: Block  # of the commitment, or of the reveal of a sealed one
    extrinsic_index: int = 0  # position within the block
    competition: CompetitionId
    model: ModelRef
    format: CommitmentFormat = CommitmentFormat.V2

    @property
    def key(self) -> EntryKey:
        return EntryKey(self.hotkey, self.block)

    @property
    def precedence(self) -> tuple[int, int, str]:
        """Total order among submissions: the smaller was first."""
        return (self.block, self.extrinsic_index, self.hotkey)


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedCommitment:
    """A record on chain that is no commitment of ours."""

    hotkey: Hotkey
    block: Block
    fault: CommitmentFault
    detail: str  # quotes the offending part, printable and short


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentBook:
    """The newest opened record of every hotkey of a subnet at one block."""

    well_formed: Mapping[Hotkey, Commitment] = field(default_factory=dict)
    malformed: Mapping[Hotkey, MalformedCommitment] = field(default_factory=dict)
