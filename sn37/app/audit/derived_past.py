"""State of an audit: facts derived from a competition's rounds so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sn37.app.audit.differences import Difference, compare
from sn37.app.rounds.conclusion import Conclusion
from sn37.app.rounds.past_evidence import PastEvidence
from sn37.domain.canonical import as_json
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.records.statement import RoundStatement, as_stated, is_as_committed
from sn37.domain.round.defences import (
    defences_after,
    first_defences,
    seen_after,
)
from sn37.domain.round.evidence import Evidence, weigh
from sn37.domain.round.history import history_of
from sn37.domain.round.signers import Origin, origins_of
from sn37.domain.round.state import EntryResult, OpenRound, RoundPlan, RoundResult, ScoredLater
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.duplicates import duplicates_of
from sn37.domain.submission.eligibility import MAX_MISSED_ROUNDS, failures_after
from sn37.domain.submission.submission import Submission, Verdict


@dataclass(slots=True)
class Past:
    """One competition, round by round. Evidence is held until its entry's last round."""

    competition: CompetitionId
    rounds: Sequence[RoundResult]
    since: Block  # the block at which this state began; earlier rounds were adopted
    newest: RoundResult | None = None  # newest judged round
    former: EntryKey | None = None  # last holder of the crown
    num_judged: int = 0
    defences: tuple[bool, ...] = ()  # of the champion, as in ``History``
    seen: tuple[bool, ...] = ()  # the same, of rounds that are here
    counts_defences: bool = False  # the newest round counts them
    is_whole: bool = True  # every round was derived: none was adopted or forgotten
    forgotten: Block | None = None  # the newest forgotten round
    evidence: dict[EntryKey, dict[Block, tuple[float, ...]]] = field(default_factory=dict)
    # For each round scored later: the judged round after which it counts, and until then its
    # evidence.
    counts_after: dict[Block, Block] = field(default_factory=dict)
    later: dict[Block, dict[EntryKey, tuple[float, ...]]] = field(default_factory=dict)
    origins: dict[Block, tuple[Origin, ...]] = field(default_factory=dict)  # of the rounds so far
    retired: set[EntryKey] = field(default_factory=set)
    failures: Counter[EntryKey] = field(default_factory=Counter)
    timeouts: Counter[EntryKey] = field(default_factory=Counter)  # since it was last scored
    said: dict[EntryKey, Submission] = field(default_factory=dict)  # by the newest statement
    listed: dict[EntryKey, EntryResult] = field(default_factory=dict)  # the newest row of each
    _last: dict[EntryKey, Block] = field(default_factory=dict)  # round in which it took part

    def __post_init__(self) -> None:
        # For adopted rounds, the changes of submissions are the other validator's own.
        self.is_whole = all(r.key.sync_block >= self.since for r in self.rounds)
        for round_ in self.rounds:
            for entry in round_.entries:
                if entry.verdict in (Verdict.SCORED, Verdict.FAILED):
                    self._last[entry.key] = round_.key.sync_block
            self._last.update(dict.fromkeys(round_.postponed, round_.key.sync_block))

    @property
    def crown(self) -> EntryKey | None:
        return self.newest.champion if self.newest is not None else None

    @property
    def previous(self) -> RoundKey | None:
        return self.newest.key if self.newest is not None else None

    def may_have_missed(self, round_: RoundKey) -> range:
        """Return how many rounds the champion may have missed before the given round.

        An adopted round may count rounds that are not here, of a reign that began before them.
        """
        counted = sum(self.defences)
        if round_.sync_block >= self.since:
            return range(counted, counted + 1)
        return range(sum(self.seen), counted + 1)

    def of(self, plan: RoundPlan, stored: PastEvidence) -> PastEvidence:
        """Return evidence of the rounds so far, for the entries that compete in the next.

        Args:
            stored: Evidence of entries that no longer take part, later rounds included.
        """
        sync_block = plan.key.sync_block
        for block in [b for b in self.later if self.counts_after[b] < sync_block]:
            for key, values in self.later.pop(block).items():
                self.evidence.setdefault(key, {})[block] = values
        held: dict[EntryKey, Evidence] = {
            key: self.evidence.get(key, {}) for key in plan.compared - stored.by_entry.keys()
        }
        for key, rounds in stored.by_entry.items():
            held[key] = {
                b: values
                for b, values in rounds.items()
                if b < sync_block and self.counts_after.get(b, b) < sync_block
            }
        return PastEvidence(by_entry=held, origins=self.origins)

    def add(self, opened: OpenRound, result: RoundResult, rules: Competition) -> None:
        """Add one more round, as it was recorded.

        Raises:
            ValueError: Its losses are not those of the blocks of a round.
        """
        sync_block, premises = result.key.sync_block, opened.plan.premises
        if self.newest is None:
            self.defences = first_defences(result)
        else:
            self.defences = defences_after(self.defences, self.crown, result)
            self.seen = seen_after(self.seen, self.crown, result)
        self.counts_defences = premises is not None and premises.missed_defences is not None
        self.newest = result
        self.origins[sync_block] = origins_of(opened.plan.signers, rules)
        if result.champion is not None:
            self.former = result.champion
        self.num_judged += 1 + result.num_judged_before
        scored = (key for key, o in opened.outcomes.items() if o.verdict is Verdict.SCORED)
        for key in scored:
            if self._last.get(key, sync_block) > sync_block:
                weighed = weigh(opened.journal.get(key, ()), rules)
                self.evidence.setdefault(key, {})[sync_block] = weighed
        for key in [k for k in self.evidence if self._last.get(k, sync_block) <= sync_block]:
            del self.evidence[key]

    def add_later(self, opened: OpenRound, later: ScoredLater, rules: Competition) -> None:
        """Add a missed round, as it was recorded. It changes only evidence.

        Raises:
            ValueError: Its losses are not those of the blocks of a round.
        """
        sync_block = opened.plan.key.sync_block
        self.origins[sync_block] = origins_of(opened.plan.signers, rules)
        self.counts_after[sync_block] = later.after
        self.later[sync_block] = {
            key: weigh(opened.journal.get(key, ()), rules)
            for key, outcome in opened.outcomes.items()
            if outcome.verdict is Verdict.SCORED and self._last.get(key, sync_block) > sync_block
        }

    def conclude(self, plan: RoundPlan, conclusion: Conclusion) -> None:
        """Apply the last round's changes to submissions."""
        self.retired.update(conclusion.beaten)
        for key, outcome in conclusion.outcomes.items():
            if outcome.reason is Reason.RACED_OUT:
                self.retired.add(key)
            if outcome.verdict is Verdict.SCORED:
                self.failures[key] = self.timeouts[key] = 0
            elif outcome.verdict is Verdict.FAILED and outcome.reason is not None:
                self.failures[key] = failures_after(
                    self.failures[key],
                    outcome.reason,
                    num_timeouts=self.timeouts[key],
                    champion=key == plan.holder,
                )
                self.timeouts[key] += outcome.reason is Reason.TIMEOUT

    def add_statement(self, statement: RoundStatement) -> None:
        """Add the signed statement on submissions after the last round."""
        if statement.key.sync_block < self.since:
            return
        self.said.update((s.commitment.key, s) for s in statement.submissions)
        self.listed.update((r.key, r) for r in statement.listed)

    def _is_known_since(self, block: Block) -> bool:
        """True if all rounds after ``block`` are here, with their changes."""
        return self.forgotten is None or block > self.forgotten

    def check(self, submissions: Collection[Submission]) -> Iterator[Difference]:
        """Compare the recorded submissions with those that follow from the rounds."""
        copies = duplicates_of(submissions, entered=history_of(self.rounds).entered)
        for submission in submissions:
            key = submission.commitment.key
            if submission.commitment.competition != self.competition:
                continue
            where = f"submission of {key.hotkey} at {key.block}"
            if self.is_whole:
                due = replace(
                    submission,
                    retired=key in self.retired,
                    failures=self.failures[key],
                    duplicate_of=None,  # computed whenever it is needed
                )
                yield from compare(where, as_json(submission), as_json(due))
            if submission.artifact is not None:
                files, committed = submission.artifact.ref, submission.commitment.model
                yield from compare(f"{where}, files of", as_json(files), as_json(committed))
            if key in self.said:
                yield from _as_said(where, as_stated(submission), self.said[key])
            elif self.said and key not in self._last and self._is_known_since(key.block):
                before = replace(submission, artifact=None)
                if not is_as_committed(before):
                    yield Difference(where, "changed", "no round changed it")
            if (row := self.listed.get(key)) is not None:
                yield from _as_listed(where, submission, row)
                if row.verdict is Verdict.DUPLICATE and key not in copies:
                    yield Difference(where, "a duplicate", "no earlier commitment has its tensors")


def _as_said(where: str, recorded: Submission, said: Submission) -> Iterator[Difference]:
    """Compare with the signed statement; files may have arrived since, or a clock restarted."""
    if said.artifact is None:
        said = replace(said, artifact=recorded.artifact)
    if said.missed_rounds >= MAX_MISSED_ROUNDS and recorded.missed_rounds == 0:
        said = replace(said, missed_rounds=0, clock_block=recorded.clock_block)
    yield from compare(f"{where}, signed", as_json(recorded), as_json(said))


def _as_listed(where: str, recorded: Submission, row: EntryResult) -> Iterator[Difference]:
    """Compare repository and reason with the row of an entry that was not scored."""
    yield from compare(f"{where}, repo", recorded.commitment.model.repo, row.repo)
    is_refused = row.verdict is Verdict.REJECTED and recorded.rejection is not None
    if is_refused and (row.reason == recorded.rejection) != (row.detail == recorded.detail):
        told_now = f"{recorded.rejection}: {recorded.detail}"
        yield Difference(f"{where}, rejection", told_now, f"{row.reason}: {row.detail}")
