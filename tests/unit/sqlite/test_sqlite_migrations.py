"""Databases of earlier versions, as their own programs wrote them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite import schema_version as versions
from sn37.adapters.sqlite.schema import MIGRATIONS, VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.domain.round.state import OpenRound, ValidatorState
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_result,
    a_signed_receipt,
    a_submission,
    a_weights_record,
    an_entry_key,
    losses,
)

DATA = Path(__file__).parents[2] / "data" / "state"
EARLIER = sorted(DATA.glob("version-*.sql"))
ROUND = a_round_key(1, 720)


@pytest.fixture(params=EARLIER, ids=lambda file: file.stem)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(request.param.read_text(encoding="utf-8"))
    return path


def opened(path: Path) -> tuple[ValidatorState, OpenRound | None, int]:
    async def read() -> tuple[ValidatorState, OpenRound | None, int]:
        store = SqliteStateStore(path)
        try:
            receipts = await store.receipts(ROUND)
            assert receipts == (a_signed_receipt(),)
            return await store.load(), await store.recorded(ROUND), len(receipts)
        finally:
            await store.close()

    return asyncio.run(read())


def test_there_is_one_of_every_earlier_version() -> None:
    assert [file.stem for file in EARLIER] == [f"version-{n}" for n in range(1, VERSION)]
    assert len(MIGRATIONS) == VERSION


def test_nothing_is_lost_when_it_is_brought_up_to_date(path: Path) -> None:
    state, round_, _ = opened(path)
    assert state.submissions == {
        an_entry_key("alice", 100): a_submission(a_commitment("alice", 100))
    }
    # By the first rule every champion was shielded, and nobody counted missed defences.
    result = replace(a_round_result(ROUND), is_shielded=True, missed_defences=None)
    assert state.rounds == {ROUND.competition: (result,)}
    assert [w.sync_block for w in state.weights] == [a_weights_record(720).sync_block]
    assert round_ is not None
    expected = losses(*(n / 16 for n in range(16)))
    assert round_.journal == {an_entry_key("alice", 100): (expected,)}
    assert maintenance.verify(path).version == VERSION


def test_it_can_be_brought_up_to_date_without_a_validator(path: Path) -> None:
    before, after = maintenance.verify(path), versions.migrate(path)
    assert (before.version < VERSION, after.version) == (True, VERSION)
    assert (after.rows, after.newest_round) == (before.rows, before.newest_round)
    assert versions.migrate(path) == maintenance.verify(path)


def test_a_copy_of_it_can_be_checked_and_restored(path: Path, tmp_path: Path) -> None:
    before = maintenance.verify(path)
    assert before.version < VERSION
    maintenance.restore(path, tmp_path / "new" / "state.sqlite")
    assert opened(tmp_path / "new" / "state.sqlite")[2] == 1
