"""``sn37 models``: read from a state directory that a validator may be using."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sn37.adapters.admission.stored_facts import FILES, cache_key
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.domain.submission.models import ModelRef
from sn37.testing.builders import a_commitment, a_submission, an_artifact

BLOCK = 3_200_000  # competition 1 of the preset finney runs there


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """One model complete, one on its way, one waited for, and one of nobody known."""
    state = tmp_path / "state"
    alice, bob = a_commitment("alice", BLOCK), a_commitment("bob", BLOCK)
    carol = a_commitment("carol", BLOCK + 1_000)  # too young for the next rounds
    put(state / "models" / "models", alice.model, 3_000)
    put(state / "models" / "partial", bob.model, 2_000)
    put(state / "models" / "models", a_commitment("nobody").model, 500)
    store = SqliteStateStore(state / "state.sqlite")

    async def record() -> None:
        artifact = an_artifact(alice, path=state / "models")
        known = [a_submission(alice, artifact=artifact), a_submission(bob), a_submission(carol)]
        await store.save_submissions(known)

    asyncio.run(record())
    yield state  # the store stays open, as a validator's does
    asyncio.run(store.close())


def put(folder: Path, ref: ModelRef, size_bytes: int) -> None:
    files = folder / cache_key(ref.repo, ref.revision) / FILES
    files.mkdir(parents=True)
    (files / "model.safetensors").write_bytes(bytes(size_bytes))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(main.app, ["models", *arguments], prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_each_model_has_its_state_and_what_it_is_kept_for(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "--state-dir", str(state_dir), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert {m["hotkey"]: (m["state"], m["size_bytes"], m["kept_for"]) for m in found["models"]} == {
        "alice": ("complete", 3_000, "next in the queue"),
        "bob": ("partial", 2_000, "next in the queue"),
        "carol": ("waiting", 0, "waiting"),
    }
    assert [m["place"] for m in found["models"]] == [1, 2, None]
    assert found["other_bytes"] == 500
    assert found["quota_bytes"] == 3_000_000_000_000
    assert found["free_bytes"] > 0
    assert found["block"] == BLOCK + 1_000


def test_people_get_a_line_each_and_the_quota(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "--state-dir", str(state_dir))
    *models, summary = out.splitlines()
    assert code == 0
    assert len(models) == 3
    assert "alice/model@" in models[0]
    assert summary.startswith("0.01 MB used of 3,000 GB, 0.00 MB of it not of a known model; ")


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_a_state_is_one_clear_line(
    made: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if made:
        (tmp_path / "state").mkdir()
    code, out, err = call(capsys, "--state-dir", str(tmp_path / "state"))
    assert (code, out) == (1, "")
    assert err == (
        f"error: no validator has run in {tmp_path / 'state'}; name its folder with --state-dir\n"
    )
    assert list(tmp_path.rglob("*.sqlite*")) == []


def test_a_damaged_state_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database" * 100)
    code, _, err = call(capsys, "--state-dir", str(tmp_path))
    assert code == 1
    assert err.count("\n") == 1


def test_an_empty_state_holds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = SqliteStateStore(tmp_path / "state.sqlite")

    async def create() -> None:
        await store.load()
        await store.close()

    asyncio.run(create())
    code, out, _ = call(capsys, "--state-dir", str(tmp_path))
    assert code == 0
    assert "no model is on disk, and none is to be fetched" in out
