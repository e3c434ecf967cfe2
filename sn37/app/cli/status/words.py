"""Lines about a submission that several commands print alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sn37.domain.submission.stages import SubmissionStage

if TYPE_CHECKING:
    from sn37.app.leaderboard.views import Moment

ROUND_HEADER = "round       verdict    reason            score   samples  finding"


def round_row(
    sync_block: int,
    *,
    verdict: str,
    reason: str,
    score: float | None,
    num_samples: int,
    finding: str,
) -> str:
    """Return the row of one round below ``ROUND_HEADER``."""
    shown = "-" if score is None else f"{score:.4f}"
    return (
        f"{sync_block:<11} {verdict:<10} {reason:<14} {shown:>8} {num_samples:>9}  {finding}"
    ).rstrip()


def stage_lines(
    stage: str, *, reason: str, meaning: str, detail: str, remedy: str
) -> Iterator[str]:
    """Yield a status with its meaning, the reason with what was found, and what to do.

    Args:
        stage: Of a newer version than this one it may be unknown, and has no meaning then.
        reason: Its code; empty texts if there is none.
    """
    known = next((s for s in SubmissionStage if s.value == stage), None)
    yield f"status      {stage}" if known is None else f"status      {stage}: {known.meaning}"
    if reason:
        yield f"reason      {reason}: {meaning}"
    if detail:
        yield f"finding     {detail}"
    if advice := remedy or (known.advice if known is not None else ""):
        yield f"next        {advice}"


def moment_text(moment: Moment) -> str:
    """Return a block, with its time to the minute if that is known."""
    if moment.at is None:
        return f"{moment.block}"
    return f"{moment.block} ({moment.at:%Y-%m-%d %H:%M} UTC)"
