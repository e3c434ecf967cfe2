"""Rounds and rows are kept in the order of blocks, whatever ended first."""

from __future__ import annotations

import io

from rich.console import Console

from sn37.adapters.telemetry.tables import render_report
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryResult
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders.rounds import a_round_key, a_round_result
from sn37.testing.fakes import FakeStateStore


async def test_a_round_that_was_sat_out_stands_after_the_longer_one_before_it() -> None:
    keeper = StateKeeper(FakeStateStore())
    later, earlier = a_round_key(1, 1080), a_round_key(1, 720)
    await keeper.finish_round(a_round_result(later, skipped=Reason.DEVICE))
    await keeper.finish_round(a_round_result(earlier))
    held = keeper.state.rounds[CompetitionId(1)]
    assert [r.key for r in held] == [earlier, later]


def test_rows_of_one_verdict_are_shown_in_the_order_of_their_blocks() -> None:
    rows = tuple(
        EntryResult(
            key=EntryKey(Hotkey(name), Block(block)),
            repo=f"{name}/model",
            verdict=Verdict.REJECTED,
            reason=Reason.TOO_LARGE,
            detail="",
        )
        for name, block in (("alice", 30), ("bob", 10), ("carol", 20))
    )
    text = io.StringIO()
    result = a_round_result(entries=rows)
    Console(file=text, width=200).print(render_report([result], {}, None, {}))
    found = text.getvalue()
    assert found.index("bob") < found.index("carol") < found.index("alice")
