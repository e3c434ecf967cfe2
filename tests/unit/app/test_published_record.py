"""Rounds that a validator published, read for pages: alone, and against our own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.receipts.folder import FolderRounds
from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.leaderboard.board import all_reigns
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.leaderboard.others import CANNOT_BE_READ, NOT_VALID, Others
from sn37.app.leaderboard.published_record import PublishedRecord
from sn37.domain.ids import Hotkey
from sn37.domain.round.state import ValidatorState
from sn37.ports.errors import OfferRefused
from sn37.testing.fakes import FakeStateStore
from tests.support.boards import TIMES
from tests.support.fake_world import ONE, World, is_signed_by_fake
from tests.support.published_rounds import NEW, OLD, Subnet, export, sign_again

NUM_ROUNDS = 4


def a_validator(name: str) -> World:
    """Return a validator of a subnet on which a late challenger is clearly better."""
    world = Subnet().validator(name)
    world.miner("late", 0.6, block=1_200)
    return world


@pytest.fixture(scope="module")
def played() -> World:
    """A validator after some rounds, in which the crown has passed on."""
    world = a_validator(OLD)
    world.run(rounds=NUM_ROUNDS)
    return world


@pytest.fixture(scope="module")
def folder(played: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(played.store.memory, tmp_path_factory.mktemp("published") / "old")


def copy_into_sqlite(world: World, path: Path) -> None:
    """Write what a fake store holds into a database."""
    memory = world.store.memory

    async def write() -> None:
        store = SqliteStateStore(path)
        await store.save_submissions(list(memory.submissions.values()))
        for key in sorted(memory.results):
            await store.open_round(memory.plans[key])
            for (round_, entry), blocks in memory.journal.items():
                for block in blocks if round_ == key else ():
                    await store.append(key, entry, block)
            receipts = {json.loads(r.document)["hotkey"]: r for r in memory.receipts.get(key, ())}
            for outcome in memory.outcomes[key].values():
                await store.finish_entry(key, outcome, receipts.get(outcome.key.hotkey))
            await store.finish_round(memory.results[key], statement=memory.statements.get(key))
        await store.close()

    asyncio.run(write())


@pytest.fixture
def own(played: World, tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    copy_into_sqlite(played, path)
    return path


def published(world: World, folder: Path, *, is_signed: bool = True) -> Leaderboard:
    def verify(hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
        return is_signed and is_signed_by_fake(hotkey, message, signature)

    found = Leaderboard(
        PublishedRecord(FolderRounds(folder), schedule=world.schedule, verify=verify),
        schedule=world.schedule,
        times=lambda: TIMES,
        network="test",
    )
    found.read_history()
    return found


def recorded(world: World, path: Path, *folders: Path) -> Leaderboard:
    found = Leaderboard(
        SqliteRecordReader(path),
        schedule=world.schedule,
        times=lambda: TIMES,
        network="test",
        others=Others(
            [FolderRounds(folder) for folder in folders],
            schedule=world.schedule,
            verify=is_signed_by_fake,
        ),
    )
    found.read_history()
    return found


def test_crowns_scores_gains_and_standings_are_those_of_the_record(
    played: World, folder: Path, own: Path
) -> None:
    ours, theirs = recorded(played, own), published(played, folder)
    mine, yours = ours.competition(ONE), theirs.competition(ONE)
    assert mine is not None
    assert yours is not None
    assert len(mine.reigns) > 1
    assert mine.reigns[0].advance is not None
    assert all_reigns(theirs, yours) == all_reigns(ours, mine)
    assert yours.standings == mine.standings
    assert yours.card == replace(mine.card, warm_up_left=yours.card.warm_up_left)


def test_a_round_that_was_not_signed_is_refused_in_one_line(played: World, folder: Path) -> None:
    with pytest.raises(OfferRefused, match="not signed by old") as raised:
        published(played, folder, is_signed=False)
    assert str(folder) in str(raised.value)


def changed(folder: Path, target: Path, change: Callable[[Path], None]) -> Path:
    """Return a copy of published rounds of which a test has changed the one with most receipts."""
    for file in folder.rglob("*.json"):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    change(max(target.iterdir(), key=lambda home: len(list(home.iterdir()))))
    return target


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda home: (home / "statement.json").write_text("{}"), "not a receipt"),
        (lambda home: (home / "statement.json").unlink(), "No such file"),
        (lambda home: home.rename(home.with_name("1-99999360")), "its statement is of"),
    ],
)
def test_a_broken_round_names_the_round_and_the_fault(
    played: World, folder: Path, tmp_path: Path, change: Callable[[Path], None], why: str
) -> None:
    broken = changed(folder, tmp_path / "broken", change)
    with pytest.raises(Exception, match=why) as raised:
        published(played, broken)
    assert "\n" not in str(raised.value)


def test_a_receipt_that_its_statement_does_not_name_is_refused(
    played: World, folder: Path, tmp_path: Path
) -> None:
    def swap(home: Path) -> None:
        files = sorted(p for p in home.iterdir() if p.name != "statement.json")
        contents = [file.read_bytes() for file in files]
        assert len(files) > 1
        for file, content in zip(files, contents[1:] + contents[:1], strict=True):
            file.write_bytes(content)

    with pytest.raises(OfferRefused, match="is not the one that its statement names"):
        published(played, changed(folder, tmp_path / "swapped", swap))


def one_of_another(home: Path) -> None:
    sign_again(home / "statement.json", lambda _: None, hotkey=NEW)


def test_rounds_of_two_validators_in_one_folder_are_refused(
    played: World, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(OfferRefused, match="read the rounds of one validator"):
        published(played, changed(folder, tmp_path / "mixed", one_of_another))


def test_another_validator_does_not_agree_by_rounds_of_a_third(
    played: World, folder: Path, own: Path, tmp_path: Path
) -> None:
    mixed = changed(folder, tmp_path / "mixed", one_of_another)
    board = recorded(played, own, mixed)
    (found,) = board.validator().others
    assert found.problem == NOT_VALID
    assert found.num_compared < NUM_ROUNDS
    assert board.validator().others == (found,)  # what was read before says whose rounds count


def test_another_validator_that_agrees_agrees_in_every_round(
    played: World, folder: Path, own: Path
) -> None:
    (found,) = recorded(played, own, folder).validator().others
    assert (found.name, found.hotkey, found.is_verified, found.problem) == ("old", OLD, True, "")
    assert found.num_compared == NUM_ROUNDS
    assert found.num_same_champions == found.num_same_manifests == NUM_ROUNDS
    assert {line.shared for line in found.rounds} == {1.0}
    assert [line.round.block for line in found.rounds] == sorted(
        (line.round.block for line in found.rounds), reverse=True
    )


def test_another_validator_with_other_rows_and_crowns_differs(
    played: World, own: Path, tmp_path: Path
) -> None:
    other = a_validator(NEW)
    other.dataset.rows = [row for n, row in enumerate(other.dataset.rows) if n % 100]
    other.qualities.update(late=1.2)
    other.run(rounds=NUM_ROUNDS)
    theirs = export(other.store.memory, tmp_path / "other")
    (found,) = recorded(played, own, theirs).validator().others
    assert found.num_compared == NUM_ROUNDS
    assert found.num_same_champions < NUM_ROUNDS
    assert found.num_same_manifests == 0
    assert all(line.shared is not None and 0 < line.shared < 1 for line in found.rounds)
    differing = [line for line in found.rounds if not line.is_same_champion]
    assert all(line.champion is not None for line in differing)


def test_a_folder_that_cannot_be_compared_is_named_with_its_fault(
    played: World, own: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def break_(home: Path) -> None:
        (home / "statement.json").write_text("{}")

    broken = changed(folder, tmp_path / "broken", break_)
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    board = recorded(played, own, broken, missing, empty)
    assert board.validator().others == board.validator().others
    first, second, third = board.validator().others
    assert len(caplog.messages) == 2  # each once
    assert (first.problem, second.problem) == (NOT_VALID, CANNOT_BE_READ)
    assert "not a receipt" in caplog.messages[0]
    assert "No such file" in caplog.messages[1]
    assert (third.problem, third.num_compared) == ("", 0)


def test_the_fake_store_and_the_database_hold_the_same_rounds(played: World, own: Path) -> None:
    async def both() -> tuple[ValidatorState, ValidatorState]:
        store = SqliteStateStore(own)
        found = await store.load(), await FakeStateStore(memory=played.store.memory).load()
        await store.close()
        return found

    database, memory = asyncio.run(both())
    assert database.rounds[ONE] == memory.rounds[ONE]


@pytest.mark.parametrize("command", ["champions", "standings"])
def test_two_sources_are_one_too_many(capsys: pytest.CaptureFixture[str], command: str) -> None:
    arguments = [command, "--receipts", ".", "--from", "http://127.0.0.1:1"]
    assert run(root.app, arguments, prog_name="sn37") == 2
    assert "--receipts and --from: give one of them" in capsys.readouterr().err
