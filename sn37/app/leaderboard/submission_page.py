"""Pages on submissions: one of them, lists, search, and those of a miner."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sn37.app.leaderboard.competition_page import next_round
from sn37.app.leaderboard.page_reader import PageReader, explained, page_number
from sn37.app.leaderboard.views import (
    EntryLine,
    EvidenceGrowth,
    EvidencePoint,
    MinerView,
    Moment,
    QueuePlace,
    SubmissionLine,
    SubmissionList,
    SubmissionRound,
    SubmissionView,
)
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.printable import one_line
from sn37.domain.reasons import Reason
from sn37.domain.round.evidence import LOG_LEVEL
from sn37.domain.round.state import EntryResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.stages import SubmissionStage, stage_of_verdict
from sn37.domain.submission.submission import Submission, Verdict
from sn37.domain.weights.standings import standings

ROUNDS_A_PAGE = 20
SUBMISSIONS_A_PAGE = 50
MAX_FOUND = 50
MAX_OF_MINER = 50
MAX_SEARCH = 100  # characters
ROUNDS_MEASURED = 8  # from which the wait in the queue follows
_UID = re.compile(r"(uid *)?([0-9]{1,5})", re.IGNORECASE)


def submission_view(reader: PageReader, key: EntryKey, number: int) -> SubmissionView | None:
    """Return everything about one commitment; ``None`` if it is not recorded."""
    submission = reader.submission(key)
    if submission is None:
        return None
    competition = submission.commitment.competition
    rows = reader.chronicle.attended(key).listed
    page = page_number(number, len(rows), ROUNDS_A_PAGE)
    stop = len(rows) - (page.number - 1) * ROUNDS_A_PAGE
    shown = [
        attended
        for row in rows[max(0, stop - ROUNDS_A_PAGE) : stop][::-1]
        if (attended := _attended(reader, row, key)) is not None
    ]
    latest = _latest_score(reader, key)
    newest = _newest_row(reader, key)
    reason = None if _is_champion(reader, submission) else _reason(submission, newest)
    code, means, remedy = explained(reason)
    artifact, original = submission.artifact, submission.duplicate_of
    return SubmissionView(
        model=reader.model_of(submission),
        competition_name=reader.name(competition),
        stage=stage_of(reader, submission, newest),
        reason=code,
        meaning=means,
        remedy=remedy,
        detail=one_line(submission.detail or ("" if newest is None else newest.detail)),
        clock=None
        if submission.clock_block == key.block
        else reader.moment(submission.clock_block),
        parameters=None if artifact is None else artifact.parameters,
        architecture="" if artifact is None else one_line(artifact.architecture, 80),
        size_bytes=None if artifact is None else artifact.size_bytes,
        duplicate_of=None if original is None else reader.model(original, competition),
        latest=None if latest is None else latest[1],
        latest_round=None if latest is None else latest[0],
        evidence=_evidence(reader, submission),
        queue=_queue(reader, submission, newest),
        rounds=tuple(shown),
        page=page,
    )


def stage_of(
    reader: PageReader, submission: Submission, newest: EntryResult | None
) -> SubmissionStage:
    """Return where a submission is on its way."""
    key = submission.commitment.key
    if _is_champion(reader, submission):
        return SubmissionStage.CHAMPION
    if submission.rejection is not None:
        return SubmissionStage.REJECTED
    if submission.duplicate_of is not None:
        return SubmissionStage.DUPLICATE
    if any(r.champion == key for r in reader.chronicle.reigns(submission.commitment.competition)):
        return SubmissionStage.FORMER_CHAMPION
    if submission.retired:
        return SubmissionStage.RETIRED
    return SubmissionStage.COMMITTED if newest is None else stage_of_verdict(newest.verdict)


def submission_list(
    reader: PageReader, competition: CompetitionId | None, number: int
) -> SubmissionList:
    """Return a page of all submissions, or of those of one competition."""
    count = reader.snapshot.num_submissions(competition)
    page = page_number(number, count, SUBMISSIONS_A_PAGE)
    found = reader.snapshot.newest_submissions(
        competition, skip=(page.number - 1) * SUBMISSIONS_A_PAGE, limit=SUBMISSIONS_A_PAGE
    )
    return SubmissionList(submissions=_lines(reader, found), page=page)


def search(reader: PageReader, text: str) -> SubmissionList:
    """Return submissions whose hotkey or repository contains ``text``, at most fifty.

    Those of the miner with this uid come first; "uid 7" finds no others.
    """
    wanted = one_line(text.strip(), MAX_SEARCH)
    found, uid = list[Submission](), _UID.fullmatch(wanted)
    if uid is not None and (hotkey := reader.hotkey_at(int(uid[2]))) is not None:
        found += reader.snapshot.submissions_of(hotkey, limit=MAX_FOUND + 1)
    if wanted and (uid is None or uid[1] is None):
        others = reader.snapshot.search(wanted, limit=MAX_FOUND + 1)
        found += [s for s in others if s not in found]
    shown = found[:MAX_FOUND]
    return SubmissionList(
        submissions=_lines(reader, shown),
        page=page_number(1, len(shown), MAX_FOUND),
        search=wanted,
        is_cut=len(found) > MAX_FOUND,
    )


def miner_view(reader: PageReader, hotkey: Hotkey) -> MinerView | None:
    """Return everything about a hotkey; ``None`` if it is not in the record."""
    found = reader.snapshot.submissions_of(hotkey, limit=MAX_OF_MINER + 1)
    if not found and not reader.chronicle.lists(hotkey) and reader.uid(hotkey) is None:
        return None
    newest = reader.snapshot.weights(limit=1)
    reigns = [
        reader.reign_line(reign, c)
        for c in reader.chronicle.competitions
        for reign in reader.chronicle.reigns(c)[::-1]
        if reign.champion.hotkey == hotkey
    ][:MAX_OF_MINER]
    shares = [
        (int(c), share)
        for c in reader.chronicle.competitions
        if (share := _share(reader, c, hotkey))
    ]
    return MinerView(
        hotkey=one_line(hotkey, 80),
        weight=newest[0].weights.shares.get(hotkey, 0.0) if newest else 0.0,
        standings=tuple(shares),
        reigns=tuple(reigns),
        submissions=_lines(reader, found[:MAX_OF_MINER]),
        is_cut=len(found) > MAX_OF_MINER,
        uid=reader.uid(hotkey),
        incentive=_incentive(reader, hotkey),
    )


def _incentive(reader: PageReader, hotkey: Hotkey) -> float | None:
    member = None if reader.subnet is None else reader.subnet.metagraph.find(hotkey)
    return None if member is None else member.incentive


def _share(reader: PageReader, competition: CompetitionId, hotkey: Hotkey) -> float:
    window = reader.chronicle.rounds(competition)[-WINDOW_ROUNDS:]
    rule = reader.schedule.standings
    return standings(window, timing=reader.schedule.timing, rule=rule).get(hotkey, 0.0)


def _lines(reader: PageReader, found: Sequence[Submission]) -> tuple[SubmissionLine, ...]:
    lines = []
    for submission in found:
        key = submission.commitment.key
        rows = reader.chronicle.attended(key).listed
        newest = _newest_row(reader, key)
        reason = _reason(submission, newest)
        lines.append(
            SubmissionLine(
                model=reader.model_of(submission),
                stage=stage_of(reader, submission, newest),
                reason="" if reason is None else reason.value,
                num_rounds=len(rows),
                score=None if newest is None else newest.score,
            )
        )
    return tuple(lines)


def _attended(reader: PageReader, row: int, key: EntryKey) -> SubmissionRound | None:
    """Return a submission in one round; ``None`` if its row was removed with old history."""
    listed, result = reader.snapshot.entry(row, key), reader.chronicle.round_of(row)
    if listed is None:
        return None
    return SubmissionRound(
        round=reader.moment(result.key.sync_block),
        line=reader.entry_line(result, listed.entry, listed.index),
        num_scored=listed.num_scored,
    )


def _newest_row(reader: PageReader, key: EntryKey) -> EntryResult | None:
    rows = reader.chronicle.attended(key).listed
    listed = reader.snapshot.entry(rows[-1], key) if rows else None
    return None if listed is None else listed.entry


def _latest_score(reader: PageReader, key: EntryKey) -> tuple[Moment, EntryLine] | None:
    rows = reader.chronicle.attended(key).scored
    found = _attended(reader, rows[-1], key) if rows else None
    return None if found is None else (found.round, found.line)


def _is_champion(reader: PageReader, submission: Submission) -> bool:
    """True if a submission holds the crown of its competition."""
    reign = reader.chronicle.present_reign(submission.commitment.competition)
    return reign is not None and reign.champion == submission.commitment.key


def _reason(submission: Submission, newest: EntryResult | None) -> Reason | None:
    """Return why a submission was rejected, or its reason in its newest round."""
    return submission.rejection or (None if newest is None else newest.reason)


def _evidence(reader: PageReader, submission: Submission) -> EvidenceGrowth | None:
    """Return the evidence against the champion, or that of a champion against the one before it.

    An entry that lost against a former champion is compared with that one.
    """
    key, competition = submission.commitment.key, submission.commitment.competition
    scored = reader.chronicle.attended(key).scored
    if not scored:
        return None
    last = max(reader.chronicle.key_of(row).sync_block for row in scored)
    reigns = reader.chronicle.reigns(competition)
    own = next((r for r in reversed(reigns) if r.champion == key), None)
    if own is not None:
        champion, until = own.predecessor, own.since
        verdict = "It took the crown."
    else:
        then = next((r for r in reversed(reigns) if r.since <= last), None)
        champion, until = (None if then is None else then.champion), None
        verdict = "It has not taken the crown."
    if champion is None:
        return None
    found = reader.growth.growth(
        reader.snapshot,
        reader.chronicle,
        competition=competition,
        champion=champion,
        challenger=key,
        since=submission.clock_block,
        until=until,
    )
    rules = reader.rules(competition, last)
    if found is None or rules is None:
        return None
    return EvidenceGrowth(
        champion=reader.model(champion, competition),
        challenger=reader.model(key, competition),
        needed=LOG_LEVEL,
        margin=rules.epsilon.end,
        points=tuple(
            EvidencePoint(
                round=reader.moment(point.sync_block),
                num_samples=point.num_samples,
                gain=point.gain,
                error=point.error,
                evidence=point.evidence,
            )
            for point in found.points
        ),
        num_rounds=found.num_rounds,
        verdict=verdict,
    )


def _queue(
    reader: PageReader, submission: Submission, newest: EntryResult | None
) -> QueuePlace | None:
    """Return when a submission that waits is expected to be scored."""
    if newest is not None and newest.verdict in (Verdict.DUPLICATE, Verdict.REJECTED):
        return None
    key, competition = submission.commitment.key, submission.commitment.competition
    rules = reader.schedule.competition(competition, reader.now)
    done = submission.rejection or submission.duplicate_of or submission.retired
    if rules is None or done or _is_champion(reader, submission):
        return None
    timing = reader.schedule.timing
    due = timing.next_sync_block(Block(submission.clock_block + rules.delay_blocks - 1))
    judged = reader.newest_judged(competition)
    waiting = sorted(
        (e.key for e in (judged.entries if judged else ()) if e.reason is Reason.QUEUED),
        key=lambda k: (k.block, k.hotkey),
    )
    begins = next_round(reader).block
    if key in waiting:
        position, ahead = waiting.index(key) + 1, waiting.index(key)
    else:
        position, ahead, begins = None, len(waiting), max(due, begins)
    taken = reader.chronicle.derived("taken", competition, lambda: _taken(reader, competition))
    soonest = max(taken[-1] if taken else 0, reader.schedule.max_new_entries)
    first = ahead // soonest if position else 0
    last = ahead // max(1, taken[0]) if taken else first
    return QueuePlace(
        position=position,
        num_waiting=len(waiting),
        round=reader.moment(begins + first * timing.cadence),
        latest=reader.moment(begins + last * timing.cadence) if last > first else None,
        num_rounds_seen=len(taken),
        least_taken=taken[0] if taken else None,
        most_taken=taken[-1] if taken else None,
    )


def _taken(reader: PageReader, competition: CompetitionId) -> tuple[int, ...]:
    """Return how many new entries the last rounds scored that left some waiting, in order of size.

    This counts all that limits a round: its places, and the time that each entry takes.
    """
    held = [r for r in reader.chronicle.rounds(competition) if r.skipped is None]
    found = []
    for light in held[-ROUNDS_MEASURED:]:
        row = reader.chronicle.row_of(light.key)
        entries = () if row is None else reader.chronicle.whole(reader.snapshot, row).entries
        if any(e.reason is Reason.QUEUED for e in entries):
            scored = (reader.chronicle.attended(e.key).scored for e in entries)
            found.append(sum(bool(rows) and rows[0] == row for rows in scored))
    return tuple(sorted(found))
