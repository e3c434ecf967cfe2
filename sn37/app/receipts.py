"""Write and sign the receipt of one scored entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import sn37
from sn37.domain.canonical import canonical_json
from sn37.domain.ids import Digest, TaskName
from sn37.domain.receipt import Receipt, SignedReceipt
from sn37.domain.sampling import manifest
from sn37.domain.scoring import BlockLosses
from sn37.domain.state import RoundPlan, Submission
from sn37.ports.chain import Signer


class ReceiptWriter:
    """Signs with the validator's hotkey what it scored, on what, and with what.

    ``environment`` names device, dtype and library versions; it is asked for every receipt,
    because a scorer knows them only once it has run.
    """

    def __init__(
        self, *, signer: Signer, fingerprint: Digest, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        self._signer = signer
        self._fingerprint = fingerprint
        self._environment = environment

    def write(
        self, plan: RoundPlan, submission: Submission, blocks: tuple[BlockLosses, ...]
    ) -> SignedReceipt:
        """The receipt of ``blocks``, the losses that were streamed for the submission."""
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
            environment=self._environment(),
        )
        return SignedReceipt(
            document=canonical_json(receipt.document()),
            hotkey=self._signer.hotkey,
            signature=self._signer.sign(receipt.digest.encode()),
        )


def losses_by_task(
    tasks: Iterable[TaskName], blocks: tuple[BlockLosses, ...]
) -> Mapping[TaskName, tuple[float, ...]]:
    """Losses in manifest order; blocks of one task arrive in that order."""
    return {
        task: tuple(x for b in blocks if b.block.task == task for x in b.losses) for task in tasks
    }
