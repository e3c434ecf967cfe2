"""A miner that commits again is told what becomes of the entry that is being scored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sn37.app.mining.replacing import evidence_at_stake
from sn37.domain.ids import Block, CompetitionId, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryResult, RoundResult, ValidatorState
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_competition,
    a_round_key,
    a_round_result,
    a_timing,
    an_entry_key,
    an_entry_result,
)

ONE = CompetitionId(1)
MINE = an_entry_key("mine", 450)
ROW = replace(an_entry_result(MINE), detail="0.80% of the 1.00% better that are needed")


def said(*rounds: RoundResult) -> str | None:
    return evidence_at_stake(
        ValidatorState(rounds={ONE: rounds}),
        Hotkey("mine"),
        rules=a_competition(delay_blocks=360),
        timing=a_timing(),
        head=Block(1_500),
    )


def a_round(*entries: EntryResult, block: int = 1_440) -> RoundResult:
    champion = an_entry_key("champion")
    return a_round_result(a_round_key(1, block), champion=champion, entries=entries)


def test_it_is_told_how_the_entry_stands_and_when_the_new_one_is_scored() -> None:
    told = said(a_round(ROW, block=1_080), a_round(ROW))
    assert told is not None
    assert "block 450 gathers evidence: 0.80% of the 1.00% better" in told
    assert "in the round of block 8280 at the earliest, in 23 hours" in told  # 7,200 after 1,080


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, reason=Reason.RACED_OUT),
        replace(ROW, verdict=Verdict.WAITING, reason=Reason.QUEUED),
        an_entry_result(an_entry_key("other")),
    ],
)
def test_nothing_is_said_where_nothing_gathers_evidence(row: EntryResult) -> None:
    assert said(a_round(row)) is None


def test_nor_of_a_champion_or_without_a_round() -> None:
    assert said(replace(a_round(ROW), champion=MINE)) is None
    assert said() is None
    assert said(a_round_result(a_round_key(1, 1_440), skipped=Reason.OVERRUN)) is None
