"""The sources of every page: one snapshot, the chronicle, the schedule and the times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.chronicle import Chronicle, champion_before
from sn37.app.leaderboard.describing import newest_rules, unit_of
from sn37.app.leaderboard.evidence_growth import GrowthReader
from sn37.app.leaderboard.views import (
    Advance,
    EntryLine,
    Model,
    Moment,
    PageNumber,
    ReignLine,
    RoundLine,
    Share,
    TaskResult,
    finite,
)
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey, Uid
from sn37.domain.metagraph import SubnetSnapshot
from sn37.domain.printable import one_line
from sn37.domain.reasons import Reason
from sn37.domain.round.crown_history import Reign
from sn37.domain.round.evidence import LOG_LEVEL
from sn37.domain.round.state import EntryResult, RoundPlan, RoundResult, ValidatorState
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import WINDOW_ROUNDS, Schedule
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.record_reader import RecordSnapshot

MAX_ENTRIES = 300  # rows of a round on its page; a subnet has 256 members
MAX_SHARES = 64
_STATE_ROUNDS = 2 * WINDOW_ROUNDS  # the warm-up looks at no older ones


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReader:
    """Reader of one page."""

    snapshot: RecordSnapshot
    chronicle: Chronicle
    schedule: Schedule
    times: BlockTimes
    growth: GrowthReader
    subnet: SubnetSnapshot | None = None
    _submissions: dict[EntryKey, Submission | None] = field(default_factory=dict)
    _uids: dict[Hotkey, Uid] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.subnet is not None:
            self._uids.update((n.hotkey, n.uid) for n in self.subnet.metagraph.neurons)

    @property
    def now(self) -> Block:
        """The newest block that is known."""
        newest = [
            held[-1].key.sync_block
            for c in self.chronicle.competitions
            if (held := self.chronicle.rounds(c))
        ]
        return Block(max((*newest, self.times.newest or 0), default=0))

    @property
    def state(self) -> ValidatorState:
        """The validator's state as far as the rules of weights look at it."""
        return ValidatorState(
            rounds=self.chronicle.as_mapping(_STATE_ROUNDS), beginning=self.snapshot.beginning()
        )

    def newest_judged(self, competition: CompetitionId) -> RoundResult | None:
        """Return the newest round that was not missed, with all its entries."""
        judged = self.chronicle.newest_judged(competition)
        row = None if judged is None else self.chronicle.row_of(judged.key)
        return None if row is None else self.chronicle.whole(self.snapshot, row)

    def uid(self, hotkey: Hotkey) -> Uid | None:
        """Return a hotkey's uid as the validator saw it last; ``None`` if it is not known."""
        return self._uids.get(hotkey)

    def hotkey_at(self, uid: int) -> Hotkey | None:
        """Return the hotkey of a uid as the validator saw it last."""
        return next((hotkey for hotkey, at in self._uids.items() if at == uid), None)

    def moment(self, block: int) -> Moment:
        return Moment(block=block, at=self.times.at(block))

    def rules(self, competition: CompetitionId, block: Block) -> Competition | None:
        return newest_rules(self.schedule, competition, block)

    def name(self, competition: CompetitionId) -> str:
        """Return a competition's name, or its number if the schedule does not have it."""
        rules = self.rules(competition, self.now)
        return f"competition {competition}" if rules is None else one_line(rules.name, 80)

    def submission(self, key: EntryKey) -> Submission | None:
        if key not in self._submissions:
            self._submissions[key] = self.snapshot.submission(key)
        return self._submissions[key]

    def model(self, key: EntryKey, competition: CompetitionId, repo: str = "") -> Model:
        """Return an entry for a page; ``repo`` is used if its commitment is not recorded."""
        known = self.submission(key)
        return Model(
            hotkey=one_line(key.hotkey, 80),
            committed=self.moment(key.block),
            repo=one_line(repo if known is None else known.commitment.model.repo, 200),
            revision=None if known is None else one_line(known.commitment.model.revision, 80),
            competition=competition,
            uid=self.uid(key.hotkey),
        )

    def model_of(self, submission: Submission) -> Model:
        """Return a submission for a page."""
        self._submissions[submission.commitment.key] = submission
        return self.model(submission.commitment.key, submission.commitment.competition)

    def entry_line(
        self,
        result: RoundResult,
        entry: EntryResult,
        index: int,
        receipts: frozenset[EntryKey] = frozenset(),
    ) -> EntryLine:
        """Return the row of an entry, which is at ``index`` of a round."""
        reason, means, remedy = explained(entry.reason)
        rules = self.schedule.competition(result.key.competition, result.key.sync_block)
        return EntryLine(
            rank=index + 1 if _is_ranked(entry) else None,
            model=self.model(entry.key, result.key.competition, entry.repo),
            verdict=entry.verdict.value,
            reason=reason,
            detail=one_line(entry.detail),
            meaning=means,
            remedy=remedy,
            score=finite(entry.score),
            num_samples=entry.num_samples,
            tasks=task_results(entry, rules),
            is_champion=entry.key == result.champion,
            has_receipt=entry.key in receipts,
        )

    def round_line(self, result: RoundResult, before: EntryKey | None) -> RoundLine:
        """Return a finished round for a list; ``before`` is the champion before it."""
        champion = result.champion
        row = next((e for e in result.entries if e.key == champion), None)
        competition = result.key.competition
        return RoundLine(
            competition=competition,
            round=self.moment(result.key.sync_block),
            status=status_of(result),
            champion=None
            if champion is None
            else self.model(champion, competition, "" if row is None else row.repo),
            is_new_champion=champion is not None and champion != before,
            score=None if row is None else finite(row.score),
            why_missed="" if result.skipped is None else meaning(result.skipped),
        )

    def open_line(self, plan: RoundPlan) -> RoundLine:
        """Return an open round for a list."""
        key, champion = plan.key, plan.champion
        return RoundLine(
            competition=key.competition,
            round=self.moment(key.sync_block),
            status="open",
            champion=None if champion is None else self.model(champion, key.competition),
            is_new_champion=False,
            score=None,
        )

    def round_lines(
        self, competition: CompetitionId, *, skip: int, limit: int
    ) -> tuple[RoundLine, ...]:
        """Return finished rounds of a competition, the newest first."""
        held = self.chronicle.rounds(competition)
        stop = len(held) - skip
        return tuple(
            self.round_line(held[index], champion_before(held, index))
            for index in range(stop - 1, max(stop - 1 - limit, -1), -1)
        )

    def reign_line(self, reign: Reign, competition: CompetitionId) -> ReignLine:
        """Return one reign, with its advance over the one before."""
        before = reign.predecessor
        return ReignLine(
            champion=self.model(reign.champion, competition),
            predecessor=None if before is None else self.model(before, competition),
            since=self.moment(reign.since),
            until=None if reign.until is None else self.moment(reign.until),
            num_rounds=reign.num_rounds,
            lost_by="" if reign.lost_by is None else meaning(reign.lost_by),
            advance=self.advance(reign, competition),
            score=self._crowning_score(reign, competition),
            lost_code="" if reign.lost_by is None else reign.lost_by.value,
        )

    def _crowning_score(self, reign: Reign, competition: CompetitionId) -> float | None:
        row = self.chronicle.row_of(RoundKey(competition, reign.since))
        entries = () if row is None else self.chronicle.round_of(row).entries
        return next((finite(e.score) for e in entries if e.key == reign.champion), None)

    def advance(self, reign: Reign, competition: CompetitionId) -> Advance | None:
        """Return by how much a champion beat the one before, if both were scored together."""
        if reign.predecessor is None:
            return None
        known = self.submission(reign.champion)
        found = self.growth.growth(
            self.snapshot,
            self.chronicle,
            competition=competition,
            champion=reign.predecessor,
            challenger=reign.champion,
            since=reign.champion.block if known is None else known.clock_block,
            until=reign.since,
            num_points=1,
        )
        if found is None or (gain := (last := found.points[-1]).gain) is None:
            return None
        return Advance(
            gain=gain,
            error=last.error,
            evidence=last.evidence,
            needed=LOG_LEVEL,
            num_samples=last.num_samples,
        )


def status_of(result: RoundResult) -> str:
    """Return the status of a finished round in a word or two."""
    if result.later is not None:
        return "scored later"
    return "finished" if result.skipped is None else "missed"


def meaning(reason: Reason) -> str:
    """Return what a reason means, without what to do about it."""
    return reason.meaning.partition("; ")[0]


def explained(reason: Reason | None) -> tuple[str, str, str]:
    """Return a reason's code, its meaning and its remedy; empty texts without a reason."""
    return ("", "", "") if reason is None else (reason.value, meaning(reason), reason.remedy)


def task_results(entry: EntryResult, rules: Competition | None) -> tuple[TaskResult, ...]:
    """Return the scores of an entry's tasks with their units."""
    units = {} if rules is None else {t.name: unit_of(t, rules) for t in rules.tasks}
    return tuple(
        TaskResult(
            task=one_line(score.task, 80),
            loss=finite(score.raw),
            unit=units.get(score.task, ""),
            relative=finite(score.normalized),
            part=finite(score.weighted),
            accuracy=finite(score.accuracy),
        )
        for score in entry.tasks
    )


def shares_of(shares: Mapping[Hotkey, float]) -> tuple[Share, ...]:
    """Return the largest shares, the largest first."""
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Share(hotkey=one_line(h, 80), share=share) for h, share in ordered[:MAX_SHARES])


def page_number(number: int, num_items: int, size: int) -> PageNumber:
    """Return the place of a page; a number beyond the last one is the last one."""
    num_pages = max(1, -(-num_items // size))
    return PageNumber(
        number=min(max(number, 1), num_pages), num_pages=num_pages, num_items=num_items
    )


def _is_ranked(entry: EntryResult) -> bool:
    return (
        entry.verdict is Verdict.SCORED
        and entry.score is not None
        and entry.reason is not Reason.RACED_OUT
    )
