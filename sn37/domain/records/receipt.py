"""Receipts: one signed document per scored entry, from which anyone can compute it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sn37.domain.canonical import JsonValue, canonical_digest
from sn37.domain.ids import Digest, Hotkey, RoundKey, TaskName
from sn37.domain.round.signers import SampleSigners, packed
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.jobs import ControlLoss
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.commitment import Commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Receipt of one scored entry: the model, the samples, the environment and the losses."""

    round: RoundKey
    sync_hash: str
    commitment: Commitment
    tensor_digest: Digest  # of the weights as loaded
    manifest: Mapping[TaskName, tuple[tuple[str, Digest], ...]]  # (row id, content hash)
    manifest_digest: Digest
    pools: Mapping[TaskName, tuple[int, Digest]]  # size and digest of the frozen pool
    losses: Mapping[TaskName, tuple[float, ...]]  # a prefix when raced out
    code_version: str
    schedule_fingerprint: Digest
    environment: Mapping[str, str] = field(default_factory=dict)  # dtype, device, versions
    signers: SampleSigners | None = None  # of the manifest's rows; None in receipts of version 1
    # The losses on the controls, in the order of scoring. ``None`` in receipts up to version 2,
    # whose losses were measured by a version without controls.
    controls: tuple[ControlLoss, ...] | None = None
    opinion: Opinion | None = None  # of a second implementation, if one was asked for
    # Questions answered rightly in each block, for tasks whose samples have options.
    num_right: Mapping[TaskName, tuple[int, ...]] = field(default_factory=dict)
    # Signals of generated answers in each block, without examples, for tasks that have them.
    answers: Mapping[TaskName, tuple[AnswerSignals, ...]] = field(default_factory=dict)

    def document(self) -> dict[str, JsonValue]:
        """Return the receipt as JSON; non-finite losses become "nan", "inf", "-inf".

        Version 2 added signers, version 3 controls and the second opinion, version 4, only for
        rounds with questions or generated answers, the numbers of right answers and the counts
        over generated ones: empty, repetitive, canned, near-ties.
        """
        ref = self.commitment.model
        document: dict[str, JsonValue] = {
            "version": self.version,
            "competition": self.round.competition,
            "sync_block": self.round.sync_block,
            "sync_hash": self.sync_hash,
            "hotkey": self.commitment.hotkey,
            "block": self.commitment.block,
            "repo": ref.repo,
            "revision": ref.revision,
            "secure_hash": ref.secure_hash,
            "tensor_digest": self.tensor_digest,
            "manifest": {
                task: [[row, content] for row, content in rows]
                for task, rows in self.manifest.items()
            },
            "manifest_digest": self.manifest_digest,
            "pools": {task: [size, digest] for task, (size, digest) in self.pools.items()},
            "losses": {task: [_number(x) for x in xs] for task, xs in self.losses.items()},
            "code_version": self.code_version,
            "schedule_fingerprint": self.schedule_fingerprint,
            "environment": dict(self.environment),
        }
        if self.signers is not None:
            document["signers"] = packed(self.signers)
            if self.controls is not None:
                document["controls"] = [
                    [c.kind.value, c.entropy_bits, c.measured_bits] for c in self.controls
                ]
                document["opinion"] = None if self.opinion is None else _said(self.opinion)
                if self.num_right:
                    document["num_right"] = {t: list(ns) for t, ns in self.num_right.items()}
                if self.answers:
                    document["answers"] = {
                        task: [list(block.counts) for block in blocks]
                        for task, blocks in self.answers.items()
                    }
        return document

    @property
    def version(self) -> int:
        """Version of the document; depends on the recorded facts. Each adds to the one before."""
        if self.signers is None:
            return 1
        if self.controls is None:
            return 2
        return 4 if self.num_right or self.answers else 3

    @property
    def digest(self) -> Digest:
        """Return the hex sha256 of the document's canonical JSON, which the hotkey signs."""
        return canonical_digest(self.document())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt's document as it is stored and published."""

    document: bytes  # canonical JSON
    hotkey: Hotkey  # of the validator that scored
    signature: bytes  # sr25519 over the ASCII hex sha256 of the document


def _said(opinion: Opinion) -> JsonValue:
    """Return an opinion as JSON without its entry and environment, which the receipt has."""
    return {
        "view": opinion.view.value,
        "detail": opinion.detail,
        "samples": [
            [s.task, s.position, _number(s.ours), _number(s.theirs)] for s in opinion.samples
        ],
    }


def _number(value: float) -> JsonValue:
    return value if math.isfinite(value) else str(value)
