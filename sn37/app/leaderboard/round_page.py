"""The page on one round, and the documents to download from it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from sn37.app.leaderboard.chronicle import champion_before
from sn37.app.leaderboard.competition_page import field_of, progress_of
from sn37.app.leaderboard.page_reader import PageReader, explained, task_results
from sn37.app.leaderboard.views import DrawLine, EntryLine, RoundView, finite
from sn37.app.rounds.outcomes import entry_result
from sn37.domain.ids import Block, CompetitionId, EntryKey, RoundKey
from sn37.domain.printable import one_line
from sn37.domain.round.state import EntryOutcome, EntryResult
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.submission import Verdict
from sn37.ports.record_reader import RoundUnderWay

MAX_SIGNERS = 64  # of a task, on a page


def round_view(
    reader: PageReader, competition: CompetitionId, sync_block: Block
) -> RoundView | None:
    """Return everything about a round; ``None`` if it is not recorded."""
    key = RoundKey(competition, sync_block)
    row = reader.chronicle.row_of(key)
    if row is None:
        under_way = next((u for u in reader.snapshot.under_way() if u.plan.key == key), None)
        return None if under_way is None else _open_view(reader, under_way)
    result = reader.chronicle.whole(reader.snapshot, row)
    held = reader.chronicle.rounds(competition)
    index = bisect_left(held, sync_block, key=lambda r: r.key.sync_block)
    return RoundView(
        line=reader.round_line(result, champion_before(held, index)),
        competition_name=reader.name(competition),
        sync_hash=one_line(result.sync.hash, 80),
        manifest_digest=one_line(result.manifest_digest or "", 80),
        entries=field_of(reader, result),
        num_entries=len(result.entries),
        draws=_draws(reader, key),
        has_statement=reader.snapshot.statement(key) is not None,
        progress=None,
        forgotten=result.forgotten_at,
        previous=held[index - 1].key.sync_block if index else None,
        following=held[index + 1].key.sync_block if index + 1 < len(held) else None,
    )


def _open_view(reader: PageReader, under_way: RoundUnderWay) -> RoundView:
    plan = under_way.plan
    key = plan.key
    held = reader.chronicle.rounds(key.competition)
    return RoundView(
        line=reader.open_line(plan),
        competition_name=reader.name(key.competition),
        sync_hash=one_line(plan.sync.hash, 80),
        manifest_digest=one_line(plan.manifest_digest, 80),
        entries=_entries_under_way(reader, under_way),
        num_entries=len(plan.entries) + len(plan.listed),
        draws=_draws(reader, key),
        has_statement=False,
        progress=progress_of(reader, under_way),
        forgotten=None,
        previous=held[-1].key.sync_block if held else None,
        following=None,
    )


def _entries_under_way(reader: PageReader, under_way: RoundUnderWay) -> tuple[EntryLine, ...]:
    """Return the entries to be scored, with the verdicts and the scores so far."""
    plan = under_way.plan
    rules = reader.schedule.competition(plan.key.competition, plan.key.sync_block)
    receipts = frozenset(reader.snapshot.receipt_keys(plan.key))
    found = []
    for key in plan.entries:
        outcome = under_way.outcomes.get(key)
        blocks = under_way.num_blocks.get(key, 0)
        reason, means, remedy = explained(None if outcome is None else outcome.reason)
        verdict = "being scored" if blocks else "to be scored"
        scores = _scores_so_far(reader, under_way, key, rules)
        found.append(
            EntryLine(
                rank=None,
                model=reader.model(key, plan.key.competition),
                verdict=verdict if outcome is None else outcome.verdict.value,
                reason=reason,
                detail="" if outcome is None else one_line(outcome.detail),
                meaning=means,
                remedy=remedy,
                score=None if scores is None else finite(scores.score),
                num_samples=0 if scores is None else scores.num_samples,
                tasks=() if scores is None else task_results(scores, rules),
                is_champion=key == plan.champion,
                has_receipt=key in receipts,
                is_final=False,
            )
        )
    return tuple(found)


def _scores_so_far(
    reader: PageReader, under_way: RoundUnderWay, key: EntryKey, rules: Competition | None
) -> EntryResult | None:
    """Return the scores on the samples so far; ``None`` before each task has one."""
    submission, num_blocks = reader.submission(key), under_way.num_blocks.get(key, 0)
    if submission is None or rules is None or not num_blocks:
        return None
    outcome = EntryOutcome(key=key, verdict=Verdict.SCORED)
    on_curve = under_way.plan.premises is None

    def scores() -> EntryResult:
        blocks = tuple(reader.snapshot.losses(under_way.row, key))
        return entry_result(submission, outcome, blocks, rules, on_curve=on_curve)

    found = reader.chronicle.so_far(under_way.row, key, num_blocks, scores)
    return found if found.tasks else None


def _draws(reader: PageReader, key: RoundKey) -> tuple[DrawLine, ...]:
    drawn = reader.snapshot.drawn(key)
    plan = reader.snapshot.plan(key) if drawn else None
    rules = reader.schedule.competition(key.competition, key.sync_block)
    sources = {} if rules is None else {t.name: t.source.name for t in rules.tasks}
    found = []
    for draw in drawn:
        signers = () if plan is None or plan.signers is None else plan.signers.get(draw.task, ())
        counted = Counter(s for s in signers if s is not None)
        ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_SIGNERS]
        found.append(
            DrawLine(
                task=one_line(draw.task, 80),
                method=one_line(draw.method, 80),
                source=one_line(sources.get(draw.task, ""), 80),
                num_samples=len(draw.manifest),
                pool_size=draw.pool_size,
                pool_digest=one_line(draw.pool_digest, 80),
                signers=tuple((one_line(hotkey, 80), rows) for hotkey, rows in ordered),
                num_unsigned=sum(s is None for s in signers),
            )
        )
    return tuple(found)
