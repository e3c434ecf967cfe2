"""Eviction: the models to keep when the disk runs out of space."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sn37.domain.ids import CompetitionId, EntryKey, Hotkey
from sn37.domain.round.history import histories_of
from sn37.domain.round.state import History, ValidatorState
from sn37.domain.submission.duplicates import duplicates_of
from sn37.domain.submission.models import ModelRef
from sn37.domain.submission.submission import Submission, Verdict


def retained(state: ValidatorState) -> tuple[frozenset[ModelRef], frozenset[ModelRef]]:
    """Return the models to keep at first, and those to keep if that does not free enough.

    First, models that are never scored again are evicted: refused, copied, raced out, or
    replaced by a newer commitment of their hotkey. Then those that were scored, but not in
    their competition's newest round: few of them return, and those are fetched again. Models
    that wait for their first round always stay, because they are scored soon
    (``expected_downloads``). So do models of open rounds, and crowned models while they are
    champion or cannot be fetched again (attack 28).
    """
    histories = histories_of(state)
    pinned, copies = _pinned(state, histories), copies_of(state, histories)
    # A recently scored entry may stay although its hotkey committed again.
    heard = {k: s for k, s in state.submissions.items() if k in _in_newest_rounds(state)}
    known = {**_newest(state), **heard}
    current = {key for key, s in known.items() if key not in copies and _has_a_future(s)}
    scored = frozenset().union(*(h.scored for h in histories.values()))
    return (
        _refs(state, pinned | current),
        _refs(state, pinned | (current - scored) | (current & _in_newest_rounds(state))),
    )


def copies_of(
    state: ValidatorState, histories: Mapping[CompetitionId, History]
) -> Collection[EntryKey]:
    """Return entries that repeat an earlier one's tensors, as far as their files are known."""
    entered = {key for history in histories.values() for key in history.entered}
    return duplicates_of(state.submissions.values(), entered=entered).keys()


def _pinned(state: ValidatorState, histories: Mapping[CompetitionId, History]) -> set[EntryKey]:
    kept = {key for opened in state.open_rounds.values() for key in opened.plan.entries}
    for history in histories.values():
        kept.update(history.crowned[-1:])
        kept.update(key for key in history.crowned if _is_gone(state.submissions.get(key)))
    return kept


def _is_gone(submission: Submission | None) -> bool:
    """True if the repository could not be read at the last attempt."""
    return submission is not None and submission.missed_rounds > 0


def _in_newest_rounds(state: ValidatorState) -> set[EntryKey]:
    """Return the entries to be scored in the newest rounds, without those only listed."""
    newest = [
        next((r for r in reversed(rounds) if r.skipped is None), None)
        for rounds in state.rounds.values()
    ]
    return {
        result.key
        for finished in newest
        if finished is not None
        for result in finished.entries
        if result.verdict in (Verdict.SCORED, Verdict.FAILED) or result.key in finished.postponed
    }


def _newest(state: ValidatorState) -> dict[EntryKey, Submission]:
    """Return the submission of each hotkey's newest commitment."""
    by_hotkey: dict[Hotkey, Submission] = {}
    for submission in sorted(state.submissions.values(), key=lambda s: s.commitment.precedence):
        by_hotkey[submission.commitment.hotkey] = submission
    return {s.commitment.key: s for s in by_hotkey.values()}


def _has_a_future(submission: Submission) -> bool:
    return submission.rejection is None and not submission.retired


def _refs(state: ValidatorState, keys: Collection[EntryKey]) -> frozenset[ModelRef]:
    known = (state.submissions.get(key) for key in keys)
    return frozenset(submission.commitment.model for submission in known if submission is not None)
