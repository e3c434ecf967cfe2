"""Whatever is changed in a stored record, the store refuses it or an audit names it.

Every kind of field of every table is changed once, at a random place. What is found blind is
listed here, and nothing else may be.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.audit.auditor import Auditor
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Digest
from sn37.domain.reasons import Reason
from sn37.domain.round.winner import KingOfTheHill
from sn37.ports.errors import StateUnreadable
from sn37.testing.builders import a_commitment, an_artifact
from tests.support.fake_world import World, is_signed_by_fake, one_competition

Place = tuple[str, int, str, tuple[str | int, ...]]  # table, row, column, path in its JSON

SCHEDULE = one_competition(num_samples=80)
ROWS = ("submission", "round", "draw", "journal", "outcome", "environment", "receipt")
TABLES = (*ROWS, "statement", "weights")
NO_JSON = {"journal", "receipt", "statement"}
# Keys of rows, and copies of what is read elsewhere, which nobody reads.
UNREAD = {"id", "round_id", "outcome_id", "status", "samples"}
BLIND = {
    # For the operator's eyes: how long it took, and how much text it was.
    "journal.tokens",
    "journal.seconds",
    # Known to the chain alone: when the weights were sent, and as which extrinsic.
    "weights.value.sent_at",
    # Where the files lie on this machine.
    "submission.value.artifact.path",
    # Words, which another version may choose differently. Those of outcomes are signed.
    "round.result.entries.detail",
    "submission.value.detail",
    # What an entry ran on that got no receipt.
    "environment.value.device of one that was not scored",
    # Of one that never was an entry: known to the chain and to its files alone.
    *(
        f"submission.value.{name} of one that never took part"
        for name in (
            "artifact.architecture",
            "artifact.content_digest",
            "artifact.parameters",
            "artifact.path",
            "artifact.size_bytes",
            "commitment.extrinsic_index",
            "commitment.format",
            "commitment.model.revision",
            "commitment.model.secure_hash",
            "detail",
        )
    ),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crown that passes on, and one entry of each other kind; three rounds, sqlite."""
    path = tmp_path_factory.mktemp("audited") / "state.sqlite"
    store = SqliteStateStore(path)
    world = World(schedule=SCHEDULE, disk=store)
    world.miner("first", 1.0, block=100)
    world.miner("worse", 1.5, block=110)
    world.miner("broken", math.nan, block=120)
    copy = a_commitment("copier", 130)
    original = an_artifact(world.miner("model", 1.001, block=125))
    world.miner(
        "copier", 1.0, block=130, artifact=replace(original, ref=copy.model), commitment=copy
    )
    world.miner("refused", 1.0, block=140)
    world.miner("near", 1.0005, block=145)
    revision = a_commitment("refused", 140).model.revision
    world.models.rejections[revision] = Reason.UNSAFE_FILE
    world.miner("better", 0.9, block=450)
    world.run(rounds=3)
    asyncio.run(store.close())
    return path


def audited(path: Path) -> list[str]:
    async def go() -> list[str]:
        store = SqliteStateStore(path)
        try:
            auditor = Auditor(
                store=store,
                schedule=SCHEDULE,
                fingerprint=Digest("f" * 64),
                rule=KingOfTheHill(),
                verify=is_signed_by_fake,
            )
            return [str(d) for d in (await auditor.run()).differences]
        finally:
            await store.close()

    try:
        return asyncio.run(go())
    except StateUnreadable as error:
        return [str(error)]


def leaves(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every number, text and truth value in it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from leaves(inner, (*path, position))
    elif value is not None:
        yield path


def places(db: sqlite3.Connection) -> dict[str, list[Place]]:
    """Where each kind of field is stored."""
    found: dict[str, list[Place]] = {}
    outcomes = db.execute("SELECT round_id, hotkey, verdict FROM outcome").fetchall()
    scored = {(round_id, hotkey) for round_id, hotkey, verdict in outcomes if verdict == "scored"}
    took_part = {hotkey for _, hotkey, _ in outcomes}
    for table in TABLES:
        cursor = db.execute(f"SELECT rowid, * FROM {table}")
        names = [d[0] for d in cursor.description][1:]
        for rowid, *values in cursor:
            row = dict(zip(names, values, strict=True))
            note = ""
            if table == "environment" and (row["round_id"], row["hotkey"]) not in scored:
                note = " of one that was not scored"
            if table == "submission" and row["hotkey"] not in took_part:
                note = " of one that never took part"
            for name, value in row.items():
                if name in UNREAD or value is None:
                    continue
                is_json = table not in NO_JSON and isinstance(value, str) and value[:1] in "[{"
                for path in leaves(json.loads(value)) if is_json else [()]:
                    words = [str(p) for p in path if isinstance(p, str) and ":" not in p]
                    kind = ".".join((table, name, *words)) + note
                    found.setdefault(kind, []).append((table, rowid, name, path))
    return found


def changed(value: object) -> object:
    """Another value of the same kind: one digit, letter or bit of it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return math.nextafter(value, math.inf)
    if isinstance(value, bytes):
        position = random.Random(value).randrange(len(value))
        return bytes((*value[:position], value[position] ^ 1, *value[position + 1 :]))
    assert isinstance(value, str)
    position = random.Random(value).randrange(len(value)) if value else 0
    other = "1" if value[position : position + 1] != "1" else "2"
    return value[:position] + other + value[position + 1 :]


def change(db: sqlite3.Connection, place: Place) -> None:
    table, rowid, name, path = place
    (value,) = db.execute(f"SELECT {name} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    if path:
        document = json.loads(value)
        inner = document
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = changed(inner[path[-1]])
        new: object = json.dumps(document, separators=(",", ":"))
    else:
        new = changed(value)
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (new, rowid))


def some_of(kinds: dict[str, list[Place]]) -> Iterator[tuple[str, Place]]:
    """One place of each kind; of those that never took part every one, since they differ."""
    chosen = random.Random(37)
    for kind, where in sorted(kinds.items()):
        for place in where if " never " in kind else [chosen.choice(where)]:
            yield kind, place


def test_what_was_recorded_follows(recorded: Path) -> None:
    assert audited(recorded) == []


def test_a_change_of_any_stored_field_is_named(recorded: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(recorded)) as db:
        kinds = places(db)
    blind = set()
    for number, (kind, place) in enumerate(some_of(kinds)):
        path = tmp_path / f"{number}.sqlite"
        shutil.copy(recorded, path)
        with closing(sqlite3.connect(path)) as db, db:
            change(db, place)
        if not audited(path):
            blind.add(kind)
        path.unlink()
    assert len(kinds) > 80
    assert sorted(blind) == sorted(BLIND)
