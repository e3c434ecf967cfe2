"""Duplicates: the same tensors or the same hash under several hotkeys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sn37.domain.ids import CompetitionId, Digest, EntryKey
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.submission import Submission


def duplicates_of(
    submissions: Iterable[Submission], *, entered: Collection[EntryKey]
) -> Mapping[EntryKey, EntryKey]:
    """Return each duplicate with the earlier commitment whose tensors it repeats.

    Within a competition, a tensor digest belongs to the first commitment in precedence, even if
    that one was replaced, beaten or retired. The first is never a duplicate. A later commitment
    of the same hotkey is a duplicate only once the first has been in a round. Before that it is
    harmless, for example after renaming the repository. Afterwards it would give an old model a
    new challenge or a new margin.

    Args:
        submissions: All known submissions in any order, replaced ones included.
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
    """Return the submissions with ``duplicate_of`` set by ``duplicates_of``, in the same order."""
    known = tuple(submissions)
    found = duplicates_of(known, entered=entered)
    return tuple(replace(s, duplicate_of=found.get(s.commitment.key)) for s in known)


def copied_from(commitment: Commitment, others: Iterable[Commitment]) -> EntryKey | None:
    """Return the earliest commitment of another hotkey with the same secure hash, if any.

    A secure hash is valid for one hotkey only. Among verified commitments a match proves the
    copy before anything is downloaded. Among all commitments it explains a hash mismatch.
    """
    same = (
        other
        for other in others
        if other.hotkey != commitment.hotkey
        and other.model.secure_hash == commitment.model.secure_hash
    )
    original = min(same, key=lambda c: c.precedence, default=None)
    return original.key if original else None
