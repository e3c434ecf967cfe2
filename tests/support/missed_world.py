"""A validator that misses the fourth round, and what another one published of all of them."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sn37.app.rounds.past_evidence import PastEvidence, past_evidence
from sn37.domain.canonical import canonical_digest
from sn37.domain.ids import Block, EntryKey, RoundKey
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.testing.fakes import FakeStateStore
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import ONE, World
from tests.support.published_rounds import (
    NEW,
    OLD,
    Json,
    Subnet,
    export,
    rows,
    sign_all_again,
)

NUM_ROWS = 5_000
OLD_ROUNDS = 8
MISSED = RoundKey(ONE, Block(2_160))
BACK_AT = 2_163  # it is there again, too late for that round


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What two validators remember: one of all rounds, one of the three before the missed one."""

    subnet: Subnet
    there: Memory
    away: Memory

    @property
    def crowns(self) -> dict[int, EntryKey | None]:
        """The champion after each round, by sync block."""
        return {key.sync_block: result.champion for key, result in self.there.results.items()}


@cache
def begun() -> Beginnings:
    """Played once in a process; not for changing."""
    subnet = Subnet()
    there = subnet.validator(OLD, num_rows=NUM_ROWS)
    there.run(rounds=OLD_ROUNDS, until=6_000)
    away = subnet.validator(NEW, num_rows=NUM_ROWS)
    away.run(rounds=3, until=6_000)
    return Beginnings(subnet, there.store.memory, away.store.memory)


def returning(*folders: Path, memory: Memory | None = None, at: int = BACK_AT) -> World:
    """The validator that was away, with what others publish."""
    world = begun().subnet.validator(
        NEW, memory=memory or begun().away, begin_with=folders, at=at, num_rows=NUM_ROWS
    )
    world.models = deepcopy(begun().subnet.models)
    return world


def published(folder: Path) -> Path:
    return export(begun().there, folder)


def missed(state: ValidatorState, key: RoundKey = MISSED) -> RoundResult | None:
    return next((r for r in state.rounds[ONE] if r.key == key), None)


def evidence(memory: Memory, schedule: World, entries: tuple[EntryKey, ...]) -> PastEvidence:
    store = FakeStateStore(memory=memory)
    return asyncio.run(past_evidence(store, schedule.schedule, ONE, entries))


def without_time(result: RoundResult | None) -> RoundResult:
    """The result without the block at which it was recorded."""
    assert result is not None
    assert result.later is not None
    return replace(result, later=replace(result.later, at=Block(0)))


def scores(result: RoundResult | None) -> dict[EntryKey, float | None]:
    assert result is not None
    return {entry.key: entry.score for entry in result.entries}


def choose_rows(folder: Path, num_rows: int) -> None:
    """In every manifest so many rows that the hash does not draw, each with its true content."""
    pool = [[s.provenance.row_id, s.content_hash] for s in rows(NUM_ROWS)]
    places = {row: position for position, (row, _) in enumerate(pool)}
    digests: dict[int, str] = {}

    def choose(document: Json) -> None:
        chosen = document["manifest"]["text"]
        drawn = {row for row, _ in chosen}
        middle = sum(places[row] for row in drawn) // len(drawn)
        others = sorted(
            (row for row in pool if row[0] not in drawn), key=lambda r: abs(places[r[0]] - middle)
        )
        chosen[:num_rows] = others[:num_rows]
        document["manifest_digest"] = canonical_digest([["text", *row] for row in chosen])
        digests[document["sync_block"]] = document["manifest_digest"]

    def name_them(document: Json) -> None:
        document["manifest_digest"] = digests[document["key"]["sync_block"]]

    sign_all_again(folder, receipt=choose, statement=name_them)


@cache
def calm() -> World:
    """One that scored the missed round later without being disturbed; for looking at only."""
    with TemporaryDirectory() as folder:
        world = returning(published(Path(folder)))
        world.run(rounds=5, until=6_000)
        return world


def caught_up(*folders: Path, rounds: int = 5) -> World:
    world = returning(*folders)
    world.run(rounds=rounds, until=6_000)
    return world


def statement_of(folder: Path, key: RoundKey = MISSED) -> Path:
    return folder / f"{key.competition}-{key.sync_block}" / "statement.json"
