"""State of a validator that survives restarts. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from sn37.domain.scoring.answer_signals import AnswerReport
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weight_vector import WeightVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Rows that may replace drawn rows that are odd for the competition's base model."""

    samples: tuple[Sample, ...]  # in the order in which they are used
    cap: int  # largest number of rows of one signer in the sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDraw:
    """Draw of a round for one task: the rows, and the pool that they are from."""

    batch: TaskBatch
    pool_size: int
    pool_digest: Digest  # hex, see sampling.pool_digest
    reserve: Reserve | None = None  # until the rows are screened, if the task is screened


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRows:
    """Record of a draw after its texts were deleted."""

    task: TaskName
    method: str
    pool_size: int
    pool_digest: Digest
    manifest: tuple[tuple[str, Digest], ...]  # (row id, content hash), in the order of scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """Premises of a round's verdict besides losses and commitments, since revision 2 of the rule.

    Recorded with the plan, so that the verdict can be derived again from rounds alone.
    """

    former: EntryKey | None = None  # last holder of the crown; decides who is the heir
    is_shielded: bool = False  # more than epsilon's end value protects the champion
    num_judged: int = 0  # earlier rounds of the competition that were judged
    # Entries without a place in this round that lead the champion; others wait for them.
    awaited: tuple[EntryKey, ...] = ()
    # Blocks from which evidence and precedence of entries count, if not from the commitment.
    clocks: tuple[tuple[EntryKey, Block], ...] = ()
    # Number of earlier rounds in which the champion failed while others were scored, within the
    # window of ``sn37.domain.round.defences``. None: the plan's version did not count them.
    missed_defences: int | None = None
    # Entries besides the champion that are scored however long it takes. None: the plan's version
    # so scored all entries that had been scored before.
    contenders: tuple[EntryKey, ...] | None = None

    def clock_of(self, entry: EntryKey) -> Block:
        """Return the block from which an entry's evidence counts."""
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
    unprobed: frozenset[EntryKey] = frozenset()  # the host did not say whether they were private
    # Signers of the draws' samples; None if not recorded, as in rounds of older versions.
    signers: SampleSigners | None = None
    premises: Premises | None = None  # None: the plan's version had the first rule
    # By task, the base model's losses on drawn rows and reserve. None: the competition has no
    # base model, or the round was scored again on another validator's rows.
    screenings: Mapping[TaskName, Screening] | None = None

    @property
    def is_screened(self) -> bool:
        """True if the samples are final: no row is left to screen."""
        return all(draw.reserve is None for draw in self.draws)

    @property
    def holder(self) -> EntryKey | None:
        """Holder of the crown before the round, which may keep it without being scored.

        The heir of a vacant crown may not, except in rounds of older versions.
        """
        if self.premises is None or self.premises.missed_defences is None:
            return self.champion
        return self.champion if self.champion == self.premises.former else None

    @property
    def compared(self) -> frozenset[EntryKey]:
        """Entries whose evidence of earlier rounds decides the verdict."""
        if self.premises is None:
            return frozenset(self.entries)
        former = self.premises.former
        return frozenset((*self.entries, *self.premises.awaited, *((former,) if former else ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOutcome:
    """Outcome of scoring one entry in one round; written once."""

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
    # Share of questions answered rightly; None for tasks without options.
    accuracy: float | None = None
    answers: AnswerReport | None = None  # signals of generated answers, which do not count


def right_answers(tasks: Iterable[TaskScore]) -> str:
    """Return the accuracy in each task with questions, like "quiz 61.3% right"; may be empty."""
    return ", ".join(f"{t.task} {t.accuracy:.1%} right" for t in tasks if t.accuracy is not None)


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
    num_samples: int = 0  # scored ones; fewer than the round's when raced out


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLater:
    """Mark of a missed round that was scored later on the samples of another validator.

    It has no verdict: it crowns and retires no entry, counts no failures, and does not count in
    standings. Its losses are evidence in the rounds after ``after``, which were opened after it was
    recorded.
    """

    source: Hotkey  # signer of the manifest that names the samples
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
    later: ScoredLater | None = None  # only for a missed round
    # (later, earlier) entries with nearly the same losses; None if not checked, as in rounds of
    # older versions.
    near_duplicates: tuple[tuple[EntryKey, EntryKey], ...] | None = None
    # Entries of the plan for which no time was left; they come first in the next round.
    postponed: tuple[EntryKey, ...] = ()
    is_shielded: bool = False  # more than epsilon's end value protects the champion now
    clocks: tuple[tuple[EntryKey, Block], ...] = ()  # of its entries, as in ``Premises``
    # Number of rounds that the champion has missed, this one included; as in ``Premises``.
    missed_defences: int | None = None
    # Number of earlier judged rounds that are not recorded; only the first adopted round has any.
    num_judged_before: int = 0
    # Wall-clock time at which its losses, outcomes and receipts were removed, except for those of
    # entries that rules may still need. ``entries`` are abridged then.
    forgotten_at: datetime | None = None

    @property
    def winner(self) -> Hotkey | None:
        return self.champion.hotkey if self.champion else None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Summary of a competition's recorded rounds: entries tried, and holders of the crown.

    An entry whose clock restarted counts as tried and scored only from that block on.
    """

    entered: Mapping[EntryKey, Block] = field(default_factory=dict)  # first sync block tried
    scored: frozenset[EntryKey] = frozenset()  # in at least one round, raced out included
    last_tried: Mapping[EntryKey, Block] = field(default_factory=dict)  # newest sync block tried
    clocks: Mapping[EntryKey, Block] = field(default_factory=dict)  # restarted ones only
    num_judged: int = 0  # rounds that were not sat out
    num_unrecorded: int = 0  # of these, rounds before the first recorded one
    judged: tuple[Block, ...] = ()  # sync blocks of the last of them, at most 32, oldest first
    champion: EntryKey | None = None  # after the newest round; None while the crown is vacant
    is_shielded: bool = False  # more than epsilon's end value protects the champion
    crowned_at: Block | None = None  # sync block since which it has been champion
    # For the last rounds of its reign, at most 23: true if it failed while others were scored.
    defences: tuple[bool, ...] = ()
    crowned: tuple[EntryKey, ...] = ()  # all holders of the crown, by the end of their last reign
    # Hotkeys whose newest entry was nearly an earlier entry's model, as far as still known.
    copiers: frozenset[Hotkey] = frozenset()
    # Number of such rounds since an entry was last scored; entries with none are left out.
    timeouts: Mapping[EntryKey, int] = field(default_factory=dict)
    stalls: Mapping[EntryKey, int] = field(default_factory=dict)
    hung: frozenset[Hotkey] = frozenset()  # whose last evaluation timed out
    # Entries whose last try failed by our worker's fault, with the sync block of that round.
    unlucky: Mapping[EntryKey, Block] = field(default_factory=dict)
    postponed: frozenset[EntryKey] = frozenset()  # in the newest round, for lack of time
    _challenges: Mapping[Hotkey, Block] = field(init=False, repr=False, compare=False)  # the newest

    def __post_init__(self) -> None:
        newest: dict[Hotkey, Block] = {}
        for key, block in self.entered.items():
            newest[key.hotkey] = max(block, newest.get(key.hotkey, block))
        object.__setattr__(self, "_challenges", newest)

    @property
    def former(self) -> EntryKey | None:
        """Current or last holder of the crown."""
        return self.crowned[-1] if self.crowned else None

    def is_scored(self, submission: Submission) -> bool:
        """True if an entry was scored since its clock began."""
        key = submission.commitment.key
        return key in self.scored and self._is_of_clock(key, submission.clock_block)

    def previous_challenge(self, key: EntryKey, clock: Block | None = None) -> Block | None:
        """Return the block at which this hotkey last began another challenge.

        That is one with another commitment or another clock. ``None`` for an entry whose own
        challenge has begun, because the limit does not apply to it any more.
        """
        is_under_way = key in self.entered and (clock is None or self._is_of_clock(key, clock))
        return None if is_under_way else self._challenges.get(key.hotkey)

    def last_turn(self, entry: EntryKey) -> Block:
        """Return the sync block at which an entry was last tried, failures of our worker included.

        It is 0 if there was none.
        """
        return Block(max(self.last_tried.get(entry, 0), self.unlucky.get(entry, 0)))

    def last_challenge(self, hotkey: Hotkey) -> Block | None:
        """Return the block at which a hotkey last began any challenge."""
        return self._challenges.get(hotkey)

    def _is_of_clock(self, key: EntryKey, clock: Block) -> bool:
        return clock <= self.clocks.get(key, key.block)


NO_HISTORY = History()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRound:
    """An open round: its plan and its finished parts."""

    plan: RoundPlan
    journal: Mapping[EntryKey, tuple[BlockLosses, ...]] = field(default_factory=dict)
    outcomes: Mapping[EntryKey, EntryOutcome] = field(default_factory=dict)
    # Environments that entries were scored in: device, dtype, versions; as in receipts.
    environments: Mapping[EntryKey, Mapping[str, str]] = field(default_factory=dict)
    opinions: Mapping[EntryKey, Opinion] = field(default_factory=dict)  # computed at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRecord:
    """Weights for the standings after ``sync_block``; ``extrinsic`` once the chain has them."""

    sync_block: Block
    weights: WeightVector
    sent_at: Block  # head when they were sent
    extrinsic: str | None = None
    # The newest finished round of each competition from which they follow.
    newest_rounds: Mapping[CompetitionId, Block] = field(default_factory=dict)


class ColdStart(StrEnum):
    """Way in which a validator with an empty state started."""

    RECEIPTS = "receipts"  # another validator's rounds, checked and adopted
    MANIFESTS = "manifests"  # its rounds, scored again here on the same samples and judged again
    NOTHING = "nothing"  # no rounds; the weights on chain stay during the warm-up
    FIRST = "first"  # no validator had set weights yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Beginning of a state; written once. States of older versions have none."""

    way: ColdStart
    block: Block  # the head at that time
    source: Hotkey | None = None  # validator whose rounds it started with
    num_rounds_rescored: int = 0  # rounds with all entries scored again here
    # Crowns of adopted rounds before this sync block were not checked.
    follows_from: Mapping[CompetitionId, Block] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorState:
    """Everything recorded so far, except losses and texts of finished rounds.

    A running validator holds only a summary of its oldest rounds; a state read from the store has
    all of them in ``rounds``.
    """

    submissions: Mapping[EntryKey, Submission] = field(default_factory=dict)
    rounds: Mapping[CompetitionId, tuple[RoundResult, ...]] = field(default_factory=dict)
    past: Mapping[CompetitionId, History] = field(default_factory=dict)  # before ``rounds``
    open_rounds: Mapping[RoundKey, OpenRound] = field(default_factory=dict)
    weights: tuple[WeightsRecord, ...] = ()  # by sync block, oldest first
    # Wall-clock seconds that entries with limited time took in the newest rounds.
    newcomers_s: Mapping[RoundKey, float] = field(default_factory=dict)
    beginning: Beginning | None = None
