"""Statements: what a validator signs of a whole round, so that others can derive it again.

Receipts hold the losses of those that were scored. A statement adds who took part and who held
the crown before and after, and names its receipts and the statement before it by their digests:
none can be left out, put in or exchanged without it showing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from sn37.domain.canonical import as_json, canonical_json
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

ELSEWHERE = PurePath("elsewhere")  # where the files of a model are that another machine has


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStatement:
    """A finished round as its validator tells it, less what its receipts say."""

    version: int
    netuid: Netuid
    key: RoundKey
    sync: BlockRef
    previous: Digest | None  # of the statement before, of this competition; hex sha256
    champion: EntryKey | None  # before the round
    winner: EntryKey | None  # who holds the crown after it
    entries: tuple[EntryKey, ...]  # as ``RoundPlan`` has them, and so the next three
    listed: tuple[EntryResult, ...]
    unreadable: frozenset[EntryKey]
    unprobed: frozenset[EntryKey]
    manifest_digest: Digest
    outcomes: tuple[EntryOutcome, ...]  # of every entry, in the order they were reached
    # Those of the entries, and of others that are no longer as when they were committed.
    submissions: tuple[Submission, ...]
    receipts: tuple[Digest, ...]  # hex sha256 of their documents, in the order of ``outcomes``
    schedule_fingerprint: Digest
    code_version: str
    # Of those who would have had the crown, in the order they were asked for; from version 2 on.
    opinions: tuple[Opinion, ...] = ()
    premises: Premises | None = None  # none in version 1, of rounds of the first rule
    # In version 3, which only rounds have that were missed and scored later: they have no champion.
    later: ScoredLater | None = None
    # What the base model's losses said of the rows: in version 4, and in version 5 as well, where
    # rounds were screened. In version 5 premises count missed defences and name contenders.
    screenings: Mapping[TaskName, Screening] | None = None

    def document(self) -> bytes:
        """Canonical JSON: what is signed, as receipts are."""
        fields = as_json(self)
        assert isinstance(fields, dict)
        if self.premises is not None:
            premises = fields["premises"]
            assert isinstance(premises, dict)
            for name in ("missed_defences", "contenders"):
                if premises[name] is None:  # before version 5
                    del premises[name]
        if self.version == 1:  # these stay as they were signed
            del fields["opinions"], fields["premises"]
        if self.later is None:
            del fields["later"]
        if self.screenings is None:
            del fields["screenings"]
        return canonical_json(fields)

    def plan(self) -> RoundPlan:
        """The round's plan without its draws, which only receipts tell."""
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
    """One round as a validator publishes it: its statement, and its receipts verbatim."""

    key: RoundKey
    statement: SignedReceipt
    receipts: tuple[SignedReceipt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """One finished round with everything that it rests on."""

    opened: OpenRound
    result: RoundResult
    published: SignedRound


def told(submission: Submission) -> Submission:
    """What a statement tells of a submission: facts, and nothing of the machine they are from."""
    artifact = submission.artifact
    return replace(
        submission,
        artifact=None if artifact is None else replace(artifact, path=ELSEWHERE),
        rejection=None,
        detail="",
        duplicate_of=None,
    )


def is_as_committed(submission: Submission) -> bool:
    """Whether the chain and the model's files say all that there is to know of it."""
    return told(replace(submission, artifact=None)) == Submission(
        commitment=submission.commitment, clock_block=Block(submission.commitment.block)
    )
