"""What the state database refuses, what it keeps, and what it lets go of."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from sn37.adapters.sqlite.database import connect
from sn37.adapters.sqlite.schema import APPLICATION_ID, VERSION
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.domain.ids import TaskName
from sn37.domain.round.state import ValidatorState
from sn37.ports.errors import StateUnavailable, StateUnreadable
from sn37.testing.builders import (
    a_pool,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_submission,
    losses,
    some_samples,
)

_T = TypeVar("_T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "validator.sqlite"


def use(store: SqliteStateStore, *steps: Callable[[SqliteStateStore], Awaitable[_T]]) -> list[_T]:
    """Carry out the steps one after the other and close the store."""

    async def run() -> list[_T]:
        try:
            return [await step(store) for step in steps]
        finally:
            await store.close()

    return asyncio.run(run())


def load(path: Path) -> ValidatorState:
    return use(SqliteStateStore(path), lambda store: store.load())[0]


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """As a page would ask: from outside, for reading only."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_making_a_store_touches_no_file(path: Path) -> None:
    SqliteStateStore(path)
    assert list(path.parent.iterdir()) == []


def test_the_file_says_what_it_is(path: Path) -> None:
    load(path)
    assert query(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert query(path, "PRAGMA user_version") == [(VERSION,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert APPLICATION_ID.to_bytes(4) == b"sn37"


def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.touch()
    assert load(path) == ValidatorState()


def test_a_newer_database_is_refused_with_what_to_do_and_left_alone(path: Path) -> None:
    load(path)
    change(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StateUnreadable, match=f"version {VERSION + 1}.*upgrade") as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StateUnreadable, match="not a state database"):
        load(path)
    assert path.read_bytes() == before


@pytest.mark.fault("state disk", "wrong")
def test_a_file_that_is_not_a_database_is_refused_and_unchanged(path: Path) -> None:
    path.write_bytes(b"dear diary, " * 1000)
    before = path.read_bytes()
    with pytest.raises(StateUnreadable, match="damaged") as caught:
        load(path)
    assert "move it away" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.fault("state disk", "wrong")
def test_a_damaged_page_is_noticed(path: Path) -> None:
    use(SqliteStateStore(path), lambda store: store.save_submissions([a_submission()]))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StateUnreadable, match="damaged"):
        load(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE submission SET value = '{}'",
        "UPDATE round SET plan = 'none'",
        "UPDATE draw SET samples = NULL",
        "UPDATE draw SET method = 'guess'",
        "UPDATE journal SET losses = x'00'",
        "DROP TABLE weights",
    ],
)
@pytest.mark.fault("state disk", "wrong")
def test_a_damaged_value_is_noticed(path: Path, damage: str) -> None:
    plan = a_round_plan()
    use(
        SqliteStateStore(path),
        lambda store: store.save_submissions([a_submission()]),
        lambda store: store.open_round(plan),
        lambda store: store.append(plan.key, plan.entries[0], losses()),
    )
    change(path, damage)
    with pytest.raises(StateUnreadable, match="damaged") as caught:
        load(path)
    assert caught.value.__cause__ is not None


def test_a_second_validator_on_the_same_file_is_refused_in_one_line(path: Path) -> None:
    first, second = SqliteStateStore(path), SqliteStateStore(path)

    async def run() -> ValidatorState:
        await first.load()
        with pytest.raises(StateUnavailable, match="in use by another validator") as caught:
            await second.load()
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is not None
        await first.close()
        try:
            return await second.load()
        finally:
            await second.close()

    assert asyncio.run(run()) == ValidatorState()


def test_a_page_can_read_while_the_validator_runs(path: Path) -> None:
    async def count(store: SqliteStateStore) -> object:
        await store.save_submissions([a_submission()])
        return query(path, "SELECT hotkey, block, status FROM submission")

    assert use(SqliteStateStore(path), count) == [[("alice", 100, "seen")]]


@pytest.mark.fault("state disk", "down")
def test_a_full_disk_is_unavailable_and_costs_nothing_that_was_there(path: Path) -> None:
    opened: list[sqlite3.Connection] = []

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        opened.append(connection)
        return connection

    async def run() -> ValidatorState:
        store = SqliteStateStore(path, connect=small)
        await store.save_submissions([a_submission()])
        opened[0].execute("PRAGMA max_page_count = 1")  # never less than what is in use
        with pytest.raises(StateUnavailable, match="full") as caught:
            await store.freeze_pools(a_round_key(), {TaskName("text"): a_pool(count=500)})
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        try:
            return await store.load()
        finally:
            await store.close()

    state = asyncio.run(run())
    assert len(state.submissions) == 1
    assert load(path) == state


@pytest.mark.fault("state disk", "slow")
def test_the_event_loops_thread_never_waits_for_the_disk(path: Path) -> None:
    threads: list[int] = []

    def noted(path: Path) -> sqlite3.Connection:
        threads.append(threading.get_ident())
        return connect(path)

    use(SqliteStateStore(path, connect=noted), lambda store: store.load())
    assert threads
    assert threading.get_ident() not in threads


def finished_rounds(count: int) -> Iterator[Callable[[SqliteStateStore], Awaitable[None]]]:
    """Steps that freeze, open and finish so many rounds."""
    for n in range(count):
        key = a_round_key(1, 360 * (n + 1))
        pools = {TaskName("text"): a_pool(*some_samples(40, prefix="secret"))}
        yield partial(SqliteStateStore.freeze_pools, round_=key, pools=pools)
        yield partial(SqliteStateStore.open_round, plan=a_round_plan(key))
        yield partial(SqliteStateStore.finish_round, result=a_round_result(key))


@pytest.mark.parametrize("keep", [0, 1, 5])
def test_texts_of_old_rounds_are_dropped_and_their_manifests_kept(path: Path, keep: int) -> None:
    use(SqliteStateStore(path, keep_texts=keep), *finished_rounds(3))
    with_texts = min(keep, 3)
    assert query(path, "SELECT count(samples), count(manifest) FROM draw") == [(with_texts, 3)]
    assert query(path, "SELECT count(*) FROM pool") == [(with_texts,)]
    ((manifest,), *_) = query(path, "SELECT manifest FROM draw")
    sample = some_samples(1)[0]
    assert json.loads(str(manifest))[0] == [sample.provenance.row_id, sample.content_hash]
