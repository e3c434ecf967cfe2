"""A receipt's rows have the signers that the source has of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn37.app.same_rows import require_signers
from sn37.domain.ids import Hotkey, TaskName
from sn37.domain.origins import signed_rows
from sn37.domain.samples import Sample
from sn37.ports.errors import OfferRefused
from sn37.testing.builders import a_receipt, a_sample

TEXT = TaskName("text")
RECEIPT = a_receipt()  # of row-1 and row-2


def row(name: str, signer: str | None) -> Sample:
    sample = a_sample()
    origin = replace(
        sample.provenance, row_id=name, signer=None if signer is None else Hotkey(signer)
    )
    return replace(sample, provenance=origin)


def check(*signers: str | None, found: tuple[Sample, ...]) -> None:
    told = (signed_rows(TEXT, [None if s is None else Hotkey(s) for s in signers]),)
    require_signers(RECEIPT, told, {TEXT: found}, "round 1")


def test_rows_that_are_gone_are_taken_as_told_and_others_are_compared() -> None:
    check("one", "two", found=(row("row-1", "one"),))
    require_signers(RECEIPT, None, {TEXT: (row("row-1", "one"),)}, "of a version before")
    require_signers(RECEIPT, (), {TEXT: (row("row-1", None),)}, "without signers")


@pytest.mark.parametrize("told", ["other", None])
def test_t51_a_row_under_another_name_is_refused(told: str | None) -> None:
    """A friend's rows would hide among honest ones."""
    with pytest.raises(OfferRefused, match="row row-2 of text was signed by another"):
        check("one", told, found=(row("row-1", "one"), row("row-2", "two")))
