"""What a validator remembers across restarts. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Sample
from sn37.domain.data.screening import Screening
from sn37.domain.ids import (
    Block,
    BlockRef,
    CompetitionId,
    Digest,
    EntryKey,
    Hotkey,
    RoundKey,
    TaskName,
)
from sn37.domain.reasons import Reason
from sn37.domain.round.signers import SampleSigners
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weight_vector import WeightVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What may take the place of drawn rows that are odd for the competition's base model."""

    samples: tuple[Sample, ...]  # in the order in which they come next
    cap: int  # most rows of one signer in the sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraw:
    """Which rows of which pool a round uses for one task."""

    batch: TaskBatch
    pool_size: int
    pool_digest: Digest  # hex, see sampling.pool_digest
    reserve: Reserve | None = None  # until the rows have been screened, if they are to be


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRows:
    """What is kept of a draw when its texts are gone."""

    task: TaskName
    method: str
    pool_size: int
    pool_digest: Digest
    manifest: tuple[tuple[str, Digest], ...]  # (row id, content hash), in the order of scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What a round's verdict rests on besides losses and commitments, since revision 2 of the rule.

    Recorded with the plan, so that whoever derives the verdict again needs nothing but rounds.
    """

    former: EntryKey | None = None  # who held the crown last; by it an heir is chosen
    is_shielded: bool = False  # whether more than epsilon's end value protects the champion
    num_judged: int = 0  # rounds of the competition that were judged before
    # Entries without a place in this round that lead the champion, and are waited for.
    awaited: tuple[EntryKey, ...] = ()
    # Where evidence and precedence of entries count from, if it is not their commitment.
    clocks: tuple[tuple[EntryKey, Block], ...] = ()
    # Rounds of those before this one in which the champion failed while others were scored, within
    # the window of ``sn37.domain.round.defences``. None: of a version that did not count them.
    missed_defences: int | None = None
    # Who is scored whatever time it takes, besides the champion. None: of a version in which that
    # was everybody who had been scored before.
    contenders: tuple[EntryKey, ...] | None = None

    def clock_of(self, entry: EntryKey) -> Block:
        """Where an entry's evidence counts from."""
        return dict(self.clocks).get(entry, entry.block)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """Everything a round depends on, fixed at its sync block and stored before scoring."""

    key: RoundKey
    sync: BlockRef
    champion: EntryKey | None  # at the start of the round; the heir, when the crown was vacant
    entries: tuple[EntryKey, ...]  # to be scored, the champion first, then by precedence
    draws: tuple[TaskDraw, ...]  # in the order of the competition's tasks
    manifest_digest: Digest  # hex, see sampling.manifest_digest
    listed: tuple[EntryResult, ...] = ()  # entries that are not scored, with the reason
    unreadable: frozenset[EntryKey] = frozenset()  # repositories private at the sync block
    unprobed: frozenset[EntryKey] = frozenset()  # the host did not say whether they were
    # Of every sample of the draws; None where it was not recorded, as in rounds of older versions.
    signers: SampleSigners | None = None
    premises: Premises | None = None  # None: of a version with the first rule
    # By task, what the base model's losses say of the rows that were drawn and of the reserve.
    # None: there is no base model, or the round was scored again on another validator's rows.
    screenings: Mapping[TaskName, Screening] | None = None

    @property
    def is_screened(self) -> bool:
        """Whether the samples are those that the round is scored on: nothing is left to replace."""
        return all(draw.reserve is None for draw in self.draws)

    @property
    def holder(self) -> EntryKey | None:
        """Who held the crown before, and may keep it without being scored.

        The heir of a vacant crown may not. In rounds of older versions it might.
        """
        if self.premises is None or self.premises.missed_defences is None:
            return self.champion
        return self.champion if self.champion == self.premises.former else None

    @property
    def heard(self) -> frozenset[EntryKey]:
        """The entries whose evidence of earlier rounds the verdict rests on."""
        if self.premises is None:
            return frozenset(self.entries)
        former = self.premises.former
        return frozenset((*self.entries, *self.premises.awaited, *((former,) if former else ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOutcome:
    """How scoring one entry in one round ended; written once."""

    key: EntryKey
    verdict: Verdict
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One task's part of a score. Lower is better."""

    task: TaskName
    raw: float  # mean loss
    normalized: float  # over the task's level; in rounds of the first rule, along a curve
    weighted: float  # normalized times the task's weight


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryResult:
    """One row of a round's table."""

    key: EntryKey
    repo: str
    verdict: Verdict
    reason: Reason | None = None
    detail: str = ""
    score: float | None = None  # sum of the weighted task scores; None when not scored
    tasks: tuple[TaskScore, ...] = ()
    num_samples: int = 0  # scored; fewer than the round's when raced out


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLater:
    """A round that this validator missed, and scored later on the samples of another validator.

    It has no verdict: it crowns, retires and blames nobody, and standings leave it out. Its losses
    are evidence in the rounds after ``after``, which were opened once it had been recorded.
    """

    source: Hotkey  # who signed the manifest that names the samples
    after: Block  # sync block of the newest judged round when it was recorded
    at: Block  # the head at that time


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """A finished round. ``skipped`` says why this validator missed it, if it did."""

    key: RoundKey
    sync: BlockRef
    manifest_digest: Digest | None = None
    champion: EntryKey | None = None  # after the round
    entries: tuple[EntryResult, ...] = ()
    skipped: Reason | None = None
    later: ScoredLater | None = None  # only of a round that was missed
    # (later, earlier) entries with nearly the same losses; None where nobody looked, as in rounds
    # of older versions.
    near_duplicates: tuple[tuple[EntryKey, EntryKey], ...] | None = None
    # Entries of the plan for which no time was left; they come first in the next round.
    postponed: tuple[EntryKey, ...] = ()
    is_shielded: bool = False  # whether more than epsilon's end value protects the champion now
    clocks: tuple[tuple[EntryKey, Block], ...] = ()  # of its entries, as in ``Premises``
    # Wall clock, when what it rests on was removed: losses, outcomes and receipts, but for those
    # of entries that rules may still ask for. ``entries`` are abridged then.
    forgotten_at: datetime | None = None

    @property
    def winner(self) -> Hotkey | None:
        return self.champion.hotkey if self.champion else None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the recorded rounds of a competition say: who was tried, and who held the crown.

    An entry whose clock restarted counts as tried and scored from there on only.
    """

    entered: Mapping[EntryKey, Block] = field(default_factory=dict)  # first sync block tried
    scored: frozenset[EntryKey] = frozenset()  # in at least one round, raced out included
    last_tried: Mapping[EntryKey, Block] = field(default_factory=dict)  # newest sync block tried
    clocks: Mapping[EntryKey, Block] = field(default_factory=dict)  # those that restarted
    num_judged: int = 0  # rounds that were not sat out
    champion: EntryKey | None = None  # after the newest of them; None while the crown is vacant
    is_shielded: bool = False  # the champion, by more than epsilon's end value
    crowned_at: Block | None = None  # sync block since which it has been champion
    # Of the last rounds of its reign, at most 23, whether it failed while others were scored.
    defences: tuple[bool, ...] = ()
    crowned: tuple[EntryKey, ...] = ()  # everybody who ever held it, by the last time they did
    # Hotkeys whose newest entry was nearly an earlier one's model, as far as it is still known.
    copiers: frozenset[Hotkey] = frozenset()
    # Rounds that ended so for an entry since it was last scored; none of either kind: not there.
    timeouts: Mapping[EntryKey, int] = field(default_factory=dict)
    stalls: Mapping[EntryKey, int] = field(default_factory=dict)
    hung: frozenset[Hotkey] = frozenset()  # whose last evaluation ran out of its time
    unlucky: frozenset[EntryKey] = frozenset()  # whose last try our worker failed in
    postponed: frozenset[EntryKey] = frozenset()  # in the newest round, for want of time
    _challenges: Mapping[Hotkey, Block] = field(init=False, repr=False, compare=False)  # the newest

    def __post_init__(self) -> None:
        newest: dict[Hotkey, Block] = {}
        for key, block in self.entered.items():
            newest[key.hotkey] = max(block, newest.get(key.hotkey, block))
        object.__setattr__(self, "_challenges", newest)

    @property
    def former(self) -> EntryKey | None:
        """Who holds the crown, or held it last."""
        return self.crowned[-1] if self.crowned else None

    def is_scored(self, submission: Submission) -> bool:
        """Whether an entry was scored since its clock began."""
        key = submission.commitment.key
        return key in self.scored and self._is_of_clock(key, submission.clock_block)

    def previous_challenge(self, key: EntryKey, clock: Block | None = None) -> Block | None:
        """When this hotkey last began a challenge, with another commitment or another clock.

        ``None`` for an entry whose own challenge is under way: it is limited no more.
        """
        is_under_way = key in self.entered and (clock is None or self._is_of_clock(key, clock))
        return None if is_under_way else self._challenges.get(key.hotkey)

    def last_challenge(self, hotkey: Hotkey) -> Block | None:
        """When a hotkey last began any challenge."""
        return self._challenges.get(hotkey)

    def _is_of_clock(self, key: EntryKey, clock: Block) -> bool:
        return clock <= self.clocks.get(key, key.block)


NO_HISTORY = History()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRound:
    """A round under way: its plan and what has been finished of it."""

    plan: RoundPlan
    journal: Mapping[EntryKey, tuple[BlockLosses, ...]] = field(default_factory=dict)
    outcomes: Mapping[EntryKey, EntryOutcome] = field(default_factory=dict)
    # What entries were scored with: device, dtype, versions; as receipts have it.
    environments: Mapping[EntryKey, Mapping[str, str]] = field(default_factory=dict)
    opinions: Mapping[EntryKey, Opinion] = field(default_factory=dict)  # asked for at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRecord:
    """Weights for the standings after ``sync_block``; ``extrinsic`` once the chain has them."""

    sync_block: Block
    weights: WeightVector
    sent_at: Block  # head when they were sent
    extrinsic: str | None = None
    # The newest finished round of each competition that they follow from.
    newest_rounds: Mapping[CompetitionId, Block] = field(default_factory=dict)


class ColdStart(StrEnum):
    """What a validator with an empty state began with."""

    RECEIPTS = "receipts"  # another validator's rounds, checked and adopted
    MANIFESTS = "manifests"  # its rounds, scored again here on the same samples and judged anew
    NOTHING = "nothing"  # it folds anew, while the weights on chain stay
    FIRST = "first"  # nobody had set weights yet: there was nothing to begin with


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How the rounds of a state began; written once. A state older than that has none."""

    way: ColdStart
    block: Block  # the head at that time
    source: Hotkey | None = None  # whose rounds it began with
    num_rounds_rescored: int = 0  # scored again here, every entry of them
    # Of rounds adopted before this sync block the crowns rest on the source's word.
    follows_from: Mapping[CompetitionId, Block] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorState:
    """Everything recorded so far, except losses and texts of finished rounds.

    A running validator does not hold its oldest rounds, but what they come to; whoever reads the
    record has all of them in ``rounds``.
    """

    submissions: Mapping[EntryKey, Submission] = field(default_factory=dict)
    rounds: Mapping[CompetitionId, tuple[RoundResult, ...]] = field(default_factory=dict)
    past: Mapping[CompetitionId, History] = field(default_factory=dict)  # before ``rounds``
    open_rounds: Mapping[RoundKey, OpenRound] = field(default_factory=dict)
    weights: tuple[WeightsRecord, ...] = ()  # by sync block, oldest first
    # Seconds by the clock that newcomers, and others in their places, took in the newest rounds.
    newcomers_s: Mapping[RoundKey, float] = field(default_factory=dict)
    beginning: Beginning | None = None
