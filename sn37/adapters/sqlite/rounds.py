"""Rounds in the database: pools, plans with their draws, results."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

from sn37.adapters.sqlite.stored import (
    MANIFEST,
    PLAN,
    POOL,
    RESERVE,
    RESULT,
    SAMPLES,
    SIGNERS,
    CodecError,
)
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import Pool
from sn37.domain.data.sampling import manifest
from sn37.domain.ids import Block, CompetitionId, Digest, RoundKey, TaskName
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import DrawnRows, RoundPlan, RoundResult, TaskDraw
from sn37.domain.schedule.methods import Method


def open_round_id(db: sqlite3.Connection, round_: RoundKey) -> int:
    """Return the row of an open round.

    Raises:
        ValueError: The round is not open.
    """
    found = _find(db, round_)
    if found is None or found[1] != "open":
        raise ValueError(f"{round_} is not open")
    return found[0]


def freeze_pools(db: sqlite3.Connection, round_: RoundKey, pools: Mapping[TaskName, Pool]) -> None:
    found = _find(db, round_)
    if found is not None and found[1] != "frozen":
        raise ValueError(f"{round_} is already open or finished; its pools cannot change")
    round_id = found[0] if found is not None else _insert(db, round_, "frozen")
    db.execute("DELETE FROM pool WHERE round_id = ?", (round_id,))
    db.executemany(
        "INSERT INTO pool (round_id, task, samples) VALUES (?, ?, ?)",
        [(round_id, task, POOL.dump(pool)) for task, pool in pools.items()],
    )


def pools(db: sqlite3.Connection, round_: RoundKey) -> dict[TaskName, Pool]:
    rows = db.execute(
        "SELECT task, samples FROM pool JOIN round ON round.id = round_id"
        " WHERE competition = ? AND sync_block = ? ORDER BY pool.id",
        (round_.competition, round_.sync_block),
    )
    return {TaskName(task): POOL.load(samples) for task, samples in rows}


def open_round(db: sqlite3.Connection, plan: RoundPlan) -> None:
    found = _find(db, plan.key)
    if found is not None and found[1] != "frozen":
        return
    round_id = found[0] if found is not None else _insert(db, plan.key, "frozen")
    db.execute(
        "UPDATE round SET status = 'open', plan = ? WHERE id = ?",
        (PLAN.dump(plan), round_id),
    )
    db.executemany(
        "INSERT INTO draw (round_id, task, method, pool_size, pool_digest, manifest, samples,"
        " reserve) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                round_id,
                draw.batch.task,
                draw.batch.method.value,
                draw.pool_size,
                draw.pool_digest,
                MANIFEST.dump(manifest(draw.batch)),
                SAMPLES.dump(draw.batch.samples),
                None if draw.reserve is None else RESERVE.dump(draw.reserve),
            )
            for draw in plan.draws
        ],
    )


def screen_round(db: sqlite3.Connection, plan: RoundPlan) -> None:
    round_id = open_round_id(db, plan.key)
    waiting = db.execute(
        "SELECT EXISTS (SELECT 1 FROM draw WHERE round_id = ? AND reserve NOT NULL)", (round_id,)
    ).fetchone()[0]
    if not waiting:
        return
    db.execute("UPDATE round SET plan = ? WHERE id = ?", (PLAN.dump(plan), round_id))
    db.executemany(
        "UPDATE draw SET manifest = ?, samples = ?, reserve = NULL WHERE round_id = ? AND task = ?",
        [
            (
                MANIFEST.dump(manifest(d.batch)),
                SAMPLES.dump(d.batch.samples),
                round_id,
                d.batch.task,
            )
            for d in plan.draws
        ],
    )


def open_plans(db: sqlite3.Connection) -> dict[int, RoundPlan]:
    """Return the plans of the open rounds by row, the oldest first."""
    rows = db.execute(
        "SELECT id, competition, sync_block FROM round WHERE status = 'open'"
        " ORDER BY sync_block, competition"
    ).fetchall()
    plans = {}
    for row, competition, sync_block in rows:
        found = plan_of(db, RoundKey(CompetitionId(competition), Block(sync_block)))
        if found is None:
            raise CodecError(f"an open round of {competition} at {sync_block} has no plan")
        plans[row] = replace(found[1], draws=_draws(db, row))
    return plans


def plan_of(db: sqlite3.Connection, round_: RoundKey) -> tuple[int, RoundPlan] | None:
    """Return the row and the plan of an opened round, without its draws."""
    row = db.execute(
        "SELECT id, plan FROM round WHERE competition = ? AND sync_block = ? AND plan NOT NULL",
        (round_.competition, round_.sync_block),
    ).fetchone()
    if row is None:
        return None
    plan = PLAN.load(row[1])
    if plan.key != round_:
        raise CodecError(f"the plan of {plan.key} is stored under {round_}")
    return row[0], plan


def drawn(db: sqlite3.Connection, round_: RoundKey) -> tuple[DrawnRows, ...]:
    """Return the draws of an opened round, without the texts."""
    rows = db.execute(
        "SELECT task, method, pool_size, pool_digest, manifest FROM draw"
        " JOIN round ON round.id = round_id WHERE competition = ? AND sync_block = ?"
        " ORDER BY draw.id",
        (round_.competition, round_.sync_block),
    )
    return tuple(
        DrawnRows(
            task=TaskName(task),
            method=method,
            pool_size=size,
            pool_digest=Digest(digest),
            manifest=MANIFEST.load(stored),
        )
        for task, method, size, digest, stored in rows
    )


def signers(
    db: sqlite3.Connection, competition: CompetitionId, since: Block
) -> dict[Block, SampleSigners]:
    rows = db.execute(
        "SELECT sync_block, json_extract(plan, '$.signers') FROM round"
        " WHERE competition = ? AND sync_block >= ? AND plan NOT NULL ORDER BY sync_block",
        (competition, since),
    )
    return {Block(sync): SIGNERS.load(text) for sync, text in rows if text is not None}


def finish_round(db: sqlite3.Connection, result: RoundResult, *, keep_texts: int) -> bool:
    """Record the result; return whether it is new. Keep texts of ``keep_texts`` rounds only."""
    found = _find(db, result.key)
    if found is not None and found[1] == "finished":
        return False
    round_id = found[0] if found is not None else _insert(db, result.key, "frozen")
    db.execute(
        "UPDATE round SET status = 'finished', result = ? WHERE id = ?",
        (RESULT.dump(result), round_id),
    )
    if result.skipped is not None and result.later is None:
        db.execute("UPDATE round SET plan = NULL WHERE id = ?", (round_id,))
        db.execute("DELETE FROM draw WHERE round_id = ?", (round_id,))
    _drop_texts(db, result.key.competition, keep=keep_texts)
    return True


def unfinish_missed(db: sqlite3.Connection, round_: RoundKey) -> bool:
    """Clear a missed round for a new record; return whether it may be recorded.

    Raises:
        ValueError: The round is open.
    """
    row = db.execute(
        "SELECT id, status, plan NOT NULL FROM round WHERE competition = ? AND sync_block = ?",
        (round_.competition, round_.sync_block),
    ).fetchone()
    if row is None:
        return True
    round_id, status, was_opened = row
    if status == "open":
        raise ValueError(f"{round_} is open")
    if status == "finished" and was_opened:
        return False
    db.execute("DELETE FROM pool WHERE round_id = ?", (round_id,))  # it was drawn from others
    db.execute("UPDATE round SET status = 'frozen', result = NULL WHERE id = ?", (round_id,))
    return True


def results(db: sqlite3.Connection) -> dict[CompetitionId, tuple[RoundResult, ...]]:
    """Return every finished round by competition, the oldest first."""
    found: dict[CompetitionId, list[RoundResult]] = {}
    rows = db.execute(
        "SELECT competition, sync_block, result FROM round WHERE status = 'finished'"
        " ORDER BY competition, sync_block"
    )
    for competition, sync_block, result in rows:
        read = RESULT.load(result)
        if read.key != RoundKey(CompetitionId(competition), Block(sync_block)):
            raise CodecError(f"{read.key} is stored under round {sync_block} of {competition}")
        found.setdefault(read.key.competition, []).append(read)
    return {competition: tuple(rounds) for competition, rounds in found.items()}


def _draws(db: sqlite3.Connection, round_id: int) -> tuple[TaskDraw, ...]:
    rows = db.execute(
        "SELECT task, method, pool_size, pool_digest, samples, reserve FROM draw"
        " WHERE round_id = ? ORDER BY id",
        (round_id,),
    )
    return tuple(_draw(*row) for row in rows)


def _draw(
    task: str, method: str, pool_size: int, digest: str, samples: str | None, reserve: str | None
) -> TaskDraw:
    if samples is None or method not in set(Method):
        raise CodecError(f"the draw of {task} by {method} lacks its texts or its method")
    return TaskDraw(
        batch=TaskBatch(task=TaskName(task), method=Method(method), samples=SAMPLES.load(samples)),
        pool_size=pool_size,
        pool_digest=Digest(digest),
        reserve=None if reserve is None else RESERVE.load(reserve),
    )


def _drop_texts(db: sqlite3.Connection, competition: CompetitionId, *, keep: int) -> None:
    old = (
        " round_id IN (SELECT id FROM round WHERE competition = ? AND status = 'finished'"
        " ORDER BY sync_block DESC LIMIT -1 OFFSET ?)"
    )
    db.execute(f"DELETE FROM pool WHERE {old}", (competition, keep))
    db.execute(
        f"UPDATE draw SET samples = NULL, reserve = NULL WHERE samples IS NOT NULL AND {old}",
        (competition, keep),
    )


def _find(db: sqlite3.Connection, round_: RoundKey) -> tuple[int, str] | None:
    row: tuple[int, str] | None = db.execute(
        "SELECT id, status FROM round WHERE competition = ? AND sync_block = ?",
        (round_.competition, round_.sync_block),
    ).fetchone()
    return row


def _insert(db: sqlite3.Connection, round_: RoundKey, status: str) -> int:
    row: tuple[int] = db.execute(
        "INSERT INTO round (competition, sync_block, status) VALUES (?, ?, ?) RETURNING id",
        (round_.competition, Block(round_.sync_block), status),
    ).fetchone()
    return row[0]
