"""Schedule: the competitions at each block, and the timing of rounds."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from sn37.domain.ids import Block, CompetitionId, Hotkey, Netuid
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import Competition

GENESIS = Block(3_138_611)  # a sync block of the existing network; rounds count from it
WINDOW_ROUNDS = 24  # sync rounds that count: 28.8 hours at a cadence of 360 blocks
# A validator that starts without the evidence of others judges this many rounds before it sets
# weights. Its own evidence then shows what theirs shows, for gains down to about one epsilon.
COLD_ROUNDS = 20


class CommitmentFormat(StrEnum):
    """Format of a commitment's text; it decides how the model hash is computed."""

    V1 = "v1"  # directory hash of existing tools
    V2 = "v2"  # content digest over (path, size, sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTiming:
    """Timing of a round's steps, in blocks around its sync block."""

    genesis: Block = GENESIS
    cadence: int = 360  # blocks between two rounds: 72 minutes
    settle: int = 75  # rows must be this old at the sync block: 15 minutes
    freeze_lead: int = 50  # the pool is read and frozen in the last 10 minutes before it
    files_grace: int = 100  # files may arrive until 20 minutes after it

    def __post_init__(self) -> None:
        if not 0 < self.freeze_lead < self.settle < self.cadence:
            raise BrokenRule(
                f"need 0 < freeze_lead < settle < cadence, not "
                f"{self.freeze_lead}, {self.settle}, {self.cadence}",
                "freeze_lead",
                "settle",
                "cadence",
            )
        if not 0 <= self.files_grace < self.cadence - self.freeze_lead:
            raise BrokenRule(
                f"files_grace {self.files_grace} reaches into the next round's freeze",
                "files_grace",
            )

    def sync_block(self, block: Block) -> Block:
        """Return the newest sync block at or before ``block``."""
        return Block((block - self.genesis) // self.cadence * self.cadence + self.genesis)

    def next_sync_block(self, block: Block) -> Block:
        """Return the first sync block after ``block``."""
        return Block(self.sync_block(block) + self.cadence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The competitions from ``from_block`` until the next stage."""

    from_block: Block
    competitions: tuple[Competition, ...]

    def __post_init__(self) -> None:
        where = f"stage from block {self.from_block}"
        if not self.competitions:
            raise BrokenRule(f"{where}: no competitions", "shares")
        ids = [c.id for c in self.competitions]
        if len(set(ids)) != len(ids):
            raise BrokenRule(f"{where}: two competitions have the same id", "shares")
        total = math.fsum(c.reward_share for c in self.competitions)
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise BrokenRule(f"{where}: reward shares sum to {total:g}, not 1", "shares")


class StandingsRule(StrEnum):
    """Rule that turns the crowns of the last rounds into shares of a competition."""

    WINDOW = "window"  # weighted mean of the last rounds: our rule
    MOVING_AVERAGE = "moving_average"  # rule of the existing network's validators


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Rules that all validators of a subnet must share. Data, never an operator's choice."""

    netuid: Netuid
    stages: tuple[Stage, ...]
    timing: RoundTiming = field(default_factory=RoundTiming)
    max_new_entries: int = 20  # per round, besides the incumbents
    warmup_rounds: int = 8  # with fewer judged rounds, the weights on chain stay unchanged
    burn: Hotkey | None = None  # gets the share of a competition without standings
    # On a network in transition, existing validators run beside ours. Its schedule chooses their
    # rule and a commitment format that they can read.
    standings: StandingsRule = StandingsRule.WINDOW
    commitment_format: CommitmentFormat = CommitmentFormat.V2  # what miners write

    def __post_init__(self) -> None:
        if not self.stages:
            raise BrokenRule("schedule: no stages", "stages")
        starts = [s.from_block for s in self.stages]
        if any(b <= a for a, b in pairwise(starts)):
            raise BrokenRule(f"schedule: from_block must grow strictly, not {starts}", "stages")
        if self.max_new_entries < 1 or self.warmup_rounds < 1:
            raise BrokenRule(
                "schedule: max_new_entries and warmup_rounds must be at least 1",
                "max_new_entries" if self.max_new_entries < 1 else "warmup_rounds",
            )

    def at(self, block: Block) -> tuple[Competition, ...]:
        """Return the competitions that run at ``block``; none before the first stage."""
        index = bisect_right([s.from_block for s in self.stages], block) - 1
        return self.stages[index].competitions if index >= 0 else ()

    def competition(self, competition: CompetitionId, block: Block) -> Competition | None:
        """Return the rules of one competition at ``block``, or ``None`` if it does not run then."""
        return next((c for c in self.at(block) if c.id == competition), None)
