"""Commands that read a state refuse to read it as that of another network."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sn37.adapters.sqlite.read_only import read_fingerprint
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.schedule.load import PRESETS, load_schedule, preset_with, read_schedule
from sn37.domain.ids import Hotkey
from sn37.domain.records.receipt import SignedReceipt
from sn37.ports.errors import StateUnreadable
from sn37.testing.builders import a_commitment, a_round_key, a_round_plan, a_round_result
from sn37.testing.builders import a_submission as submission_of

ALICE = a_commitment("alice", 100)
READING = (["champions"], ["models"], ["state", "verify"], ["audit"], ["receipts", "export", "out"])


def record(folder: Path, *documents: bytes) -> None:
    """Record a round for each document, which is its statement."""
    store = SqliteStateStore(folder / "state.sqlite")

    async def go() -> None:
        await store.save_submissions([submission_of(ALICE)])
        for number, document in enumerate(documents, 2):
            key = a_round_key(1, 360 * number)
            plan = a_round_plan(key, champion=ALICE.key, entries=[ALICE.key])
            await store.open_round(plan)
            result = a_round_result(key, sync=plan.sync, champion=ALICE.key)
            signed = SignedReceipt(document=document, hotkey=Hotkey("v"), signature=bytes(64))
            await store.finish_round(result, [], signed)
        await store.close()

    asyncio.run(go())


def statement(preset: str) -> bytes:
    fingerprint = load_schedule(preset).fingerprint
    return json.dumps({"schedule_fingerprint": fingerprint}).encode()


def call(
    capsys: pytest.CaptureFixture[str], folder: Path, words: list[str], network: str | None
) -> tuple[int, str]:
    named = ["--network", network] if network else []
    code = run(main.app, [*words, *named, "--state-dir", str(folder)], prog_name="sn37")
    return code, capsys.readouterr().err


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
@pytest.mark.parametrize(("recorded", "named"), [("simnet", "finney"), ("finney", "simnet")])
def test_a_state_of_another_network_is_refused_with_the_option_that_fits(
    words: list[str],
    recorded: str,
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record(tmp_path, statement(named), statement(recorded))  # the newest counts
    code, err = call(capsys, tmp_path, words, named)
    assert (code, err) == (
        2,
        f"error: the state in {tmp_path} is of {recorded}, not of {named}: "
        f"give --network {recorded}\n",
    )


@pytest.mark.parametrize("words", READING[:3], ids=lambda words: words[0])
def test_a_state_without_a_statement_is_of_simnet_if_its_chain_lies_beside_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    assert call(capsys, tmp_path, words, "finney")[0] == 0
    (tmp_path / "simnet").mkdir()
    (tmp_path / "simnet" / "chain.sqlite").touch()
    assert "give --network simnet" in call(capsys, tmp_path, words, "finney")[1]


def test_another_version_s_schedule_does_not_hide_simnet_s_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, json.dumps({"schedule_fingerprint": "0" * 64}).encode())
    assert call(capsys, tmp_path, ["champions"], "finney")[0] == 0
    (tmp_path / "simnet").mkdir()
    (tmp_path / "simnet" / "chain.sqlite").touch()
    assert "give --network simnet" in call(capsys, tmp_path, ["champions"], "finney")[1]


def test_a_copy_of_a_preset_may_be_followed_on_another_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, statement("simnet"))
    _, text = read_schedule("simnet")
    (tmp_path / "own.toml").write_text(text)
    words = ["models", "--schedule", str(tmp_path / "own.toml")]
    code, err = call(capsys, tmp_path, words, "local")
    assert (code, err) == (0, "")


@pytest.mark.parametrize("network", [None, "simnet"])
def test_a_state_is_verified_without_naming_its_network(
    network: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, statement("simnet"))
    assert call(capsys, tmp_path, ["state", "verify"], network) == (0, "")


def test_a_damaged_statement_is_named(tmp_path: Path) -> None:
    record(tmp_path, b"[]")
    with pytest.raises(StateUnreadable, match="its newest statement is damaged"):
        read_fingerprint(tmp_path / "state.sqlite")


def test_every_preset_is_found_by_its_fingerprint() -> None:
    found = [load_schedule(preset).fingerprint for preset in PRESETS]
    assert [preset_with(fingerprint) for fingerprint in found] == list(PRESETS)
    assert preset_with("0" * 64) is None


def test_rounds_are_exported_to_a_folder_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    (tmp_path / "file").touch()
    code, err = call(capsys, tmp_path, ["receipts", "export", str(tmp_path / "file")], None)
    assert (code, err) == (
        2,
        f"error: FOLDER {tmp_path}/file is a file, not a folder; name a folder\n",
    )


def test_exported_rounds_are_all_in_the_index_after_each_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, statement("simnet"), statement("simnet"))
    out = tmp_path / "out"
    for since in ("1080", "0"):
        words = ["receipts", "export", str(out), "--since", since]
        assert call(capsys, tmp_path, words, "simnet") == (0, "")
        folders = {path.name for path in out.iterdir() if path.is_dir()}
        assert json.loads((out / "index.json").read_bytes())["rounds"].keys() == folders
    assert folders == {"1-720", "1-1080"}
