"""What a validator signs of a round stays readable: by others, and by later versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sn37.app.statements import VERSION, read_statement, state_round
from sn37.domain.ids import Digest, Netuid
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

FILE = Path(__file__).parents[2] / "data" / f"statement_v{VERSION}.json"
ALICE, BOB, CAROL = (a_commitment(name, 100) for name in ("alice", "bob", "carol"))


def a_statement() -> RoundStatement:
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
    opened = OpenRound(plan=plan, outcomes={ALICE.key: an_outcome(ALICE.key), BOB.key: failed})
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
    )


def test_a_statement_is_written_as_this_version_of_statements_always_was() -> None:
    """A field that came to a value inside would make all older statements unreadable."""
    assert a_statement().document() == FILE.read_bytes().rstrip(b"\n")


def test_a_statement_of_this_version_is_read() -> None:
    document = FILE.read_bytes().rstrip(b"\n")
    signed = SignedReceipt(document=document, hotkey=ALICE.hotkey, signature=b"s" * 64)
    assert read_statement(signed, lambda *_: True) == a_statement()
