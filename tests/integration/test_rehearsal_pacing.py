"""The blocks of a rehearsal come when a validator has done what was due before them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sn37.app.samples.pool_requests import live_tasks
from sn37.app.schedule.load import load_schedule
from sn37.domain.ids import Block
from sn37.domain.round.state import ColdStart
from tests.rehearsal import pacing
from tests.rehearsal.chain import WARNING
from tests.rehearsal.journal import Journal
from tests.support.rpc_node import RpcNode

SCHEDULE = load_schedule("finney").schedule
CADENCE, GRACE = SCHEDULE.timing.cadence, SCHEDULE.timing.files_grace
LAST_STAGE = SCHEDULE.stages[3]  # a competition with live sources, and one without
FIRST = Block(LAST_STAGE.from_block + CADENCE)


class Events:
    """The file of events that a validator writes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "events.jsonl"

    def add(self, event: str, **fields: object) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps({"event": event, **fields}) + "\n")


class Validator:
    """Writes events as a validator does that began shortly before the round at ``FIRST``.

    It opens and scores rounds when it sees a block, one round of a competition after the other.
    """

    def __init__(self, folder: Path) -> None:
        self._emit = Events(folder).add
        self._open: set[tuple[int, int]] = set()
        self.finished: list[tuple[int, int]] = []
        self.is_running = True

    def see(self, head: int) -> None:
        self._emit("HeadAdvanced", head={"number": head})
        if FIRST - SCHEDULE.timing.freeze_lead <= head < FIRST:
            for rules in LAST_STAGE.competitions:
                for task in live_tasks(rules):
                    self._emit("PoolFrozen", round=_key(rules.id, FIRST), task=task.name)
        if head > FIRST:
            self._open_rounds()
            self._score(head)

    def _open_rounds(self) -> None:
        for rules in LAST_STAGE.competitions:
            is_busy = any(competition == rules.id for competition, _ in self._open)
            newest = FIRST if live_tasks(rules) or self.finished else FIRST - CADENCE
            if not is_busy and (rules.id, newest) not in self.finished:
                self._open.add((rules.id, newest))
                self._emit("RoundOpened", plan={"key": _key(rules.id, newest)})

    def _score(self, head: int) -> None:
        for competition, sync in sorted(self._open):
            if head > FIRST + 1 and head >= sync + GRACE:
                self._open.remove((competition, sync))
                self.finished.append((competition, sync))
                self._emit("RoundFinished", result={"key": _key(competition, sync)})
        if len(self.finished) == 1 + len(LAST_STAGE.competitions):
            self.is_running = False


class Node:
    """A chain that shows its blocks to one validator."""

    def __init__(self, head: int, validator: Validator | Restarted) -> None:
        self.chain = SimpleNamespace(finalized=head)
        self.num_steps = 0
        self._validator = validator
        validator.see(head)

    async def produce(self) -> None:
        await self.skip(1)

    async def skip(self, count: int) -> None:
        self.chain.finalized += count
        self.num_steps += 1
        self._validator.see(self.chain.finalized)


def _key(competition: int, sync: int) -> dict[str, int]:
    return {"competition": competition, "sync_block": sync}


def test_a_competition_without_live_sources_may_score_the_round_before_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "PAUSE_S", 0.0)
    monkeypatch.setattr(pacing, "PATIENCE_S", 5.0)
    validator = Validator(tmp_path)
    node = Node(FIRST - WARNING, validator)
    pace = pacing.Pace(
        cast(RpcNode, node), SCHEDULE, is_running=lambda journal: validator.is_running
    )
    asyncio.run(pace.follow([Journal(tmp_path)]))
    live, static = (rules.id for rules in LAST_STAGE.competitions)
    assert validator.finished == [(static, FIRST - CADENCE), (live, FIRST), (static, FIRST)]


class Restarted:
    """Follows the chain after a run that has finished the round at ``FIRST``."""

    def __init__(self, folder: Path) -> None:
        self._emit = Events(folder).add
        self.is_running = True
        self._emit("ColdStarted", beginning={"way": ColdStart.RECEIPTS})
        for rules in LAST_STAGE.competitions:
            key = _key(rules.id, FIRST)
            self._emit("RoundOpened", plan={"key": key})
            self._emit("RoundFinished", result={"key": key})

    def see(self, head: int) -> None:
        self._emit("HeadAdvanced", head={"number": head})
        self.is_running = head < FIRST + CADENCE - SCHEDULE.timing.freeze_lead


def test_weights_that_an_earlier_run_has_sent_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "PAUSE_S", 0.0)
    validator = Restarted(tmp_path)
    node = Node(FIRST + GRACE + 1, validator)
    pace = pacing.Pace(
        cast(RpcNode, node), SCHEDULE, is_running=lambda journal: validator.is_running
    )
    asyncio.run(pace.follow([Journal(tmp_path)]))
    assert node.num_steps <= CADENCE // pacing.STEP
