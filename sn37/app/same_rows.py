"""Whether a receipt's rows are those that its block's hash draws here, and signed by the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sn37.domain.ids import TaskName
from sn37.domain.origins import SignedRows
from sn37.domain.overlap import overlaps
from sn37.domain.receipt import Receipt
from sn37.domain.samples import Sample
from sn37.domain.sampling import manifest
from sn37.domain.state import TaskDraw
from sn37.ports.errors import OfferRefused

# Of a task's rows that are drawn here too. Two validators that read their source at different
# moments differ by a few rows, and each changes four samples at most; who chose his own rows
# shares hardly any.
MIN_SHARED = 0.9


def require_signers(
    receipt: Receipt,
    signed: Sequence[SignedRows] | None,
    found: Mapping[TaskName, Sequence[Sample]],
    where: str,
) -> None:
    """Insist on the signers that the source has of those rows that are still there."""
    if signed is None:
        return  # of a version that did not tell
    told = {rows.task: rows.by_row for rows in signed}
    for task, rows in receipt.manifest.items():
        known = {s.provenance.row_id: s.provenance.signer for s in found.get(task, ())}
        by_row = told.get(task, (None,) * len(rows))
        for (row, _), signer in zip(rows, by_row, strict=True):
            if known.get(row, signer) != signer:
                raise OfferRefused(f"{where}: row {row} of {task} was signed by another")


def require_drawn(receipt: Receipt, draws: Sequence[TaskDraw], where: str) -> None:
    """Insist on a manifest that is, but for a few rows, what ``draws`` are here.

    Raises:
        OfferRefused: Too many rows were chosen otherwise.
    """
    ours = {d.batch.task: manifest(d.batch) for d in draws}
    for task, rows in receipt.manifest.items():
        if len(set(rows)) < len(rows):
            raise OfferRefused(f"{where}: a sample of {task} was scored twice")
    for overlap in overlaps(ours, receipt.manifest):
        if overlap.share < MIN_SHARED:
            raise OfferRefused(
                f"{where}: only {overlap.num_shared} of {overlap.num_ours} samples of "
                f"{overlap.task} are those that its block's hash draws"
            )
