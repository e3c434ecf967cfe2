"""A crash at any moment leaves every step done or not begun."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sn37
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import ColdStart, ScoredLater
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import StateUnavailable
from sn37.testing.builders import (
    a_beginning,
    a_commitment,
    a_pool,
    a_round_key,
    a_round_plan,
    a_round_record,
    a_round_result,
    a_signed_receipt,
    a_submission,
    a_weights_record,
    an_entry_key,
    an_outcome,
    losses,
)
from sn37.testing.fakes import FakeStateStore

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore

Step = Callable[["StateStore"], Awaitable[None]]

ENTRIES = (an_entry_key("alice", 100), an_entry_key("bob", 200))
TAKEN_OVER = a_round_key(3, 0)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROUNDS = tuple(a_round_key(c, 360 * n) for n in range(1, 13) for c in (1, 2))


def steps_of(key: RoundKey) -> Iterable[Step]:
    """What a validator records in one round."""
    seen = [a_submission(a_commitment(e.hotkey, e.block)) for e in ENTRIES]
    changed = a_submission(a_commitment("bob", 200), missed_rounds=key.sync_block)
    plan = a_round_plan(key, champion=ENTRIES[0], entries=ENTRIES)
    yield lambda store: store.save_submissions(seen)
    yield lambda store: store.freeze_pools(key, {TaskName("text"): a_pool()})
    yield lambda store: store.open_round(plan)
    for entry in ENTRIES:
        for first in (0, 16, 32):
            yield append(key, entry, losses(*(n / 16 for n in range(16)), first=first))
        yield finish_entry(key, entry, a_signed_receipt(f"{key} {entry}"))
    yield lambda store: store.finish_round(a_round_result(key), [changed])
    yield lambda store: store.record_weights(a_weights_record(key.sync_block))
    for keep in (ENTRIES[:1], ()):
        yield forget(key, keep)


def append(key: RoundKey, entry: EntryKey, block: BlockLosses) -> Step:
    return lambda store: store.append(key, entry, block)


def finish_entry(key: RoundKey, entry: EntryKey, receipt: SignedReceipt) -> Step:
    outcome = an_outcome(entry, verdict=Verdict.SCORED)
    return lambda store: store.finish_entry(key, outcome, receipt)


def forget(key: RoundKey, keep: Collection[EntryKey]) -> Step:
    """All but the newest round of the competition, or the newest as well when it is the first."""

    async def step(store: StateStore) -> None:
        before = Block(key.sync_block + (key == ROUNDS[0]))
        await store.forget(key.competition, before=before, keep=keep, at=NOW)

    return step


def take_over() -> Step:
    """A beginning with another validator's round."""
    record = a_round_record(TAKEN_OVER)
    known = [a_submission(a_commitment(e.hotkey, e.block)) for e in ENTRIES]
    beginning = a_beginning(ColdStart.RECEIPTS)
    return lambda store: store.begin(beginning, rounds=[record], submissions=known)


def scored_later() -> Step:
    """A round that was missed, recorded whole."""
    key = a_round_key(4, 360)
    record = a_round_record(key)
    later = ScoredLater(source=Hotkey("other"), after=Block(720), at=Block(730))
    result = replace(record.result, champion=None, skipped=Reason.ABSENT, later=later)
    return lambda store: store.record_later(replace(record, result=result))


STEPS = (take_over(), scored_later(), *(step for key in ROUNDS for step in steps_of(key)))


async def everything(store: StateStore, rounds: Iterable[RoundKey]) -> tuple[object, ...]:
    """All that the store can be asked for about these rounds."""
    return (
        await store.load(),
        [await store.losses(CompetitionId(c), ENTRIES) for c in (1, 2)],
        [await store.pools(key) for key in rounds],
        [await store.receipts(key) for key in (TAKEN_OVER, *rounds)],
        await store.statement(TAKEN_OVER),
    )


class FlakyConnection(sqlite3.Connection):
    """Refuses a statement: the next one when ``left`` is 0, the one after it when 1, ..."""

    left: int | None = None

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, parameters)  # type: ignore[arg-type]

    def executemany(self, sql: str, parameters: object, /) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, parameters)  # type: ignore[arg-type]

    def _count(self, sql: str) -> None:
        if self.left is None or sql == "ROLLBACK":
            return
        if self.left == 0:
            self.left = None
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        self.left -= 1


@pytest.mark.fault("state disk", "flapping")
def test_a_failure_between_any_two_statements_leaves_the_step_not_begun(tmp_path: Path) -> None:
    opened: list[FlakyConnection] = []

    def flaky(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=FlakyConnection
        )
        opened.append(connection)
        return connection

    async def run() -> int:
        store, model = SqliteStateStore(tmp_path / "state.sqlite", connect=flaky), FakeStateStore()
        rounds, num_failures = ROUNDS[:1], 0
        await store.load()
        for step in (take_over(), *steps_of(rounds[0])):
            before = await everything(model, rounds)
            for opened[0].left in count():
                try:
                    await step(store)
                except StateUnavailable:
                    num_failures += 1
                    assert await everything(store, rounds) == before
                else:
                    break
            opened[0].left = None
            await step(model)
            assert await everything(store, rounds) == await everything(model, rounds)
        await store.close()
        return num_failures

    assert asyncio.run(run()) > 4 * len(list(steps_of(ROUNDS[0])))


def test_a_failure_while_the_database_is_made_leaves_none_behind(tmp_path: Path) -> None:
    async def run() -> int:
        for statement in count():

            def flaky(path: Path, statement: int = statement) -> sqlite3.Connection:
                connection = sqlite3.connect(
                    path, isolation_level=None, check_same_thread=False, factory=FlakyConnection
                )
                connection.left = statement
                return connection

            store = SqliteStateStore(tmp_path / "state.sqlite", connect=flaky)
            try:
                await store.load()
            except StateUnavailable:
                continue
            else:
                return statement
            finally:
                await store.close()
        raise AssertionError

    assert asyncio.run(run()) > 10


def test_kill_9_at_random_moments_loses_no_step_and_does_none_twice(tmp_path: Path) -> None:
    path, done, model, moments = tmp_path / "state.sqlite", 0, FakeStateStore(), random.Random(37)

    async def recover(num_acknowledged: int) -> int:
        """Compare with the steps that were acknowledged, or one more; return how many."""
        nonlocal done
        store = SqliteStateStore(path)
        found = await everything(store, ROUNDS)
        await store.close()
        for _ in range(num_acknowledged):
            await STEPS[done](model)
            done += 1
        if found != await everything(model, ROUNDS):
            await STEPS[done](model)  # it was done when the process died before saying so
            done += 1
        assert found == await everything(model, ROUNDS)
        return done

    for _ in range(4):
        asyncio.run(recover(kill_after(path, done, num_steps=moments.randrange(5, 60))))
    assert 20 <= done < len(STEPS)


def kill_after(path: Path, done: int, num_steps: int) -> int:
    """Let a process go on after ``done`` steps and kill it; how many it acknowledged.

    It is killed in the middle of the step after ``num_steps``, or right after that one.
    """
    command = [sys.executable, __file__, str(path), str(done), str(done + num_steps + 1)]
    root = Path(sn37.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        for _ in range(num_steps):
            assert child.stdout.readline()
        child.kill()
        return num_steps + len(child.stdout.read().splitlines())


async def go_on(path: Path, done: int, stop: int) -> None:
    """The process that is killed."""
    store = SqliteStateStore(path)
    for step in STEPS[done:stop]:
        await step(store)
        os.write(1, b"done\n")
    os.read(0, 1)  # until killed; nothing is ever sent


if __name__ == "__main__":
    asyncio.run(go_on(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
