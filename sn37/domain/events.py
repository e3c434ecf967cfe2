"""Events, named in the past tense. All telemetry is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sn37.domain.ids import (
    Block,
    BlockRef,
    CompetitionId,
    EntryKey,
    Hotkey,
    Netuid,
    RoundKey,
    TaskName,
    Uid,
)
from sn37.domain.reasons import Reason
from sn37.domain.round.state import Beginning, EntryResult, RoundPlan, RoundResult
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.weight_vector import WeightVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base class of every event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpAdvanced(Event):
    """Progress of a preparation before the validator starts."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorStarted(Event):
    """The validator has opened its network and begins to follow the chain."""

    version: str
    network: str
    netuid: Netuid
    fingerprint: str  # hex, of the schedule
    hotkey: Hotkey
    num_rounds: int  # recorded so far


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorStopped(Event):
    """The validator has ended without a fault."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersConfined(Event):
    """Sandbox features that this machine offers, checked at the start."""

    sandbox: str  # as in receipts
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardServed(Event):
    """The leaderboard's process has started beside the validator."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadAdvanced(Event):
    head: BlockRef
    next_sync: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAged(Event):
    """The chain does not answer; the validator continues with its state at ``head``."""

    head: BlockRef
    age_s: float  # since ``head`` was read


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSeen(Event):
    """A commitment was read for the first time."""

    key: EntryKey
    repo: str
    num_blocks_late: int  # between the commitment and the head at which it was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFetched(Event):
    key: EntryKey
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRefused(Event):
    key: EntryKey
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChanged(Event):
    """Submissions that wait for their first round; reported when a count has changed."""

    num_fetched: int  # on disk and verified
    num_waiting: int  # to be fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFrozen(Event):
    round: RoundKey
    task: TaskName
    num_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSetAside(Event):
    """Rows of a source that were left out of a pool, for one reason."""

    round: RoundKey
    task: TaskName
    why: str
    num_rows: int
    row_ids: tuple[str, ...]  # the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOpened(Event):
    plan: RoundPlan
    uids: Mapping[Hotkey, Uid] = field(default_factory=dict)  # of all members at the sync block


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryStarted(Event):
    round: RoundKey
    key: EntryKey
    num_blocks: int
    num_resumed: int  # blocks of samples taken from the journal
    number: int = 1  # of this entry in the order of scoring, from 1 to ``num_entries``
    num_entries: int = 1  # of the round


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockScored(Event):
    round: RoundKey
    key: EntryKey
    done: int
    num_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFinished(Event):
    round: RoundKey
    result: EntryResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinionGiven(Event):
    """Result of checking an entry that would take the crown by a second implementation."""

    round: RoundKey
    opinion: Opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFinished(Event):
    result: RoundResult
    holder: EntryKey | None = None  # of the crown before the round


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSatOut(Event):
    round: RoundKey
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundScoredLater(Event):
    """A missed round was scored later and counts as evidence from now on."""

    result: RoundResult


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsSubmitted(Event):
    sync_block: Block
    weights: WeightVector
    extrinsic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStarted(Event):
    """A validator with an empty state has started."""

    beginning: Beginning
    num_rounds: int = 0  # adopted, or judged again
    num_evaluations: int = 0  # done here: receipts scored again, or entries judged again


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmingUp(Event):
    """Weights are not set yet because too few rounds were judged."""

    rounds_left: Mapping[CompetitionId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesWithheld(Event):
    """Computed shares that the submitted weights leave out or change, and why."""

    reasons: Mapping[Hotkey, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOverdue(Event):
    """The chain should have had newer weights by now; repeated once a round while it is so."""

    newest: Block | None  # sync block of the weights that it has; ``None``: it never took any
    since: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLow(Event):
    """The disk of the state folder is nearly full."""

    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRevealed(Event):
    """Committed weights were revealed; ``fault`` says why they do not count, if so."""

    extrinsic: str
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack(Event):
    """Something waits for a block."""

    what: str
    why: str
    until_block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Cautioned(Event):
    """Nothing failed, but the operator should know or change something."""

    what: str
    advice: str


class Dependency(StrEnum):
    """Dependencies of a validator, by their names in events and on health pages."""

    CHAIN = "chain"
    MODEL_HOST = "model host"
    DATA_SOURCE = "data source"
    SCORER = "scorer"
    BASE_MODEL = "base model"
    STATE = "state"
    WEIGHTS = "weights"


# Successful work that shows that an outage of a dependency is over.
ENDS_OUTAGE: Mapping[type[Event], Dependency] = {
    SubmissionFetched: Dependency.MODEL_HOST,
    PoolFrozen: Dependency.DATA_SOURCE,
    BlockScored: Dependency.SCORER,
    WeightsSubmitted: Dependency.WEIGHTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded(Event):
    """A dependency does not answer; the validator continues without it and retries."""

    what: str  # a ``Dependency``, or the waiting actor
    error: str
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    what: str
