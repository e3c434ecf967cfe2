"""Missed defences: rounds in which the champion failed instead of being scored.

One failed evaluation does not cost the crown: the champion keeps it with the samples of other
rounds. So a champion that fails at will would be scored only in rounds that suit it. Therefore it
may miss only a limited number of rounds within a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sn37.domain.ids import EntryKey
from sn37.domain.reasons import OF_THE_WORKER, Blame, Reason
from sn37.domain.round.state import EntryOutcome, EntryResult, OpenRound, RoundResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict

# Out of the last 24 judged rounds of its reign, this one included; the ninth ends it. An honest
# champion whose evaluation fails in a tenth of the rounds has nine in 24 in 3 of 10,000 windows.
MAX_MISSED_DEFENCES = 8
MOST_DEFENCES = WINDOW_ROUNDS - 1  # remembered rounds, without the present one


def missed_defence(
    champion: EntryKey | None, outcomes: Iterable[EntryOutcome | EntryResult]
) -> bool:
    """True if a champion failed in a round in which another entry was scored.

    Failures count that are the model's fault, and faults of the validator that a model can cause.
    If no entry was scored, or if files were missing, the fault is the validator's own.
    """
    rows = tuple(outcomes)
    return any(row.key == champion and _counts(row) for row in rows) and any(
        row.key != champion and row.verdict is Verdict.SCORED for row in rows
    )


def seen_after(
    before: tuple[bool, ...], champion: EntryKey | None, round_: RoundResult
) -> tuple[bool, ...]:
    """Return which of the last rounds the champion missed, after one more judged round.

    Args:
        before: The same for the earlier rounds of its reign, at most ``MOST_DEFENCES``, oldest
            first.
        champion: Holder of the crown before the round. A reign begins after its coronation.
    """
    if champion is None or round_.champion != champion:
        return ()
    return (*before, missed_defence(champion, round_.entries))[-MOST_DEFENCES:]


def defences_after(
    before: tuple[bool, ...], champion: EntryKey | None, round_: RoundResult
) -> tuple[bool, ...]:
    """Return the same as ``seen_after`` for ``before`` that may rest on ``first_defences``.

    If the round's plan counted fewer missed rounds, the oldest ones have left the window.
    """
    if champion is not None and round_.missed_defences is not None:
        counted = round_.missed_defences - missed_defence(champion, round_.entries)
        missed = [number for number, is_missed in enumerate(before) if is_missed]
        gone = missed[: max(len(missed) - counted, 0)]
        before = tuple(m and number not in gone for number, m in enumerate(before))
    return seen_after(before, champion, round_)


def first_defences(round_: RoundResult) -> tuple[bool, ...]:
    """Return which of the last rounds the champion missed, after the first round of a history.

    A history that was adopted from another validator may begin within a reign. Then it is unknown
    which of the earlier rounds were missed, and the newest ones are assumed. These leave the window
    last, so the count is never lower than that of a validator that knows all rounds.
    """
    if not round_.missed_defences:
        return ()
    is_missed = missed_defence(round_.champion, round_.entries)
    num_before = min(round_.missed_defences - is_missed, MOST_DEFENCES)
    unknown = (False,) * (MOST_DEFENCES - num_before) + (True,) * num_before
    return seen_after(unknown, round_.champion, round_)


def missed_after(opened: OpenRound, champion: EntryKey | None) -> int | None:
    """Return how many rounds the champion has missed after a round, by its plan's count.

    ``None`` if the plan's version did not count them.

    Args:
        opened: The round with its final outcomes.
        champion: Holder of the crown after it.
    """
    plan = opened.plan
    if plan.premises is None or plan.premises.missed_defences is None:
        return None
    if champion is None or champion != plan.holder:
        return 0
    return plan.premises.missed_defences + missed_defence(champion, opened.outcomes.values())


def after_defence(opened: OpenRound) -> OpenRound:
    """Return the round as it ends: a champion that failed once too often is out permanently.

    Rounds whose premises do not count defences are of older versions, and stay unchanged.
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
        f"failed in {num_missed + 1} of the last {WINDOW_ROUNDS} rounds in which it held the "
        f"crown; now: {failed.reason}: {failed.detail}"
    )
    ended = replace(failed, reason=Reason.UNDEFENDED, detail=detail)
    return replace(opened, outcomes={**opened.outcomes, plan.holder: ended})


def _counts(row: EntryOutcome | EntryResult) -> bool:
    return (
        row.verdict is Verdict.FAILED
        and row.reason is not None
        and (row.reason.blame is Blame.MINER or row.reason in OF_THE_WORKER)
    )
