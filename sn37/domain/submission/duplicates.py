"""Whose model it is: the same tensors, and the same text, under several hotkeys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sn37.domain.ids import CompetitionId, Digest, EntryKey
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.submission import Submission


def duplicates_of(
    submissions: Iterable[Submission], *, entered: Collection[EntryKey]
) -> Mapping[EntryKey, EntryKey]:
    """Each duplicate with the earlier commitment whose tensors it repeats.

    Within a competition the first commitment in precedence holds a tensor digest, whatever
    became of it: replaced, beaten and retired ones count as well. It is never convicted
    itself. The holder's own later commitments repeat the digest only once it has been in a
    round: committing again before that, say after renaming the repository, is harmless,
    while afterwards it would buy a fresh challenge or a fresh margin for an old model.

    Args:
        submissions: All that are known, in any order, replaced ones included.
        entered: Entries that have been in a round, see ``history.History.entered``.
    """
    groups: dict[tuple[CompetitionId, Digest], list[Commitment]] = {}
    for submission in submissions:
        if submission.artifact is not None:
            commitment = submission.commitment
            held = (commitment.competition, submission.artifact.tensor_digest)
            groups.setdefault(held, []).append(commitment)
    found: dict[EntryKey, EntryKey] = {}
    for group in groups.values():
        holder, *later = sorted(group, key=lambda c: c.precedence)
        tried = holder.key if holder.key in entered else None
        for commitment in later:
            if commitment.hotkey != holder.hotkey:
                found[commitment.key] = holder.key
            elif tried is not None:
                found[commitment.key] = tried
            elif commitment.key in entered:
                tried = commitment.key
    return found


def mark_duplicates(
    submissions: Iterable[Submission], *, entered: Collection[EntryKey]
) -> tuple[Submission, ...]:
    """The submissions with ``duplicate_of`` as ``duplicates_of`` has it, in the same order."""
    known = tuple(submissions)
    found = duplicates_of(known, entered=entered)
    return tuple(replace(s, duplicate_of=found.get(s.commitment.key)) for s in known)


def copied_from(commitment: Commitment, others: Iterable[Commitment]) -> EntryKey | None:
    """The earliest commitment of another hotkey with the same secure hash, if there is one.

    A secure hash holds for one hotkey only. Among commitments that were verified a match is
    proof, before anything is downloaded; among all of them it explains a mismatch.
    """
    same = (
        other
        for other in others
        if other.hotkey != commitment.hotkey
        and other.model.secure_hash == commitment.model.secure_hash
    )
    original = min(same, key=lambda c: c.precedence, default=None)
    return original.key if original else None
