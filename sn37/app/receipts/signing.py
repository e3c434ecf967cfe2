"""Writing and signing of one entry's receipt, and verification of its signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import TypeVar

import sn37
from sn37.domain.canonical import canonical_json
from sn37.domain.data.sampling import manifest
from sn37.domain.ids import Digest, Hotkey, TaskName
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.round.state import OpenRound
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.controls import controls_in
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Submission
from sn37.ports.chain import Signer

_T = TypeVar("_T")
# Returns true if the hotkey signed the message: (hotkey, message, signature).
VerifySignature = Callable[[Hotkey, bytes, bytes], bool]


class ReceiptWriter:
    """Writer of receipts, which it signs with the validator's hotkey."""

    def __init__(self, *, signer: Signer, fingerprint: Digest) -> None:
        self._signer = signer
        self._fingerprint = fingerprint

    def write(self, opened: OpenRound, submission: Submission) -> SignedReceipt:
        """Return the receipt of a submission's journalled losses.

        It includes the losses on its controls, and the second opinion on it, if any.
        """
        plan, key = opened.plan, submission.commitment.key
        blocks = opened.journal.get(key, ())
        if submission.artifact is None:
            raise ValueError(f"{submission.commitment.key}: scored without an artifact")
        receipt = Receipt(
            round=plan.key,
            sync_hash=plan.sync.hash,
            commitment=submission.commitment,
            tensor_digest=submission.artifact.tensor_digest,
            manifest={d.batch.task: manifest(d.batch) for d in plan.draws},
            manifest_digest=plan.manifest_digest,
            pools={d.batch.task: (d.pool_size, d.pool_digest) for d in plan.draws},
            losses=losses_by_task([d.batch.task for d in plan.draws], blocks),
            code_version=sn37.__version__,
            schedule_fingerprint=self._fingerprint,
            environment=opened.environments.get(key, {}),
            signers=plan.signers,
            controls=controls_in(blocks, {d.batch.task: d.batch.method for d in plan.draws}),
            opinion=opened.opinions.get(key),
            num_right=right_by_task(blocks),
            answers=answers_by_task(blocks),
        )
        return SignedReceipt(
            document=canonical_json(receipt.document()),
            hotkey=self._signer.hotkey,
            signature=self._signer.sign(receipt.digest.encode()),
        )


def losses_by_task(
    tasks: Iterable[TaskName], blocks: tuple[BlockLosses, ...]
) -> Mapping[TaskName, tuple[float, ...]]:
    """Return losses in manifest order; blocks of one task arrive in that order."""
    return {
        task: tuple(x for b in blocks if b.block.task == task for x in b.losses) for task in tasks
    }


def right_by_task(blocks: Iterable[BlockLosses]) -> Mapping[TaskName, tuple[int, ...]]:
    """Return the right answers of each block, for tasks whose samples have options."""
    return _by_task(blocks, lambda block: block.num_right)


def answers_by_task(
    blocks: Iterable[BlockLosses],
) -> Mapping[TaskName, tuple[AnswerSignals, ...]]:
    """Return the signals of each block, for tasks whose answers are generated."""
    return _by_task(blocks, lambda block: block.answers)


def _by_task(
    blocks: Iterable[BlockLosses], held: Callable[[BlockLosses], _T | None]
) -> Mapping[TaskName, tuple[_T, ...]]:
    """Return what each block holds, by task, without blocks that hold nothing."""
    found: dict[TaskName, tuple[_T, ...]] = {}
    for block in blocks:
        if (value := held(block)) is not None:
            task = block.block.task
            found[task] = (*found.get(task, ()), value)
    return found


def is_signed(receipt: SignedReceipt, verify: VerifySignature) -> bool:
    """True if the validator named in the receipt signed this document."""
    message = sha256(receipt.document).hexdigest().encode()
    return verify(receipt.hotkey, message, receipt.signature)
