"""Lines about the submissions of a hotkey."""

from __future__ import annotations

from collections.abc import Iterator

from sn37.app.cli.status.words import ROUND_HEADER, moment_text, round_row, stage_lines
from sn37.app.leaderboard.views import EvidenceGrowth, QueuePlace, SubmissionView
from sn37.app.status.submissions import HotkeyStatus

SHOWN_ROUNDS = 10


def submission_lines(found: HotkeyStatus) -> Iterator[str]:
    """Yield the lines: the miner, its newest submissions, and one line for each older one."""
    miner = found.miner
    shares = "".join(f", {share:.3f} of competition {c}" for c, share in miner.standings)
    uid = "" if miner.uid is None else f", uid {miner.uid}"
    yield f"hotkey      {miner.hotkey}{uid}, weight {miner.weight:.4f}{shares}"
    for view in found.submissions:
        yield ""
        yield from _whole(view)
    older = miner.submissions[len(found.submissions) :]
    if older:
        yield ""
    for line in older:
        yield (
            f"older       block {moment_text(line.model.committed)}, competition "
            f"{line.model.competition}: {line.stage} {line.reason}".rstrip()
        )
    if miner.is_cut:
        yield "older       there are more"


def _whole(view: SubmissionView) -> Iterator[str]:
    model = view.model
    revision = "" if model.revision is None else f"@{model.revision}"
    yield (
        f"submission  of block {moment_text(model.committed)}, competition {model.competition} "
        f"{view.competition_name}"
    )
    yield f"repository  {model.repo}{revision}"
    yield from stage_lines(
        view.stage,
        reason=view.reason,
        meaning=view.meaning,
        detail=view.detail,
        remedy=view.remedy,
    )
    yield from progress_lines(view)
    if view.rounds:
        yield ROUND_HEADER
    for attended in view.rounds[:SHOWN_ROUNDS]:
        line = attended.line
        yield round_row(
            attended.round.block,
            verdict=line.verdict,
            reason=line.reason,
            score=line.score,
            num_samples=line.num_samples,
            finding="champion" if line.is_champion and not line.detail else line.detail,
        )


def progress_lines(view: SubmissionView) -> Iterator[str]:
    """Yield the newest score, the evidence against the champion, and the place in the queue."""
    if view.clock is not None:
        yield f"clock       restarted at block {moment_text(view.clock)}"
    if (latest := view.latest) is not None and latest.score is not None:
        rank = "" if latest.rank is None else f", rank {latest.rank}"
        when = (
            ""
            if view.latest_round is None
            else f", round of block {moment_text(view.latest_round)}"
        )
        yield f"score       {latest.score:.4f} on {latest.num_samples:,} samples{rank}{when}"
    if view.evidence is not None:
        yield _evidence(view.evidence)
    if view.queue is not None:
        yield _queue(view.queue)


def _evidence(growth: EvidenceGrowth) -> str:
    last = growth.points[-1] if growth.points else None
    if last is None or last.evidence is None or last.gain is None:
        return f"evidence    none yet against {growth.champion.hotkey}. {growth.verdict}"
    error = "" if last.error is None else f" ± {last.error:.2%}"
    return (
        f"evidence    {last.evidence:.1f} of {growth.needed:.1f} against {growth.champion.hotkey}, "
        f"gain {last.gain:.2%}{error} on {last.num_samples:,} samples. {growth.verdict}"
    )


def _queue(place: QueuePlace) -> str:
    position = "" if place.position is None else f"place {place.position} of {place.num_waiting}, "
    return f"queue       {position}expected in the round of block {moment_text(place.round)}"
