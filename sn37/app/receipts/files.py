"""Receipts as files: published by one validator, and read by others as untrusted files.

A published receipt is a JSON object of three: ``document``, the receipt itself; ``hotkey``, the
validator that scored; ``signature``, its sr25519 signature in hex over the ASCII hex sha256 of
the document's canonical JSON. A document alone can be read too, but is not signed.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sn37.domain.canonical import canonical_json
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.printable import one_line
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.round.signers import SampleSigners, require_counts, unpacked
from sn37.domain.schedule.competition import MOST_NEW_TOKENS
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.jobs import ControlKind, ControlLoss
from sn37.domain.scoring.opinion import Compared, Opinion, View
from sn37.domain.submission.commitment import Commitment, MalformedCommitment, parse_commitment
from sn37.wrong_values import reason

MAX_BYTES = 2**28  # of a receipt; a large one has some megabytes


class UnreadableReceipt(ValueError):
    """The file is not a receipt; the message says in one line what is wrong and where."""


class _Signers(BaseModel):
    """Output of ``signers.packed``."""

    model_config = ConfigDict(strict=True, extra="forbid")

    hotkeys: list[str]
    samples: dict[str, list[int | None]]


_Bits = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=BLOCK_SAMPLES)]
_Steps = Annotated[int, Field(ge=0, le=BLOCK_SAMPLES * (MOST_NEW_TOKENS + 1))]
_Loss = float | Literal["nan", "inf", "-inf"]


class _Opinion(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    view: View = Field(strict=False)
    detail: str
    samples: list[tuple[str, int, _Loss, _Loss]]

    def of(self, document: _Document) -> Opinion:
        return Opinion(
            key=EntryKey(Hotkey(document.hotkey), Block(document.block)),
            view=self.view,
            detail=self.detail,
            samples=tuple(
                Compared(task=TaskName(task), position=n, ours=float(ours), theirs=float(theirs))
                for task, n, ours, theirs in self.samples
            ),
            environment=document.environment,
        )


class _Document(BaseModel):
    """The fields of ``Receipt.document``, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: Literal[1, 2, 3, 4]
    competition: int
    sync_block: int = Field(ge=0)
    sync_hash: str
    hotkey: str
    block: int = Field(ge=0)
    repo: str
    revision: str
    secure_hash: str
    tensor_digest: str
    manifest: dict[str, list[tuple[str, str]]]
    manifest_digest: str
    pools: dict[str, tuple[int, str]]
    losses: dict[str, list[_Loss]]
    code_version: str
    schedule_fingerprint: str
    environment: dict[str, str]
    signers: _Signers | None = None  # since version 2
    # Since version 3.
    controls: list[tuple[Literal["substituted", "shuffled", "letters"], _Bits, _Bits]] = []
    opinion: _Opinion | None = None
    num_right: dict[str, list[_Count]] = {}  # only in version 4, as is the next
    answers: dict[str, list[tuple[_Count, _Count, _Count, _Steps]]] = {}

    def receipt(self) -> Receipt:
        return Receipt(
            round=RoundKey(CompetitionId(self.competition), Block(self.sync_block)),
            sync_hash=self.sync_hash,
            commitment=self._commitment(),
            tensor_digest=Digest(self.tensor_digest),
            manifest={
                TaskName(task): tuple((row, Digest(content)) for row, content in rows)
                for task, rows in self.manifest.items()
            },
            manifest_digest=Digest(self.manifest_digest),
            pools={
                TaskName(task): (size, Digest(digest))
                for task, (size, digest) in self.pools.items()
            },
            losses={TaskName(task): tuple(map(float, xs)) for task, xs in self.losses.items()},
            code_version=self.code_version,
            schedule_fingerprint=Digest(self.schedule_fingerprint),
            environment=self.environment,
            signers=self._sample_signers(),
            controls=self._controls(),
            opinion=None if self.opinion is None else self.opinion.of(self),
            num_right=self._num_right(),
            answers=self._answers(),
        )

    def _num_right(self) -> dict[TaskName, tuple[int, ...]]:
        """Return the right answers of each block, which the losses cut."""
        if (self.version == 4) != bool(self.num_right or self.answers):
            raise UnreadableReceipt("not a receipt: its version does not match its right answers")
        for task, counts in self.num_right.items():
            sizes = self._block_sizes(task)
            if len(counts) != len(sizes) or any(map(int.__gt__, counts, sizes)):
                raise UnreadableReceipt("not a receipt: it has other right answers than losses")
        return {TaskName(task): tuple(counts) for task, counts in self.num_right.items()}

    def _answers(self) -> dict[TaskName, tuple[AnswerSignals, ...]]:
        """Return the counts over generated answers of each block."""
        try:
            return {
                TaskName(task): tuple(
                    AnswerSignals(
                        num_answers=size,
                        empty=empty,
                        repetitive=same,
                        canned=canned,
                        near_ties=ties,
                    )
                    for size, (empty, same, canned, ties) in zip(
                        self._block_sizes(task), blocks, strict=True
                    )
                )
                for task, blocks in self.answers.items()
            }
        except ValueError as error:
            raise UnreadableReceipt("not a receipt: it has other answers than losses") from error

    def _block_sizes(self, task: str) -> list[int]:
        num = len(self.losses.get(task, ()))
        return [min(BLOCK_SAMPLES, num - first) for first in range(0, num, BLOCK_SAMPLES)]

    def _controls(self) -> tuple[ControlLoss, ...] | None:
        given = {"controls", "opinion"} & self.model_fields_set
        if len(given) != (2 if self.version > 2 else 0):
            raise UnreadableReceipt("not a receipt: its version does not match its controls")
        if self.version < 3:
            return None
        return tuple(
            ControlLoss(ControlKind(kind), entropy, measured)
            for kind, entropy, measured in self.controls
        )

    def _sample_signers(self) -> SampleSigners | None:
        if (self.signers is None) != (self.version == 1):
            raise UnreadableReceipt("not a receipt: its version does not match its signers")
        if self.signers is None:
            return None
        try:
            signers = unpacked(self.signers.hotkeys, self.signers.samples)
            require_counts(signers, {TaskName(t): len(rows) for t, rows in self.manifest.items()})
        except ValueError as error:
            raise UnreadableReceipt(f"not a receipt: {one_line(str(error))}") from error
        return signers

    def _commitment(self) -> Commitment:
        """Return the commitment, parsed from a v2 text; a receipt does not record its format."""
        name = self.repo.replace("/", ":")
        text = f"2:{name}:{self.revision}:{self.secure_hash}:{self.competition}"
        read = parse_commitment(text, hotkey=Hotkey(self.hotkey), block=Block(self.block))
        if isinstance(read, MalformedCommitment):
            raise UnreadableReceipt(f"not a receipt: its commitment: {read.fault}: {read.detail}")
        return read


class PublishedReceipt(BaseModel):
    """The file of a signed receipt."""

    model_config = ConfigDict(strict=True, extra="forbid")

    document: _Document
    hotkey: str
    signature: str = Field(pattern="^[0-9a-f]{128}$")


class _Signed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    document: object
    hotkey: str
    signature: str = Field(pattern="^[0-9a-f]{128}$")


_Shape = TypeVar("_Shape", _Document, PublishedReceipt, _Signed)


def publish(signed: SignedReceipt) -> bytes:
    """Return the file of a signed receipt."""
    return canonical_json(
        {
            "document": json.loads(signed.document),
            "hotkey": signed.hotkey,
            "signature": signed.signature.hex(),
        }
    )


def read_receipt(data: bytes) -> tuple[Receipt, SignedReceipt | None]:
    """Return the receipt of a file, and the signed receipt if the file has a signature.

    The signature is not verified.

    Raises:
        UnreadableReceipt: The file is not a receipt.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableReceipt("larger than any receipt")
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableReceipt(f"not JSON: {one_line(str(error))}") from error
    if not (isinstance(parsed, dict) and "document" in parsed):
        return _checked(_Document, data).receipt(), None
    published = _checked(PublishedReceipt, data)
    try:
        document = canonical_json(parsed["document"])
    except ValueError as error:  # a NaN, or half a surrogate pair
        raise UnreadableReceipt(f"not a receipt: document: {one_line(str(error))}") from error
    return published.document.receipt(), SignedReceipt(
        document=document,
        hotkey=Hotkey(published.hotkey),
        signature=bytes.fromhex(published.signature),
    )


def read_signed(data: bytes) -> SignedReceipt:
    """Return any published document without checking its content.

    Raises:
        UnreadableReceipt: The file is not a published document.
    """
    shape = _checked(_Signed, data)
    try:
        document = canonical_json(json.loads(data)["document"])
    except (ValueError, RecursionError) as error:  # a NaN, half a surrogate pair, a million "["
        raise UnreadableReceipt(f"not a receipt: document: {one_line(str(error))}") from error
    return SignedReceipt(
        document=document, hotkey=Hotkey(shape.hotkey), signature=bytes.fromhex(shape.signature)
    )


def _checked(shape: type[_Shape], data: bytes) -> _Shape:
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = one_line(".".join(map(str, problem["loc"])))[:80]
        raise UnreadableReceipt(f"not a receipt: {where}: {reason(problem)}") from error
