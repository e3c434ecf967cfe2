"""One competition of one validator, played by the domain's code; only losses are drawn.

Entries are chosen by ``contention_of`` and ``plan_entries``, stopped by ``is_hopeless``, judged by
``conclude``, and changed by ``changes_after``, as in a running validator. It needs no chain, hub,
device or database, so thousands of rounds can be played.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sn37.app.rounds.conclusion import conclude, with_round
from sn37.app.rounds.outcomes import changes_after, missing_outcome
from sn37.app.rounds.past_evidence import PastEvidence
from sn37.app.rounds.premises import premises_of
from sn37.app.simulate.members import (
    ONE,
    a_simulated_competition,
    a_simulated_submission,
    members,
)
from sn37.domain.data.batches import interleave
from sn37.domain.ids import (
    Block,
    BlockRef,
    Digest,
    EntryKey,
    Hotkey,
    Netuid,
    RoundKey,
)
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.round.comparing import Comparer
from sn37.domain.round.contention import Candidates, candidates_of, contention_of
from sn37.domain.round.evidence import weigh
from sn37.domain.round.history import history_of
from sn37.domain.round.racing import is_hopeless
from sn37.domain.round.round_entries import NO_CONTENTION, Contention, EntryPlan, plan_entries
from sn37.domain.round.signers import Origin, SampleSigners, origins_of
from sn37.domain.round.state import EntryOutcome, History, OpenRound, RoundPlan, RoundResult
from sn37.domain.round.winner import KingOfTheHill
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.epsilon import Epsilon
from sn37.domain.schedule.schedule import RoundTiming, Schedule, Stage
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.eligibility import MAX_MISSED_ROUNDS
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict

CADENCE = 360
TIMING = RoundTiming(genesis=Block(0), cadence=CADENCE)
FIRST = 3_600  # sync block of round 0
PLAYED_ROUNDS = 64  # results that are kept; older ones are only counted

Losses = Callable[[EntryKey], Sequence[float]]  # of an entry in this round, in the order of scoring


def sync_block(number: int) -> Block:
    """Return the sync block of a round."""
    return Block(FIRST + number * CADENCE)


@dataclass(slots=True, kw_only=True)
class Network:
    """State of one validator, which every round replaces."""

    epsilon: Epsilon
    tasks: tuple[Task, ...]
    delay_blocks: int = 1_200
    max_new_entries: int = 20
    submissions: dict[EntryKey, Submission] = field(default_factory=dict)
    evidence: dict[EntryKey, dict[Block, tuple[float, ...]]] = field(default_factory=dict)
    origins: dict[Block, tuple[Origin, ...]] = field(default_factory=dict)
    rounds: list[RoundResult] = field(default_factory=list)
    entries: tuple[EntryKey, ...] = ()  # of the newest round
    _rules: Competition = field(init=False)
    _schedule: Schedule = field(init=False)
    _past: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self._rules = a_simulated_competition(self.tasks, self.epsilon, self.delay_blocks)
        self._schedule = Schedule(
            netuid=Netuid(37),
            stages=(Stage(from_block=Block(0), competitions=(self._rules,)),),
            timing=TIMING,
            max_new_entries=self.max_new_entries,
        )

    @property
    def history(self) -> History:
        return history_of(self.rounds, self._past)

    @property
    def champion(self) -> EntryKey | None:
        return self.rounds[-1].champion if self.rounds else None

    def commit(self, hotkey: str, block: int) -> EntryKey:
        """Commit a new model of a hotkey, with its files on disk."""
        submission = a_simulated_submission(Hotkey(hotkey), Block(block))
        self.submissions[submission.commitment.key] = submission
        return submission.commitment.key

    def play(
        self,
        sync: Block,
        losses: Losses,
        *,
        private: Collection[EntryKey] = (),
        signers: Sequence[str | None] = (),
    ) -> EntryKey | None:
        """Play one round; return the champion. ``signers`` are those of the first task's rows."""
        history = self.history
        chosen = self._choose(history, sync, private)
        by_row = tuple(Hotkey(s) if s else None for s in signers)
        signed = {self.tasks[0].name: by_row} if by_row else None
        plan = self._plan(chosen, history, sync, private, signed)
        opened = self._score(plan, losses, history)
        past = PastEvidence(
            by_entry={key: self.evidence.get(key, {}) for key in plan.compared},
            origins=self.origins,
        )
        done = conclude(
            opened,
            rules=self._rules,
            past=past,
            submissions=self.submissions,
            rule=KingOfTheHill(),
            flags_copies=False,
        )
        self.origins[sync] = origins_of(plan.signers, self._rules)
        for key, outcome in done.outcomes.items():
            if outcome.verdict is Verdict.SCORED:
                values = weigh(opened.journal[key], self._rules)
                self.evidence.setdefault(key, {})[sync] = values
        for key, change in changes_after(plan, done.outcomes, beaten=done.beaten).items():
            self.submissions[key] = change(self.submissions[key])
        self._record(done.result)
        self.entries = plan.entries
        return done.result.champion

    def _record(self, result: RoundResult) -> None:
        self.rounds.append(result)
        if len(self.rounds) > PLAYED_ROUNDS:
            half = PLAYED_ROUNDS // 2
            self._past = history_of(self.rounds[:half], self._past)
            del self.rounds[:half]

    def _members(self, sync: Block) -> Metagraph:
        return members(sync, {key.hotkey for key in self.submissions})

    def _contend(self, found: Candidates) -> Contention:
        comparer = Comparer(epsilon_end=self.epsilon.end, origins=self.origins)
        return contention_of(found, self.evidence, comparer)

    def _choose(self, history: History, sync: Block, private: Collection[EntryKey]) -> EntryPlan:
        metagraph = self._members(sync)
        found = candidates_of(
            history,
            competition=ONE,
            submissions=self.submissions,
            sync_block=sync,
            metagraph=metagraph,
            schedule=self._schedule,
        )
        contention: Contention = NO_CONTENTION
        if found is not None:
            contention = self._contend(found)
        return plan_entries(
            submissions=self.submissions.values(),
            competition=ONE,
            schedule=self._schedule,
            sync_block=sync,
            metagraph=metagraph,
            contention=contention,
            history=history,
            availability={
                key: Availability.PRIVATE if key in private else Availability.PUBLIC
                for key in self.submissions
            },
        )

    def _plan(
        self,
        chosen: EntryPlan,
        history: History,
        sync: Block,
        private: Collection[EntryKey],
        signers: SampleSigners | None,
    ) -> RoundPlan:
        # Availability is needed of the entries, and of those whose clock may restart.
        asked = {*chosen.entries} | {
            row.key
            for row in chosen.listed
            if row.reason in (Reason.NOT_PUBLIC, Reason.UNAVAILABLE_REPO)
            or self.submissions[row.key].missed_rounds >= MAX_MISSED_ROUNDS
        }
        unreadable = frozenset(asked & set(private))
        premises = premises_of(
            chosen,
            sync_block=sync,
            unreadable=unreadable,
            history=history,
            submissions=self.submissions,
        )
        return RoundPlan(
            key=RoundKey(ONE, sync),
            sync=BlockRef(sync, f"0x{sync:064x}"),
            champion=chosen.champion,
            entries=chosen.entries,
            draws=(),
            manifest_digest=Digest(""),
            listed=chosen.listed,
            unreadable=unreadable,
            premises=premises,
            signers=signers,
        )

    def _score(self, plan: RoundPlan, losses: Losses, history: History) -> OpenRound:
        sync, opened = plan.key.sync_block, OpenRound(plan=plan)
        reference = plan.champion
        best = dict(self.evidence.get(reference, {})) if reference else {}
        journal, outcomes = (
            dict[EntryKey, tuple[BlockLosses, ...]](),
            dict[EntryKey, EntryOutcome](),
        )
        for entry in plan.entries:
            missing = missing_outcome(entry, self.submissions, history.entered)
            if missing is not None:
                outcomes[entry] = missing
                continue
            is_raced = reference not in (None, entry) and not history.is_scored(
                self.submissions[entry]
            )
            journal[entry], is_out = self._scored(losses(entry), best if is_raced else None, plan)
            reason = Reason.RACED_OUT if is_out else None
            outcomes[entry] = EntryOutcome(key=entry, verdict=Verdict.SCORED, reason=reason)
            if reference in (None, entry):
                reference = entry
                held = replace(opened, journal=journal)
                best = dict(with_round(self.evidence.get(entry, {}), held, entry, self._rules))
                best = {sync: best[sync], **best}
        return replace(opened, journal=journal, outcomes=outcomes)

    def _scored(
        self,
        values: Sequence[float],
        best: Mapping[Block, tuple[float, ...]] | None,
        plan: RoundPlan,
    ) -> tuple[tuple[BlockLosses, ...], bool]:
        """Return the scored blocks, and True if the entry was stopped."""
        blocks, position = list[BlockLosses](), 0
        sync = plan.key.sync_block
        origins = {sync: origins_of(plan.signers, self._rules)}
        for block in interleave(tuple((t.name, t.num_samples) for t in self.tasks)):
            size = block.stop - block.first
            part = tuple(values[position : position + size])
            blocks.append(BlockLosses(block=block, losses=part, tokens=1, seconds=0.0))
            position += size
            if best is not None and is_hopeless(
                best,
                {sync: weigh(blocks, self._rules)},
                epsilon_end=self.epsilon.end,
                origins=origins,
            ):
                return tuple(blocks), True
        return tuple(blocks), False
