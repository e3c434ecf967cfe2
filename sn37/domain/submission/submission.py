"""State of a commitment, and its verdict in a round."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.ids import (
    Block,
    EntryKey,
)
from sn37.domain.reasons import Reason
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact


class Verdict(StrEnum):
    """Verdict on an entry in a round."""

    SCORED = "scored"  # on all samples, or raced out
    DUPLICATE = "duplicate"
    REJECTED = "rejected"  # breaks a rule, or has lost permanently
    WAITING = "waiting"  # may be scored in a later round
    FAILED = "failed"  # could not be scored, by its own or the validator's fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One commitment and the facts about its model, independent of rounds."""

    commitment: Commitment
    clock_block: Block  # its age counts from here: its own block, or when first seen public
    artifact: ModelArtifact | None = None  # once fetched and verified
    rejection: Reason | None = None  # permanent
    detail: str = ""  # what exactly is wrong, for the miner
    duplicate_of: EntryKey | None = None
    failures: int = 0  # evaluations that failed by the model's fault, since it was last scored
    missed_rounds: int = 0  # rounds missed because its repository could not be read
    retired: bool = False  # raced out; never scored again
