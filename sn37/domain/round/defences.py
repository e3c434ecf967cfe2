"""Champions that are not scored in rounds that they should defend the crown in.

One failed evaluation costs nobody the crown: it is held with the samples of other rounds. So a
champion that fails at will would be scored only in rounds that suit it. A champion therefore has a
number of failed rounds within a window, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sn37.domain.ids import EntryKey
from sn37.domain.reasons import OF_THE_WORKER, Blame, Reason
from sn37.domain.round.state import EntryOutcome, EntryResult, OpenRound, RoundResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict

# Of the last 24 judged rounds of its reign, the present one included; the ninth ends it. An honest
# champion whose evaluation fails in a tenth of the rounds has nine in 24 in 3 of 10,000 windows.
MAX_MISSED_DEFENCES = 8
MOST_DEFENCES = WINDOW_ROUNDS - 1  # that are remembered, beside the present round


def missed_defence(
    champion: EntryKey | None, outcomes: Iterable[EntryOutcome | EntryResult]
) -> bool:
    """True if a champion failed in a round in which another entry was scored.

    By the model's fault, or by one of ours that a model can bring about. Where nobody was scored
    the fault is ours, and so it is where files were missing.
    """
    rows = tuple(outcomes)
    return any(row.key == champion and _counts(row) for row in rows) and any(
        row.key != champion and row.verdict is Verdict.SCORED for row in rows
    )


def defences_after(
    before: tuple[bool, ...], champion: EntryKey | None, round_: RoundResult
) -> tuple[bool, ...]:
    """Which of the last rounds the champion missed, after one more that was judged.

    Args:
        before: Of the rounds of its reign before, at most ``MOST_DEFENCES``, oldest first.
        champion: Who held the crown before the round. A reign begins after its coronation.
    """
    if champion is None or round_.champion != champion:
        return ()
    return (*before, missed_defence(champion, round_.entries))[-MOST_DEFENCES:]


def after_defence(opened: OpenRound) -> OpenRound:
    """The round as it ends: a champion that failed once too often is out permanently.

    Rounds whose premises do not count defences are of older versions, and stay as they are.
    """
    plan = opened.plan
    num_missed = plan.premises.missed_defences if plan.premises is not None else None
    if (
        plan.holder is None
        or num_missed is None
        or num_missed < MAX_MISSED_DEFENCES
        or not missed_defence(plan.holder, opened.outcomes.values())
    ):
        return opened
    failed = opened.outcomes[plan.holder]
    detail = (
        f"failed in {num_missed + 1} of the last {WINDOW_ROUNDS} rounds that it held the crown in; "
        f"now: {failed.reason}: {failed.detail}"
    )
    ended = replace(failed, reason=Reason.UNDEFENDED, detail=detail)
    return replace(opened, outcomes={**opened.outcomes, plan.holder: ended})


def _counts(row: EntryOutcome | EntryResult) -> bool:
    return (
        row.verdict is Verdict.FAILED
        and row.reason is not None
        and (row.reason.blame is Blame.MINER or row.reason in OF_THE_WORKER)
    )
