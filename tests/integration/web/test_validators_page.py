"""The page on validators with others that agree or differ, and commands that read a leaderboard."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sn37.adapters.receipts.folder import FolderRounds
from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.leaderboard.others import Others
from sn37.app.schedule.load import load_schedule
from sn37.app.web.site import Place, Site
from sn37.domain.ids import RoundKey
from sn37.domain.round.state import RoundResult
from tests.support.boards import TIMES, Recorded, served, write_long, write_subnet_of
from tests.support.fake_world import ONE, World, is_signed_by_fake
from tests.support.published_rounds import NEW, OLD, Subnet, export

PLACE = Place(path="/validator", link=str, is_live=True)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("record")
    (folder / "simnet").mkdir()
    simnet = load_schedule("simnet").schedule
    found = asyncio.run(write_long(folder / "state.sqlite", simnet))
    write_subnet_of(found)
    return found


def rounds_of(world: World) -> dict[RoundKey, RoundResult]:
    world.run(rounds=2)
    return world.store.memory.results


def page_with(folders: list[Path], ours: World, path: Path) -> str:
    """Return the page of a validator that is compared with what others published."""
    results = rounds_of(ours)

    async def write() -> None:
        store = SqliteStateStore(path)
        await store.save_submissions(list(ours.store.memory.submissions.values()))
        for key in sorted(results):
            await store.finish_round(results[key])
        await store.close()

    asyncio.run(write())
    board = Leaderboard(
        SqliteRecordReader(path),
        schedule=ours.schedule,
        times=lambda: TIMES,
        network="test",
        others=Others(
            [FolderRounds(f) for f in folders], schedule=ours.schedule, verify=is_signed_by_fake
        ),
    )
    board.read_history()
    return Site(board).validator(PLACE)


def test_others_are_shown_with_their_agreement_and_their_faults(tmp_path: Path) -> None:
    ours, theirs = Subnet().validator(OLD), Subnet().validator(NEW)
    theirs.qualities.update(worse=0.5)
    theirs.run(rounds=2)
    published = export(theirs.store.memory, tmp_path / "theirs")
    broken = tmp_path / "<script>"
    (broken / f"{ONE}-1080").mkdir(parents=True)
    (broken / f"{ONE}-1080" / "statement.json").write_text('{"<b>": 1}')
    page = page_with([published, broken], ours, tmp_path / "state.sqlite")
    assert "Same champion in <b>0</b> of 2 rounds, same samples in <b>2</b>." in page
    assert "Its signatures are valid." in page
    assert page.count('<span class="tag bad">differs</span>') == 2
    assert 'href="/competitions/1/rounds/1080"' in page
    assert "A round of it is not valid" in page
    assert str(tmp_path) not in page  # names of files stay on this machine
    assert "<script>" not in page.replace('<script src="/assets/live.js" defer></script>', "")
    assert "<b>&#34;" not in page


@pytest.mark.parametrize("command", ["champions", "standings"])
def test_a_leaderboard_elsewhere_says_what_the_state_says(
    record: Recorded, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--network", "simnet", "--state-dir", str(record.path.parent)]

    def said(*options: str) -> str:
        assert run(root.app, [command, *options], prog_name="sn37") == 0
        shown = capsys.readouterr()
        is_claim = "--from" in options and "--json" not in options
        assert ("nothing of it was checked here" in shown.err) == is_claim
        return shown.out

    local, local_json = said(*state), said(*state, "--json")
    with served(record.path.parent) as (address, _):
        assert said("--from", address) == local
        assert json.loads(said("--from", f"{address}/", "--json")) == json.loads(local_json)
    assert "2025-01-02 19:12 UTC (block 12960)" in local
    assert "gain +1.02% ± 0.10  evidence 36.9, needed 13.8" in local


@pytest.mark.parametrize("command", ["champions", "standings"])
@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("http://127.0.0.1:9", 1, "http://127.0.0.1:9/api/v1/overview: Connection refused; check"),
        ("nonsense", 2, "--from nonsense: expected the address of a leaderboard"),
    ],
)
def test_an_address_without_a_leaderboard_is_one_line(
    command: str, address: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root.app, [command, "--from", address], prog_name="sn37") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {words}")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("command", ["champions", "standings"])
def test_a_folder_without_rounds_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    assert run(root.app, [command, "--receipts", str(tmp_path)], prog_name="sn37") == 1
    assert f"error: --receipts {tmp_path}: no rounds of finney" in capsys.readouterr().err
