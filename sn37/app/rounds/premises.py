"""Premises recorded with a round's plan, so that its verdict can be derived from rounds alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.round_entries import EntryPlan
from sn37.domain.round.state import History, Premises
from sn37.domain.submission.eligibility import restart_clock
from sn37.domain.submission.submission import Submission


def premises_of(
    plan: EntryPlan,
    *,
    sync_block: Block,
    unreadable: Collection[EntryKey] = (),
    history: History,
    submissions: Mapping[EntryKey, Submission],
) -> Premises:
    """Return the premises of a round with this plan."""
    clocks = {
        key: _clock(submissions[key], sync_block, history, is_readable=key not in unreadable)
        for key in (*plan.entries, *plan.awaited)
    }
    return Premises(
        former=history.former,
        is_shielded=history.is_shielded and not plan.is_heir,
        num_judged=history.num_judged,
        missed_defences=0 if plan.is_heir else sum(history.defences),
        awaited=plan.awaited,
        clocks=tuple((key, clock) for key, clock in clocks.items() if clock != key.block),
        contenders=plan.contenders,
    )


def _clock(
    submission: Submission, sync_block: Block, history: History, *, is_readable: bool
) -> Block:
    if is_readable:
        held = history.is_scored(submission)
        submission = restart_clock(submission, sync_block, held=held)
    return submission.clock_block
