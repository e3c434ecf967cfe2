"""Statements: signed documents on whole rounds, from which others can derive each round again.

Receipts have the losses of the scored entries. A statement adds all entries, and the holder of
the crown before and after the round. It names its receipts and the previous statement by their
digests, so that removing, adding or replacing one is detected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from sn37.domain.canonical import canonical_json, fields_as_json
from sn37.domain.data.screening import Screening
from sn37.domain.ids import Block, BlockRef, Digest, EntryKey, Netuid, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import (
    EntryOutcome,
    EntryResult,
    OpenRound,
    Premises,
    RoundPlan,
    RoundResult,
    ScoredLater,
)
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission

ELSEWHERE = PurePath("elsewhere")  # path of a model whose files are on another machine


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStatement:
    """Statement of a validator on a finished round, without the content of its receipts."""

    version: int
    netuid: Netuid
    key: RoundKey
    sync: BlockRef
    previous: Digest | None  # hex sha256 of this competition's previous statement
    champion: EntryKey | None  # before the round
    winner: EntryKey | None  # holder of the crown after the round
    entries: tuple[EntryKey, ...]  # as in ``RoundPlan``, like the next three
    listed: tuple[EntryResult, ...]
    unreadable: frozenset[EntryKey]
    unprobed: frozenset[EntryKey]
    manifest_digest: Digest
    outcomes: tuple[EntryOutcome, ...]  # of every entry, in the order they were reached
    # Submissions of the entries, and others that changed since they were committed.
    submissions: tuple[Submission, ...]
    receipts: tuple[Digest, ...]  # hex sha256 of their documents, in the order of ``outcomes``
    schedule_fingerprint: Digest
    code_version: str
    # On the entries that would take the crown, in the order of computing; from version 2 on.
    opinions: tuple[Opinion, ...] = ()
    premises: Premises | None = None  # none in version 1, of rounds of the first rule
    # Version 3, only for rounds that were missed and scored later: they have no champion.
    later: ScoredLater | None = None
    # Losses of the base model on the rows: in version 4, and in version 5 if the round was
    # screened. In version 5 premises count missed defences and name contenders.
    screenings: Mapping[TaskName, Screening] | None = None

    def document(self) -> bytes:
        """Return the canonical JSON, which is signed like a receipt."""
        fields = fields_as_json(self)
        if self.premises is not None:
            before_5 = ("missed_defences", "contenders")
            fields["premises"] = {
                name: value
                for name, value in fields_as_json(self.premises).items()
                if value is not None or name not in before_5
            }
        if self.version == 1:  # these stay as they were signed
            del fields["opinions"], fields["premises"]
        if self.later is None:
            del fields["later"]
        if self.screenings is None:
            del fields["screenings"]
        return canonical_json(fields)

    def plan(self) -> RoundPlan:
        """Return the round's plan without its draws, which only receipts have."""
        return RoundPlan(
            key=self.key,
            sync=self.sync,
            champion=self.champion,
            entries=self.entries,
            draws=(),
            manifest_digest=self.manifest_digest,
            listed=self.listed,
            unreadable=self.unreadable,
            unprobed=self.unprobed,
            premises=self.premises,
            screenings=self.screenings,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRound:
    """A published round: its statement and its receipts, verbatim."""

    key: RoundKey
    statement: SignedReceipt
    receipts: tuple[SignedReceipt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """A finished round with all records that it depends on."""

    opened: OpenRound
    result: RoundResult
    published: SignedRound


def as_stated(submission: Submission) -> Submission:
    """Return a submission as in a statement, without facts about this machine."""
    artifact = submission.artifact
    return replace(
        submission,
        artifact=None if artifact is None else replace(artifact, path=ELSEWHERE),
        rejection=None,
        detail="",
        duplicate_of=None,
    )


def is_as_committed(submission: Submission) -> bool:
    """True if the chain and the model's files determine everything about a submission."""
    return as_stated(replace(submission, artifact=None)) == Submission(
        commitment=submission.commitment, clock_block=Block(submission.commitment.block)
    )
