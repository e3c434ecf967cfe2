"""Status of a miner's commitment, from the chain and from a validator's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sn37.app.mining.connections import ReadConnection
from sn37.app.mining.miner_tools import MinerTools
from sn37.app.schedule.lookup import rules_of_network
from sn37.domain.ids import BLOCK_SECONDS, Block, BlockRef, CompetitionId, Hotkey, Uid
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.round.history import history_of
from sn37.domain.round.state import (
    NO_HISTORY,
    EntryResult,
    History,
    RoundResult,
    ValidatorState,
)
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import Commitment, MalformedCommitment, StandingCommitment
from sn37.domain.submission.duplicates import duplicates_of
from sn37.domain.submission.eligibility import Judgement, judge
from sn37.domain.submission.models import Availability
from sn37.domain.submission.stages import SubmissionStage, stage_of_verdict
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weights.standings import standings
from sn37.ports.errors import StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """The first round for which a commitment is old enough."""

    sync_block: Block
    at: datetime  # estimate, in the chain's time


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """One round of a validator's record that lists the commitment."""

    sync_block: Block
    entry: EntryResult
    champion: bool  # after the round


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A validator's record of the commitment."""

    newest_round: Block | None  # of its competition
    rounds: tuple[Attendance, ...]  # oldest first
    holds_crown: bool  # after the newest round that was scored
    standing: float  # the hotkey's share of the competition, 0..1
    weight: float  # in the newest weights that were sent, 0..1


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerStatus:
    """Everything known about one hotkey at one block."""

    hotkey: Hotkey
    head: BlockRef
    time: datetime
    uid: Uid | None  # ``None``: not registered
    incentive: float
    commitment: Commitment | None
    malformed: MalformedCommitment | None
    sealed_at: Block | None  # of a newer commitment that has not opened
    public: bool | None  # True if everybody can read the repository; ``None``: not known
    first_round: Appointment | None
    judgement: Judgement | None  # of the next round
    recorded: Recorded | None  # ``None`` if no validator has run

    @property
    def stage(self) -> SubmissionStage:
        """Stage of the commitment in the next round."""
        if self.uid is None:
            return SubmissionStage.NOT_REGISTERED
        if self.commitment is None:
            return self._without_commitment()
        if self.recorded is not None and self.recorded.holds_crown:
            return SubmissionStage.CHAMPION
        judgement = self.judgement
        if judgement is not None and judgement.reason is Reason.RACED_OUT:
            return SubmissionStage.RETIRED
        if judgement is not None and judgement.verdict is not None:
            return stage_of_verdict(judgement.verdict)
        attended = self.recorded.rounds if self.recorded is not None else ()
        if attended and attended[-1].entry.verdict is Verdict.SCORED:
            return SubmissionStage.CHALLENGER
        return SubmissionStage.ELIGIBLE

    def _without_commitment(self) -> SubmissionStage:
        if self.sealed_at is not None:
            return SubmissionStage.SEALED
        if self.malformed is not None:
            return SubmissionStage.MALFORMED
        return SubmissionStage.NOTHING_COMMITTED


async def miner_status(tools: MinerTools, hotkey: Hotkey | None = None) -> MinerStatus:
    """Return the status of a hotkey. By default that of the wallet, including its sealed texts.

    Raises:
        CommandError, SignerUnusable: The network or the wallet of the settings cannot be opened.
        ChainUnavailable: The chain does not answer.
        StateUnreadable, StateUnavailable: The validator's state cannot be read.
    """
    schedule = rules_of_network(tools.settings).schedule
    state = tools.state()
    if hotkey is not None:
        async with tools.reading() as network:
            return await _status(network, hotkey, None, schedule, state)
    async with tools.writing() as connection:
        standing = await connection.writer.standing()
        return await _status(connection.read, connection.hotkey, standing, schedule, state)


async def _status(
    network: ReadConnection,
    hotkey: Hotkey,
    standing: StandingCommitment | None,
    schedule: Schedule,
    state: ValidatorState | None,
) -> MinerStatus:
    chain = network.chain
    head = await chain.head()
    now = await chain.timestamp(head)
    metagraph = await chain.metagraph(head)
    book = await chain.commitments(head)
    commitment, neuron = book.well_formed.get(hotkey), metagraph.find(hotkey)
    history = NO_HISTORY if commitment is None else _history(state, commitment)
    submission = None if commitment is None else _submission(commitment, state, history)
    availability = None if commitment is None else await _availability(network, commitment)
    return MinerStatus(
        hotkey=hotkey,
        head=head,
        time=now,
        uid=None if neuron is None else neuron.uid,
        incentive=0.0 if neuron is None else neuron.incentive,
        commitment=commitment,
        malformed=book.malformed.get(hotkey),
        sealed_at=None if standing is None or standing.data is not None else standing.block,
        public=None if availability is None else availability is Availability.PUBLIC,
        first_round=None if submission is None else _first_round(submission, schedule, head, now),
        judgement=None
        if submission is None
        else _judgement(submission, history, schedule, metagraph, availability),
        recorded=None if state is None else _recorded(state, hotkey, commitment, schedule),
    )


def _submission(
    commitment: Commitment, state: ValidatorState | None, history: History
) -> Submission:
    """Return the commitment as the validator has recorded it, or as it will record it."""
    submissions = {} if state is None else state.submissions
    known = submissions.get(commitment.key)
    if known is None:
        return Submission(commitment=commitment, clock_block=commitment.block)
    found = duplicates_of(submissions.values(), entered=history.entered)
    return replace(known, duplicate_of=found.get(commitment.key))


def _history(state: ValidatorState | None, commitment: Commitment) -> History:
    rounds = {} if state is None else state.rounds
    return history_of(rounds.get(CompetitionId(commitment.competition), ()))


async def _availability(network: ReadConnection, commitment: Commitment) -> Availability | None:
    try:
        return await network.models.availability(commitment.model)
    except StoreUnavailable:
        return None  # the rest of the status does not need the host


def _first_round(
    submission: Submission, schedule: Schedule, head: BlockRef, now: datetime
) -> Appointment | None:
    """Return the first round, or ``None`` for a competition that does not run now."""
    rules = schedule.competition(submission.commitment.competition, head.number)
    if rules is None:
        return None
    due = Block(submission.clock_block + rules.delay_blocks)
    sync_block = schedule.timing.next_sync_block(Block(due - 1))
    at = now + timedelta(seconds=(sync_block - head.number) * BLOCK_SECONDS)
    return Appointment(sync_block=sync_block, at=at)


def _judgement(
    submission: Submission,
    history: History,
    schedule: Schedule,
    metagraph: Metagraph,
    availability: Availability | None,
) -> Judgement | None:
    """Return the judgement of the next round, if it began now.

    Files that this validator has not fetched yet do not count against the miner.
    """
    found = judge(
        submission,
        sync_block=schedule.timing.next_sync_block(metagraph.at.number),
        schedule=schedule,
        metagraph=metagraph,
        previous_challenge=history.previous_challenge(
            submission.commitment.key, submission.clock_block
        ),
        availability=availability,
        champion=history.champion == submission.commitment.key,
        held=history.is_scored(submission),
    )
    return Judgement() if found.reason is Reason.HUB_UNAVAILABLE else found


def _recorded(
    state: ValidatorState, hotkey: Hotkey, commitment: Commitment | None, schedule: Schedule
) -> Recorded:
    rounds: tuple[RoundResult, ...] = ()
    if commitment is not None:
        rounds = state.rounds.get(CompetitionId(commitment.competition), ())
    crowned = history_of(rounds).champion
    listed = [
        Attendance(sync_block=r.key.sync_block, entry=e, champion=e.key == r.champion)
        for r in rounds
        for e in r.entries
        if commitment is not None and e.key == commitment.key
    ]
    sent = [w.weights.shares for w in state.weights if w.extrinsic is not None]
    shares: Mapping[Hotkey, float] = sent[-1] if sent else {}
    return Recorded(
        newest_round=rounds[-1].key.sync_block if rounds else None,
        rounds=tuple(listed),
        holds_crown=commitment is not None and crowned == commitment.key,
        standing=standings(rounds, timing=schedule.timing, rule=schedule.standings).get(
            hotkey, 0.0
        ),
        weight=shares.get(hotkey, 0.0),
    )
