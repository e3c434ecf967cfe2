"""Commands that read records need none of the data sets that the schedule names."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.schedule.load import load_schedule, read_schedule
from sn37.domain.canonical import canonical_json
from sn37.domain.ids import Digest
from sn37.testing.builders import (
    a_commitment,
    a_receipt,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_submission,
)

ALICE = a_commitment("alice", 100)
KEY = a_round_key(1, 1800)


@pytest.fixture
def schedule(tmp_path: Path) -> Path:
    """Simnet's, with a data set that nobody has."""
    file = tmp_path / "rules.toml"
    text = read_schedule("simnet")[1]
    text = text.replace("[sources.simnet]", "[sources.nobody_has_it]")
    file.write_text(text.replace('source = "simnet"', 'source = "nobody_has_it"'))
    return file


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A validator's, with one round."""
    store = SqliteStateStore(tmp_path / "state" / "state.sqlite")

    async def record() -> None:
        await store.save_submissions([a_submission(ALICE)])
        plan = a_round_plan(KEY, champion=ALICE.key, entries=[ALICE.key])
        await store.open_round(plan)
        await store.finish_round(a_round_result(KEY, sync=plan.sync, champion=ALICE.key), [])
        await store.close()

    asyncio.run(record())
    return tmp_path / "state"


def test_the_validator_itself_needs_it(
    schedule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["validator", "--network", "local", "--schedule", str(schedule)]
    assert run(root.app, [*words, "--state-dir", str(tmp_path / "new")], prog_name="sn37") == 1
    assert "data set nobody_has_it: not installed" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["audit"], "1 rounds, 0 receipts"),
        (["champions"], "competition 1  block 1800 to now"),
        (["receipts", "export", "OUT"], "0 rounds written"),
    ],
    ids=lambda words: words[0],
)
def test_a_record_is_read_without_it(
    words: list[str],
    told: str,
    schedule: Path,
    state: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tmp_path / "sn37.toml"
    settings.write_text(
        f'network = "local"\nschedule = "{schedule}"\nstate_dir = "{state}"\n', encoding="utf-8"
    )
    words = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    run(root.app, [*words, "--config", str(settings)], prog_name="sn37")
    shown = capsys.readouterr()
    assert (shown.err, told in shown.out) == ("", True), shown.out


def test_the_structure_of_a_receipt_is_checked_without_it(
    schedule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_schedule(schedule)
    (task,) = loaded.schedule.at(KEY.sync_block)[0].tasks
    rows = tuple((f"row-{n}", Digest(f"{n:064x}")) for n in range(task.num_samples))
    receipt = replace(
        a_receipt(KEY, manifest={task.name: rows}), schedule_fingerprint=loaded.fingerprint
    )
    file = tmp_path / "receipt.json"
    file.write_bytes(canonical_json(receipt.document()))
    words = ["replay", str(file), "--structure", "--schedule", str(schedule), "--network", "local"]
    assert run(root.app, words, prog_name="sn37") == 0
    assert f"{task.name}: {task.num_samples} losses" in capsys.readouterr().out
    assert run(root.app, [*words, "--json"], prog_name="sn37") == 0
    assert json.loads(capsys.readouterr().out)["num_losses"] == {task.name: task.num_samples}
    cut = replace(receipt, losses={task.name: (1.0,)})
    file.write_bytes(canonical_json(cut.document()))
    assert run(root.app, words, prog_name="sn37") == 1
    assert "the receipt contradicts itself" in capsys.readouterr().err
