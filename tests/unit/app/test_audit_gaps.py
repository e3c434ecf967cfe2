"""Why less of a round is compared: one row for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sn37.app.audit.derived_past import Past
from sn37.app.audit.gaps import Gap, gaps_of
from sn37.domain.ids import Block, CompetitionId, Hotkey
from sn37.domain.round.state import Beginning, ColdStart, OpenRound, Premises, ScoredLater
from sn37.testing.builders import a_round_plan, a_round_result

ONE = CompetitionId(1)
OPENED = OpenRound(plan=a_round_plan(premises=Premises()))
RESULT = replace(a_round_result(), near_duplicates=())
SYNC = RESULT.key.sync_block
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = ScoredLater(source=Hotkey("bob"), after=Block(0), at=Block(2000))


def a_past(**changes: object) -> Past:
    past = Past(ONE, (), since=Block(0), newest=RESULT)
    for name, value in changes.items():
        setattr(past, name, value)
    return past


def a_beginning(block: int, follows_from: int = 0) -> Beginning:
    follows = {ONE: Block(follows_from)} if follows_from else {}
    return Beginning(way=ColdStart.RECEIPTS, block=Block(block), follows_from=follows)


@pytest.mark.parametrize(
    ("case", "gaps"),
    [
        ({}, Gap.NONE),
        ({"result": replace(RESULT, forgotten_at=NOW)}, Gap.FORGOTTEN),
        ({"result": replace(RESULT, later=LATER)}, Gap.FOREIGN_ROWS),
        ({"beginning": a_beginning(SYNC)}, Gap.FOREIGN_ROWS),
        ({"beginning": a_beginning(SYNC - 1)}, Gap.NONE),
        ({"past": a_past(newest=None)}, Gap.PREVIOUS_GONE),
        (
            {"past": a_past(newest=None), "beginning": a_beginning(0)},
            Gap.PREVIOUS_GONE | Gap.FIRST_ADOPTED,
        ),
        ({"past": a_past(newest=replace(RESULT, forgotten_at=NOW))}, Gap.PREVIOUS_GONE),
        ({"result": replace(RESULT, missed_defences=None)}, Gap.DEFENCES_UNCOUNTED),
        ({"beginning": a_beginning(0, follows_from=SYNC + 1)}, Gap.PAST_MISSING),
        ({"beginning": a_beginning(0, follows_from=SYNC)}, Gap.NONE),
        ({"result": replace(RESULT, near_duplicates=None)}, Gap.COPIES_UNCHECKED),
        ({"opened": OpenRound(plan=a_round_plan())}, Gap.FIRST_RULE),
        ({"receipts": ()}, Gap.UNSCORED),
    ],
)
def test_a_round_has_the_gaps_of_the_table(case: Mapping[str, object], gaps: Gap) -> None:
    usual: dict[str, object] = {
        "opened": OPENED,
        "result": RESULT,
        "past": a_past(),
        "beginning": None,
        "receipts": ("a receipt",),
    }
    assert gaps_of(**{**usual, **case}) == gaps  # type: ignore[arg-type]


def test_every_gap_is_in_the_table() -> None:
    table = test_a_round_has_the_gaps_of_the_table.pytestmark[0].args[1]  # type: ignore[attr-defined]
    named = Gap.NONE
    for _, gaps in table:
        named |= gaps
    assert set(named) == set(Gap)
