"""Which fetched models are worth their room on disk, when it runs out."""

from __future__ import annotations

from collections.abc import Collection

from sn37.domain.ids import EntryKey, Hotkey
from sn37.domain.models import ModelRef
from sn37.domain.state import Submission, ValidatorState, Verdict


def retained(state: ValidatorState) -> tuple[frozenset[ModelRef], frozenset[ModelRef]]:
    """What to keep at first, and what to keep when that does not free enough.

    First to go are models that are never scored again: refused, copied, raced out, or
    replaced by a newer commitment of their hotkey. Then those that were scored, but not in
    their competition's newest round: few of them come back, and are fetched again. Models of
    open rounds, crowned ones (also when their repository is gone) and those that still wait
    for their first round always stay; the number of the last is what eviction cannot lower.
    """
    pinned = _pinned(state)
    current = {key for key, s in _newest(state).items() if _has_a_future(s)}
    scored = {
        result.key
        for rounds in state.rounds.values()
        for finished in rounds
        for result in finished.entries
        if result.verdict is Verdict.SCORED
    }
    return (
        _refs(state, pinned | current),
        _refs(state, pinned | (current - scored) | (current & _in_newest_rounds(state))),
    )


def _pinned(state: ValidatorState) -> set[EntryKey]:
    kept = {key for opened in state.open_rounds.values() for key in opened.plan.entries}
    for rounds in state.rounds.values():
        champion = next((r.champion for r in reversed(rounds) if r.champion is not None), None)
        if champion is not None:
            kept.add(champion)
    return kept


def _in_newest_rounds(state: ValidatorState) -> set[EntryKey]:
    newest = [
        next((r for r in reversed(rounds) if r.skipped is None), None)
        for rounds in state.rounds.values()
    ]
    return {
        result.key for finished in newest if finished is not None for result in finished.entries
    }


def _newest(state: ValidatorState) -> dict[EntryKey, Submission]:
    """The submission of each hotkey's newest commitment."""
    by_hotkey: dict[Hotkey, Submission] = {}
    for submission in sorted(state.submissions.values(), key=lambda s: s.commitment.precedence):
        by_hotkey[submission.commitment.hotkey] = submission
    return {s.commitment.key: s for s in by_hotkey.values()}


def _has_a_future(submission: Submission) -> bool:
    return (
        submission.rejection is None and submission.duplicate_of is None and not submission.retired
    )


def _refs(state: ValidatorState, keys: Collection[EntryKey]) -> frozenset[ModelRef]:
    known = (state.submissions.get(key) for key in keys)
    return frozenset(submission.commitment.model for submission in known if submission is not None)
