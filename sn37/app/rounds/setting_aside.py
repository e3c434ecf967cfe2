"""Changes to a round's outcomes by second opinions, as a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sn37.domain.ids import EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryOutcome, OpenRound
from sn37.domain.scoring.opinion import Opinion, View
from sn37.domain.submission.submission import Verdict

# An entry that fails for one of these reasons cannot hold a crown, not even the champion.
NO_CROWN = frozenset({Reason.UNSOUND, Reason.IMPLAUSIBLE, Reason.UNDEFENDED})


def with_opinions(opened: OpenRound) -> OpenRound:
    """Return the round as it ends: entries that a second implementation contradicts have failed.

    If the opinion on a challenger is unavailable, that is the validator's outage: the challenger
    is not crowned in this round, and others wait for it as after a device failure. A champion
    keeps its place. An entry that was stopped early by comparison with an entry that is set aside
    now is not raced out, because the comparison was invalid.
    """
    if not opened.opinions:
        return opened
    holder = opened.plan.holder
    changed = {
        key: _after(outcome, opened.opinions.get(key), is_champion=key == holder)
        for key, outcome in opened.outcomes.items()
    }
    if _reference(opened) in _contradicted(opened.opinions):
        changed = {
            key: replace(outcome, reason=None) if outcome.reason is Reason.RACED_OUT else outcome
            for key, outcome in changed.items()
        }
    return replace(opened, outcomes=changed)


def _after(outcome: EntryOutcome, opinion: Opinion | None, *, is_champion: bool) -> EntryOutcome:
    if opinion is None or outcome.verdict is not Verdict.SCORED:
        return outcome
    match opinion.view:
        case View.DIFFERS:
            reason = Reason.UNSOUND
        case View.UNAVAILABLE if not is_champion:
            reason = Reason.DEVICE
        case _:
            return outcome
    return replace(outcome, verdict=Verdict.FAILED, reason=reason, detail=opinion.detail)


def _contradicted(opinions: Mapping[EntryKey, Opinion]) -> frozenset[EntryKey]:
    return frozenset(key for key, o in opinions.items() if o.view is View.DIFFERS)


def _reference(opened: OpenRound) -> EntryKey | None:
    """Return the entry that challengers raced against: the champion, else the first scored."""
    if opened.plan.champion is not None:
        return opened.plan.champion
    scored = (k for k, o in opened.outcomes.items() if o.verdict is Verdict.SCORED)
    return next(scored, None)
