"""The values that pages and the JSON interface show.

Every text is printable, on one line and bounded; every number is finite or ``None``. Shares are
between 0 and 1. Lower scores are better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A block, and when it was or will be. The time is an estimate; ``None`` if not known."""

    block: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One commitment: who committed which model, and when."""

    hotkey: str
    committed: Moment
    repo: str
    revision: str | None  # git commit; ``None`` if the record has only the repository
    competition: int
    uid: int | None = None  # of the hotkey; ``None`` if it left the subnet, or is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """How much better a model was than the champion before it, on the samples of both."""

    gain: float  # 0.05: its loss is 5 % lower
    error: float | None  # one standard error of ``gain``
    evidence: float | None  # natural logarithm of the e-value
    needed: float  # the evidence that crowns, a million to one
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Scoring of an open round."""

    round: Moment
    num_entries: int
    num_done: int
    num_blocks: int  # of samples, scored so far over all entries


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitionCard:
    """A competition in a few numbers."""

    id: int
    name: str
    purpose: str
    is_running: bool
    reward_share: float | None  # of the subnet's emission; ``None`` when it does not run
    champion: Model | None
    score: float | None  # of the champion in the newest round that scored it
    advance: Advance | None  # over the champion before it
    since: Moment | None
    num_rounds_held: int
    num_challengers: int  # scored beside the champion in the newest judged round
    num_waiting: int  # listed in that round, may be scored later
    num_rounds: int  # recorded ones
    newest_round: Moment | None
    next_round: Moment | None
    warm_up_left: int  # rounds until weights are set from it
    progress: Progress | None
    scores: tuple[float, ...] = ()  # the champion's in the newest rounds, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLine:
    """A round in a list."""

    competition: int
    round: Moment
    status: str  # finished, open, missed, scored later
    champion: Model | None
    is_new_champion: bool
    score: float | None  # the champion's
    why_missed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Part of the emission, or of a competition, by hotkey."""

    hotkey: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The first page."""

    network: str
    newest: Moment | None
    competitions: tuple[CompetitionCard, ...]
    rounds: tuple[RoundLine, ...]
    weights: tuple[Share, ...]
    weights_sent: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task of a competition."""

    name: str
    source: str
    freshness: str
    method: str
    loss: str  # what one loss is
    unit: str
    weight: float
    num_samples: int
    level: float  # the mean loss that counts as 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLine:
    """The rules of a competition from some block on."""

    begins: Moment
    is_current: bool
    reward_share: float | None  # ``None``: it does not run in this stage
    margin: str
    delay_blocks: int
    limits: str
    tasks: tuple[TaskLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReignLine:
    """One holder of the crown."""

    champion: Model
    predecessor: Model | None
    since: Moment
    until: Moment | None
    num_rounds: int
    lost_by: str
    advance: Advance | None
    score: float | None = None  # in the round that crowned it
    lost_code: str = ""  # reason code of ``lost_by``


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One task's part of a score."""

    task: str
    loss: float | None  # mean, in ``unit``
    unit: str
    relative: float | None  # the loss over the task's level
    part: float | None  # of the score
    accuracy: float | None = None  # share of its questions answered rightly, if it has questions


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """One row of a round's table."""

    rank: int | None  # among scored entries, 1 is the best
    model: Model
    verdict: str
    reason: str  # code; empty if there is none
    detail: str
    meaning: str  # of the reason
    remedy: str  # what its miner can do
    score: float | None
    num_samples: int
    tasks: tuple[TaskResult, ...]
    is_champion: bool
    has_receipt: bool = False
    is_final: bool = True  # False while its round is open: the score is of the samples so far


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPoint:
    """Standings after one round."""

    round: Moment
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber:
    """Place of a page in a list."""

    number: int
    num_pages: int
    num_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitionView:
    """Everything about one competition."""

    card: CompetitionCard
    stages: tuple[StageLine, ...]
    standings: tuple[StandingPoint, ...]  # the oldest first
    reigns: tuple[ReignLine, ...]  # the newest first
    reigns_page: PageNumber
    field: tuple[EntryLine, ...]  # of the newest judged round
    field_round: Moment | None
    rounds: tuple[RoundLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundList:
    """Rounds of one competition, the newest first."""

    competition: int
    name: str
    rounds: tuple[RoundLine, ...]
    page: PageNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePoint:
    """Evidence for a challenger after one round."""

    round: Moment
    num_samples: int
    gain: float | None
    error: float | None
    evidence: float | None  # natural logarithm of the e-value; ``None`` if it is 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceGrowth:
    """Evidence for a challenger against one champion, as it grew with the rounds of both."""

    champion: Model
    challenger: Model
    needed: float  # evidence
    margin: float  # gain
    points: tuple[EvidencePoint, ...]
    num_rounds: int  # that both were scored in
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRound:
    """A submission in one round."""

    round: Moment
    line: EntryLine
    num_scored: int  # entries of that round


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlace:
    """When a submission is expected to be scored."""

    position: int | None  # 1 is next; ``None``: it does not wait behind others
    num_waiting: int
    round: Moment  # the earliest that is possible
    latest: Moment | None = None  # if each round takes as few as the slowest of the last did
    num_rounds_seen: int = 0  # rounds from which that follows
    least_taken: int | None = None  # new entries that one of them scored
    most_taken: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionView:
    """Everything about one commitment."""

    model: Model
    competition_name: str
    stage: str
    reason: str
    meaning: str
    remedy: str
    detail: str
    clock: Moment | None  # its age counts from here, if not from its block
    parameters: int | None
    architecture: str
    size_bytes: int | None
    duplicate_of: Model | None
    latest: EntryLine | None  # newest round that scored it
    latest_round: Moment | None
    evidence: EvidenceGrowth | None
    queue: QueuePlace | None
    rounds: tuple[SubmissionRound, ...]  # the newest first
    page: PageNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionLine:
    """A submission in a list."""

    model: Model
    stage: str
    reason: str
    num_rounds: int
    score: float | None  # newest


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionList:
    """Submissions, the newest first."""

    submissions: tuple[SubmissionLine, ...]
    page: PageNumber
    search: str = ""
    is_cut: bool = False  # a search found more than is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerView:
    """Everything about one hotkey."""

    hotkey: str
    weight: float  # in the newest weights
    standings: tuple[tuple[int, float], ...]  # (competition, share)
    reigns: tuple[ReignLine, ...]
    submissions: tuple[SubmissionLine, ...]
    is_cut: bool  # there are older submissions
    uid: int | None = None
    incentive: float | None = None  # share of the emission, by the consensus


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawLine:
    """The rows of one task of a round."""

    task: str
    method: str
    source: str
    num_samples: int
    pool_size: int
    pool_digest: str
    signers: tuple[tuple[str, int], ...]  # (hotkey, rows), most first
    num_unsigned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """Everything about one round."""

    line: RoundLine
    competition_name: str
    sync_hash: str
    manifest_digest: str
    entries: tuple[EntryLine, ...]
    num_entries: int
    draws: tuple[DrawLine, ...]
    has_statement: bool
    progress: Progress | None
    forgotten: datetime | None  # when losses and receipts were removed
    previous: int | None  # sync block of the neighbours
    following: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsLine:
    """Weights that were sent."""

    round: Moment
    sent: Moment
    extrinsic: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorLine:
    """A validator of the subnet."""

    uid: int
    hotkey: str
    stake: float  # stake weight, in tokens
    trust: float  # part of its weights that is within the consensus
    updated: Moment  # its last weights
    is_own: bool  # the validator whose record this is


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightLine:
    """A miner's weight by this validator, and by the consensus."""

    uid: int | None  # ``None`` if it left the subnet
    hotkey: str
    sent: float  # share in the newest weights of the record
    in_force: float  # share in this validator's weights on chain
    consensus: float  # largest weight that a majority of the stake supports
    incentive: float  # share of the miners' emission


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetView:
    """The subnet as the validator saw it last."""

    seen: Moment
    age_blocks: int
    num_members: int
    uid: int | None  # of this validator
    trust: float | None  # of this validator
    validators: tuple[ValidatorLine, ...]  # the largest stake first
    weights: tuple[WeightLine, ...]  # the largest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One round of this validator and of another one."""

    competition: int
    round: Moment
    champion: Model | None  # after it, by the other one
    is_same_champion: bool
    is_same_manifest: bool
    shared: float | None  # part of the samples that both drew; ``None`` if not known


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherValidator:
    """Another validator's published rounds, compared with ours."""

    name: str
    hotkey: str
    uid: int | None
    is_verified: bool | None  # its signatures; ``None`` if this machine cannot check them
    num_compared: int
    num_same_champions: int
    num_same_manifests: int
    rounds: tuple[Agreement, ...]  # the newest first
    problem: str = ""  # why it could not be compared, or not further


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorView:
    """The validator whose record this is."""

    hotkey: str
    code_version: str
    schedule_fingerprint: str
    began: str
    began_at: Moment | None
    warm_up: tuple[tuple[int, int], ...]  # (competition, rounds left)
    weights: tuple[WeightsLine, ...]
    paid: tuple[tuple[int, float], ...] = ()  # (competition, paid share)
    subnet: SubnetView | None = None
    others: tuple[OtherValidator, ...] = ()


def finite(value: float | None) -> float | None:
    """Return a number, or ``None`` if it is not finite."""
    return value if value is not None and math.isfinite(value) else None
