"""The file of members and their uids."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.telemetry.member_log import MemberLog, Members
from sn37.domain.events import RoundOpened
from sn37.domain.ids import Block, Hotkey, Uid
from sn37.testing.builders import a_round_key, a_round_plan
from sn37.testing.telemetry_contract import EventSinkContract
from tests.support.fake_world import World

A, B, C = Hotkey("5A"), Hotkey("5B"), Hotkey("5C")


def opened(block: int, uids: Mapping[Hotkey, int], competition: int = 1) -> RoundOpened:
    plan = a_round_plan(a_round_key(competition, block))
    return RoundOpened(plan=plan, uids={hotkey: Uid(uid) for hotkey, uid in uids.items()})


class TestMemberLog(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self._path = tmp_path

    def sink(self) -> MemberLog:
        return MemberLog(self._path / "members.jsonl")

    def broken_sink(self) -> MemberLog:
        (self._path / "file").touch()
        return MemberLog(self._path / "file" / "members.jsonl")


def test_uids_at_a_block_are_those_of_the_last_round_before_it(tmp_path: Path) -> None:
    path = tmp_path / "members.jsonl"
    members, sink = Members(path), MemberLog(path)
    assert members(Block(720)) == {}
    sink.emit(opened(720, {A: 1, B: 2}))
    sink.emit(opened(1080, {A: 1, C: 2}))  # C took B's place
    assert members(Block(719)) == {}
    assert members(Block(720)) == members(Block(1079)) == {A: 1, B: 2}
    assert members(Block(1080)) == members(Block(9_000)) == {A: 1, C: 2}


def test_only_changes_are_written_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "members.jsonl"
    MemberLog(path).emit(opened(720, {A: 1, B: 2}))
    again = MemberLog(path)
    again.emit(opened(720, {A: 1, B: 2}, competition=2))
    again.emit(opened(1080, {A: 1}))
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [
        {"block": 720, "uids": {A: 1, B: 2}},
        {"block": 1080, "uids": {B: None}},
    ]


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "members.jsonl"
    MemberLog(path).emit(opened(720, {A: 1}))
    with path.open("ab") as file:
        file.write(b'{"block":1080,"uids":{"5B"')
    MemberLog(path).emit(opened(1080, {A: 1, B: 2}))
    assert Members(path)(Block(1080)) == {A: 1, B: 2}


def test_a_round_without_members_writes_nothing(tmp_path: Path) -> None:
    MemberLog(tmp_path / "members.jsonl").emit(opened(720, {}))
    assert not (tmp_path / "members.jsonl").exists()


def test_a_disk_that_refuses_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    sink = MemberLog(tmp_path / "file" / "members.jsonl")
    with caplog.at_level(logging.WARNING):
        sink.emit(opened(720, {A: 1}))
        sink.emit(opened(1080, {A: 2}))
    assert len(caplog.records) == 1


@given(st.lists(st.dictionaries(st.sampled_from([A, B, C]), st.integers(0, 9), min_size=1)))
def test_every_round_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[Hotkey, int]]
) -> None:
    path = tmp_path_factory.mktemp("members") / "members.jsonl"
    for number, uids in enumerate(rounds, start=1):
        MemberLog(path).emit(opened(360 * number, uids))
    members = Members(path)
    for number, uids in enumerate(rounds, start=1):
        assert members(Block(360 * number)) == uids


def test_an_opened_round_reports_the_uids_of_all_members_at_its_sync_block() -> None:
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("second", 0.9, block=110)
    world.run()
    event = next(e for e in world.sink.events if isinstance(e, RoundOpened))
    members = asyncio.run(world.chain.metagraph(event.plan.sync)).neurons
    assert len(members) >= 2
    assert event.uids == {neuron.hotkey: neuron.uid for neuron in members}
