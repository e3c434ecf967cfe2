"""What a validator signs of a round stays readable: by others, and by later versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.app.receipts.statements import (
    DEFENCES_VERSION,
    SCREENED_VERSION,
    VERSION,
    UnreadableStatement,
    read_statement,
    state_round,
)
from sn37.domain.data.screening import screening_of
from sn37.domain.ids import Block, Digest, EntryKey, Netuid, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundStatement, as_stated
from sn37.domain.round.state import OpenRound, Premises
from sn37.domain.scoring.opinion import Compared, Opinion, View
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_plan,
    a_round_result,
    a_sample,
    a_signed_receipt,
    a_submission,
    an_artifact,
    an_entry_result,
    an_outcome,
    some_samples,
)

DATA = Path(__file__).parents[2] / "data"
ALICE, BOB, CAROL, DAVE = (a_commitment(n, 100) for n in ("alice", "bob", "carol", "dave"))


OPINION = Opinion(
    key=ALICE.key,
    view=View.AGREES,
    samples=(Compared(task=TaskName("text"), position=3, ours=1.5, theirs=1.25),),
    environment={"device": "cpu"},
)
PREMISES = Premises(
    former=ALICE.key,
    is_shielded=True,
    num_judged=7,
    awaited=(DAVE.key,),
    clocks=((BOB.key, Block(150)),),
)
FIFTH = replace(PREMISES, missed_defences=3, contenders=(BOB.key,))


SCREENING = screening_of(
    (*some_samples(3, signers=("v1", "v2")), a_sample("unsigned")), 2, [1.5, 2.5, 11.0, 0.5]
)


def a_statement(version: int) -> RoundStatement:
    """Alice keeps the crown, Bob fails, Carol waits; since version 2 Dave is waited for."""
    is_second = version >= VERSION
    waiting = an_entry_result(CAROL.key, verdict=Verdict.WAITING, reason=Reason.NOT_PUBLIC)
    plan = a_round_plan(
        champion=ALICE.key,
        entries=[ALICE.key, BOB.key],
        draws=(),
        listed=(waiting,),
    )
    premises = PREMISES if is_second else None
    if version == DEFENCES_VERSION:
        premises = FIFTH
    plan = replace(plan, unreadable=frozenset({BOB.key}), premises=premises)
    if version == SCREENED_VERSION:
        plan = replace(plan, screenings={TaskName("text"): SCREENING})
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
            as_stated(a_submission(ALICE, artifact=an_artifact(ALICE))),
            as_stated(a_submission(BOB, failures=1)),
            *([as_stated(a_submission(DAVE))] if is_second else []),
        ],
        receipts=[a_signed_receipt("alice")],
        previous=a_signed_receipt("the round before"),
        netuid=Netuid(37),
        fingerprint=Digest("f" * 64),
        code_version="0.1.0",
        version=version,
    )


def document(version: int) -> bytes:
    return (DATA / f"statement_v{version}.json").read_bytes().rstrip(b"\n")


def read(document: bytes) -> RoundStatement:
    signed = SignedReceipt(document=document, hotkey=ALICE.hotkey, signature=b"s" * 64)
    return read_statement(signed, lambda *_: True)


VERSIONS = [1, VERSION, SCREENED_VERSION, DEFENCES_VERSION]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_is_written_as_its_version_of_statements_always_was(version: int) -> None:
    """A field that came to a value inside would make all older statements unreadable."""
    assert a_statement(version).document() == document(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_of_any_version_is_read(version: int) -> None:
    assert read(document(version)) == a_statement(version)


@pytest.mark.parametrize(
    ("premises", "fault"),
    [
        (None, "not a statement as this version writes them"),
        (replace(PREMISES, awaited=(DAVE.key, DAVE.key)), "waits for an entry twice"),
        (replace(PREMISES, awaited=(ALICE.key,)), "for an entry that took part"),
        (replace(PREMISES, awaited=(CAROL.key,)), "does not list every entry"),
        (replace(PREMISES, clocks=((BOB.key, Block(99)),)), "a clock began before"),
        (replace(PREMISES, clocks=((BOB.key, Block(10**6)),)), "or after the round"),
        (replace(PREMISES, num_judged=-1), "a clock began before"),
        (replace(PREMISES, missed_defences=3), "not a statement as this version writes them"),
        (replace(PREMISES, contenders=()), "not a statement as this version writes them"),
    ],
)
def test_premises_that_no_round_can_have_are_refused(premises: Premises | None, fault: str) -> None:
    with pytest.raises(UnreadableStatement, match=fault):
        read(replace(a_statement(VERSION), premises=premises).document())


@pytest.mark.parametrize(
    "forge",
    [lambda s: replace(s, failures=-1000), lambda s: replace(s, missed_rounds=-1000)],
    ids=["failures", "missed_rounds"],
)
def test_a_submission_that_failed_less_than_never_is_refused(
    forge: Callable[[Submission], Submission],
) -> None:
    statement = a_statement(VERSION)
    first, *others = statement.submissions
    forged = replace(statement, submissions=(forge(first), *others))
    with pytest.raises(UnreadableStatement, match="failures or missed rounds is negative"):
        read(forged.document())


@pytest.mark.parametrize("num_missed", [-1, 24])
def test_a_champion_cannot_have_missed_more_rounds_than_are_counted(num_missed: int) -> None:
    premises = replace(FIFTH, missed_defences=num_missed)
    with pytest.raises(UnreadableStatement, match=f"its champion missed {num_missed} rounds"):
        read(replace(a_statement(DEFENCES_VERSION), premises=premises).document())


@pytest.mark.parametrize(
    ("contenders", "fault"),
    [
        (None, "not a statement as this version writes them"),
        ((BOB.key, BOB.key), "names 2 contenders, or one twice"),
        (tuple(a_commitment(f"c{n}", 100).key for n in range(5)), "names 5 contenders"),
        ((ALICE.key,), "one of its contenders is its champion"),
        ((CAROL.key,), "or did not take part"),
    ],
)
def test_contenders_that_no_round_can_have_are_refused(
    contenders: tuple[EntryKey, ...] | None, fault: str
) -> None:
    premises = replace(FIFTH, contenders=contenders)
    with pytest.raises(UnreadableStatement, match=fault):
        read(replace(a_statement(DEFENCES_VERSION), premises=premises).document())


def test_a_contender_that_no_time_was_left_for_is_refused() -> None:
    statement = a_statement(DEFENCES_VERSION)
    late = tuple(
        replace(o, verdict=Verdict.WAITING) if o.key == BOB.key else o for o in statement.outcomes
    )
    with pytest.raises(UnreadableStatement, match="no time for its champion or for a contender"):
        read(replace(statement, outcomes=late).document())
    others = replace(statement, outcomes=late, premises=replace(FIFTH, contenders=()))
    assert read(others.document()) == others


def test_a_statement_of_missed_defences_may_be_of_screened_rows() -> None:
    screened = replace(a_statement(DEFENCES_VERSION), screenings={TaskName("text"): SCREENING})
    assert read(screened.document()) == screened


def test_a_shield_that_is_no_truth_value_is_refused() -> None:
    assert b'"is_shielded":true' in document(VERSION)
    with pytest.raises(UnreadableStatement):
        read(document(VERSION).replace(b'"is_shielded":true', b'"is_shielded":1'))


@pytest.mark.parametrize(("version", "screened"), [(VERSION, True), (SCREENED_VERSION, False)])
def test_a_statement_tells_of_screened_rows_in_its_version_and_no_other(
    version: int, screened: bool
) -> None:
    told = {TaskName("text"): SCREENING} if screened else None
    written = replace(a_statement(version), screenings=told, version=SCREENED_VERSION).document()
    wrong = written.replace(b'"version":4', f'"version":{version}'.encode())
    with pytest.raises(UnreadableStatement, match="not a statement as this version writes them"):
        read(wrong)


def test_screened_rows_that_contradict_themselves_are_refused() -> None:
    assert b'"losses":[41,92,240,-69]' in document(SCREENED_VERSION)
    for losses in (b"[41,92,240]", b"[41,92,240,-69.5]", b"[41,92,240,true]"):
        with pytest.raises(UnreadableStatement):
            read(document(SCREENED_VERSION).replace(b"[41,92,240,-69]", losses))
