"""What a validator signs of a round stays readable: by others, and by later versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sn37.app.statements import VERSION, read_statement, state_round
from sn37.domain.ids import Digest, Netuid, TaskName
from sn37.domain.opinion import Compared, Opinion, View
from sn37.domain.reasons import Reason
from sn37.domain.receipt import SignedReceipt
from sn37.domain.state import OpenRound, Verdict
from sn37.domain.statement import RoundStatement, told
from sn37.testing.builders import (
    a_commitment,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    a_submission,
    an_artifact,
    an_entry_result,
    an_outcome,
)

DATA = Path(__file__).parents[2] / "data"
VERSIONS = range(1, VERSION + 1)
ALICE, BOB, CAROL = (a_commitment(name, 100) for name in ("alice", "bob", "carol"))


OPINION = Opinion(
    key=ALICE.key,
    view=View.AGREES,
    samples=(Compared(task=TaskName("text"), position=3, ours=1.5, theirs=1.25),),
    environment={"device": "cpu"},
)


def a_statement(version: int) -> RoundStatement:
    """Alice keeps the crown, Bob fails, Carol waits."""
    waiting = an_entry_result(CAROL.key, verdict=Verdict.WAITING, reason=Reason.NOT_PUBLIC)
    plan = a_round_plan(
        champion=ALICE.key,
        entries=[ALICE.key, BOB.key],
        draws=(),
        listed=(waiting,),
    )
    plan = replace(plan, unreadable=frozenset({BOB.key}))
    failed = an_outcome(BOB.key, verdict=Verdict.FAILED, reason=Reason.TIMEOUT)
    opened = OpenRound(
        plan=plan,
        outcomes={ALICE.key: an_outcome(ALICE.key), BOB.key: failed},
        opinions={} if version == 1 else {ALICE.key: OPINION},
    )
    return state_round(
        opened,
        a_round_result(plan.key, champion=ALICE.key),
        submissions=[
            told(a_submission(ALICE, artifact=an_artifact(ALICE))),
            told(a_submission(BOB, failures=1)),
        ],
        receipts=[a_signed_receipt("alice")],
        previous=a_signed_receipt("the round before"),
        netuid=Netuid(37),
        fingerprint=Digest("f" * 64),
        code_version="0.1.0",
        version=version,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_is_written_as_this_version_of_statements_always_was(version: int) -> None:
    """A field that came to a value inside would make all older statements unreadable."""
    assert a_statement(version).document() == document_of(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_of_every_version_is_read(version: int) -> None:
    document = document_of(version)
    signed = SignedReceipt(document=document, hotkey=ALICE.hotkey, signature=b"s" * 64)
    assert read_statement(signed, lambda *_: True) == a_statement(version)


def document_of(version: int) -> bytes:
    return (DATA / f"statement_v{version}.json").read_bytes().rstrip(b"\n")
