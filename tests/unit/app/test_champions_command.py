"""``sn37 champions``: read from a state directory that a validator may be using."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.domain.reasons import Reason
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_submission,
    an_entry_result,
)

ALICE, BOB = a_commitment("alice", 100), a_commitment("bob", 200)


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Alice reigned for two rounds, until her repository was gone; since then Bob does."""
    store = SqliteStateStore(tmp_path / "state.sqlite")
    gone = an_entry_result(ALICE.key, verdict=Verdict.WAITING, reason=Reason.NOT_PUBLIC)

    async def record() -> None:
        await store.save_submissions([a_submission(ALICE), a_submission(BOB)])
        for block, champion in ((720, ALICE), (1080, ALICE), (1440, BOB)):
            key = a_round_key(1, block)
            plan = a_round_plan(key, champion=champion.key, entries=[champion.key])
            await store.open_round(plan)
            rows = (an_entry_result(champion.key), *((gone,) if champion is BOB else ()))
            result = a_round_result(key, sync=plan.sync, champion=champion.key, entries=rows)
            await store.finish_round(result, [])

    asyncio.run(record())
    yield tmp_path  # the store stays open, as a validator's does
    asyncio.run(store.close())


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(main.app, ["champions", *arguments], prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_people_get_a_line_for_each_reign_oldest_first(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "--state-dir", str(state_dir))
    assert (code, err) == (0, "")
    revision = ALICE.model.revision[:12]
    assert out.splitlines() == [
        "competition 1  block 720 to block 1440  2 rounds  score 1.0000  first champion  alice  "
        f"alice/model@{revision}  lost by: the repository cannot be read yet",
        "competition 1  block 1440 to now  1 round  score 1.0000  gain -  bob  "
        f"bob/model@{BOB.model.revision[:12]}",
    ]


def test_programs_get_the_lineage(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--state-dir", str(state_dir), "--json")
    first, second = json.loads(out)
    assert code == 0
    assert first == {
        "competition": 1,
        "hotkey": "alice",
        "uid": None,
        "committed_at": 100,
        "repo": "alice/model",
        "commit": ALICE.model.revision,
        "since": 720,
        "since_time": None,
        "until": 1440,
        "until_time": None,
        "rounds": 2,
        "score": 1.0,
        **dict.fromkeys(("gain", "gain_error", "evidence", "needed_evidence", "samples")),
        "predecessor": None,
        "lost_by": "not_public",
    }
    assert (second["hotkey"], second["predecessor"], second["until"]) == ("bob", "alice", None)


def test_a_state_without_rounds_has_no_champions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SqliteStateStore(tmp_path / "state.sqlite")

    async def create() -> None:
        await store.load()
        await store.close()

    asyncio.run(create())
    assert call(capsys, "--state-dir", str(tmp_path)) == (0, "no champion yet\n", "")


def test_a_folder_without_a_state_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "--state-dir", str(tmp_path / "none"))
    assert (code, out) == (1, "")
    assert err == (
        f"error: no validator has run in {tmp_path / 'none'}; name its folder with --state-dir\n"
    )
