"""The program itself, used clumsily: one line, the right exit code, nothing left behind."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from sn37.adapters.simnet.miners.population import MARKER
from sn37.adapters.sqlite.database import Access, Database
from sn37.adapters.sqlite.schema import VERSION


def command(state: Path, *more: str) -> Sequence[str]:
    start = (sys.executable, "-m", "sn37.app.validator", "--network", "simnet")
    return (*start, "--state-dir", str(state), *more)


def refused(state: Path, *more: str) -> tuple[int, str]:
    done = subprocess.run(command(state, *more), capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if " sandbox " not in line]
    assert len(errors) == 1, done.stderr
    assert done.stdout == ""
    return done.returncode, errors[0]


def test_a_state_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database" * 100)
    code, said = refused(tmp_path)
    assert code == 1
    assert "state.sqlite is damaged" in said
    assert (tmp_path / "state.sqlite").read_bytes() == b"not a database" * 100
    assert not (tmp_path / "simnet").exists()


def test_a_newer_state_asks_for_an_upgrade(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.sqlite")
    database.transact(lambda c: c.execute(f"PRAGMA user_version = {VERSION + 1}"), Access.WRITE)
    database.close()
    code, said = refused(tmp_path)
    assert code == 1
    assert "upgrade sn37" in said


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ((), "state.sqlite is in use by another validator (process PID)"),
        (("--leaderboard", "127.0.0.1:0"), "is in use by another validator"),
        (("--health", "127.0.0.1:0"), "is in use by another validator"),
        (("--schedule", "missing.toml"), "missing.toml"),
    ],
)
def test_a_second_validator_ends_at_once_and_writes_nothing_into_the_files_of_the_first(
    more: Sequence[str], why: str, tmp_path: Path
) -> None:
    files = [tmp_path / f for f in ("validator.log", "events.jsonl", "leaderboard.log")]
    for file in files:
        file.write_text("of the first\n")
    first = Database(tmp_path / "state.sqlite")
    first.transact(lambda c: c.execute("SELECT 1"), Access.READ)
    try:
        _, said = refused(tmp_path, *more)
    finally:
        first.close()
    assert why.replace("PID", str(os.getpid())) in said
    assert [file.read_text() for file in files] == ["of the first\n"] * 3
    assert not list(tmp_path.glob("validator.log.*"))


def test_a_folder_of_rounds_to_begin_with_must_exist_before_anything_starts(
    tmp_path: Path,
) -> None:
    gone = tmp_path / "gone"
    code, said = refused(tmp_path / "state", "--cold-start-from", str(gone))
    assert code == 2
    assert said == (f"error: --cold-start-from {gone}: no such folder; correct it or leave it out")
    assert not (tmp_path / "state" / "simnet").exists()


def test_another_seed_does_not_take_over_a_folder(tmp_path: Path) -> None:
    population = tmp_path / "simnet" / "population"
    population.mkdir(parents=True)
    (population / "population.json").write_text('{"seed": 4, "recipe": "x"}')
    code, said = refused(tmp_path, "--seed", "5")
    assert code == 1
    assert "another seed (4): choose another --state-dir" in said


@pytest.mark.parametrize("content", [b"", b"garbage" * 1_000, None])
def test_a_simulated_chain_that_is_none_is_no_outage(content: bytes | None, tmp_path: Path) -> None:
    chain = tmp_path / "simnet" / "chain.sqlite"
    chain.parent.mkdir()
    if content is None:
        chain.mkdir()
    else:
        chain.write_bytes(content)
    code, said = refused(tmp_path)
    assert code == 1
    assert f"{chain} is not a chain that can be used" in said
    assert not (tmp_path / "simnet" / "population").exists()


def test_a_report_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--json", str(tmp_path))
    assert code == 2
    assert "--json" in said
    assert not (tmp_path / "state.sqlite").exists()


def test_a_task_without_its_budget_is_told_before_the_work(tmp_path: Path) -> None:
    preset = (files("sn37") / "app" / "schedules" / "simnet.toml").read_text()
    schedule = tmp_path / "schedule.toml"
    without_base = re.sub(r"(?m)^base_model = .*$", "", preset)
    schedule.write_text(without_base.replace('"reference_loss"', '"instruction_rules"', 1))
    code, said = refused(tmp_path / "state", "--schedule", str(schedule))
    assert code == 1
    assert "instruction_rules needs max_new_tokens, the tokens of the longest answer" in said
    assert not (tmp_path / "state" / "simnet").exists()


def test_a_schedule_with_a_revision_that_can_move_is_refused(tmp_path: Path) -> None:
    text = (files("sn37.app") / "schedules/simnet.toml").read_text()
    changed = re.sub(r'(tokenizer = .*revision = )"[0-9a-f]{40}"', r'\1"main"', text, count=1)
    assert changed != text
    schedule = tmp_path / "schedule.toml"
    schedule.write_text(changed)
    code, said = refused(tmp_path / "state", "--schedule", str(schedule))
    assert code == 1
    assert "tokenizer simnet/base: revision 'main' is not a commit of 40 hex digits" in said
    assert "sn37 schedule pin" in said


HANGING = """
import os, threading
from pathlib import Path

def build():
    Path(__file__).with_name("asked").write_text(str(os.getpid()))
    threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_data_set_hangs_ends_the_start_cleanly(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    info = tmp_path / "hanging-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sn37.datasets]\nhanging = hanging:build\n")
    preset = (files("sn37.app") / "schedules/simnet.toml").read_text()
    schedule = tmp_path / "schedule.toml"
    text = preset.replace("[sources.simnet]", "[sources.hanging]")
    schedule.write_text(text.replace('source = "simnet"', 'source = "hanging"'))
    run = subprocess.Popen(
        command(tmp_path / "state", "--schedule", str(schedule)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "asked").exists() or not (tmp_path / "asked").read_text():
        assert run.poll() is None
        time.sleep(0.05)
    plugin = os.pidfd_open(int((tmp_path / "asked").read_text()))
    run.send_signal(number)
    _, said = run.communicate()
    assert (run.returncode, said) == (0, "")
    assert select.select([plugin], [], [], 20)[0], "the plug-in's process is still there"
    os.close(plugin)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
@pytest.mark.fault("SIGTERM", "set-up")
def test_a_signal_during_the_set_up_ends_it_cleanly(
    numbers: tuple[signal.Signals, ...], tmp_path: Path
) -> None:
    run = subprocess.Popen(command(tmp_path), stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
    log = tmp_path / "simnet" / "population" / "logs"
    while not log.exists():  # a child trains from here on
        assert run.poll() is None
        time.sleep(0.05)
    for number in numbers:
        run.send_signal(number)
    run.communicate()
    assert run.returncode == 0
    assert not (log.parent / MARKER).exists(), "it went on until the set-up was done"
    assert not children_of_training(tmp_path)


def children_of_training(state: Path) -> list[Path]:
    """Processes that still hold a log of training below ``state`` open."""
    logs = str(state / "simnet" / "population" / "logs")
    held = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            target = (process / "fd" / "2").readlink()
        except OSError:  # it has ended, or is somebody else's
            continue
        if str(target).startswith(logs):
            held.append(process)
    return held
