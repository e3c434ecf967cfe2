"""Comparison of the samples of two validators' receipts."""

from __future__ import annotations

from pathlib import Path

from sn37.app.errors import CommandError
from sn37.app.receipts.files import MAX_BYTES, UnreadableReceipt, read_receipt
from sn37.domain.data.overlap import Overlap, overlaps
from sn37.domain.ids import RoundKey
from sn37.domain.records.receipt import Receipt


def compare(ours: Path, theirs: Path) -> tuple[RoundKey, tuple[Overlap, ...]]:
    """Return the round of two receipts, and the overlap of their samples.

    Raises:
        CommandError: A file is not a receipt, or they are of different rounds.
    """
    mine, yours = _read(ours), _read(theirs)
    if mine.round != yours.round:
        raise CommandError(
            f"{theirs} is of competition {yours.round.competition}, round "
            f"{yours.round.sync_block}; {ours} of competition {mine.round.competition}, round "
            f"{mine.round.sync_block}"
        )
    return mine.round, overlaps(mine.manifest, yours.manifest)


def _read(file: Path) -> Receipt:
    try:
        with file.open("rb") as opened:
            return read_receipt(opened.read(MAX_BYTES + 1))[0]
    except OSError as error:
        raise CommandError(
            f"{file}: {error.strerror or error}; expected a receipt that sn37 receipts export wrote"
        ) from error
    except UnreadableReceipt as error:
        raise CommandError(f"{file}: {error}") from error
