"""``sn37 wandb``: the rounds of a record, at our own wandb server and in offline files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.telemetry.member_log import MemberLog
from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.config.settings import load_settings
from sn37.app.errors import UsageError
from sn37.app.wiring import wandb, wandb_process
from sn37.app.wiring.wandb import Destination, destination_of
from sn37.app.wiring.wandb_process import wandb_beside
from sn37.domain.events import Cautioned, RoundOpened
from sn37.domain.ids import EntryKey, Hotkey, Uid
from sn37.testing.builders import (
    a_round_key,
    a_round_plan,
    a_round_result,
    an_entry_key,
    an_entry_result,
)
from sn37.testing.fakes.telemetry import RecordingSink
from tests.integration.dataset.wandb_server import (
    API_KEY,
    Fault,
    HostedRun,
    WandbHost,
    running_wandb,
)
from tests.integration.tracking.offline_file import offline_files, read_back

PROJECT = "sn37-simnet"
MINERS = {Hotkey("5Alice"): Uid(7), Hotkey("5Bob"): Uid(17)}
ROUNDS = [(number, competition) for number in range(2, 8) for competition in (1, 2)]

# Reads as the leaderboards of existing subnets do: runs by name, then a text in each row.
READER = """
import json, sys, wandb
rows = []
for run in wandb.Api().runs(sys.argv[1], order="+created_at"):
    if run.name.startswith("validator-"):
        for row in run.scan_history():
            told = json.loads(row["original_format_json"])
            for uid in told["uids"]:
                data = told["uid_data"][str(uid)]
                rows.append([told["sync_block"], uid, data["average_loss"], data["norm_weight"]])
print(json.dumps(rows))
"""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbHost]:
    with running_wandb() as host:
        host.keys = frozenset({API_KEY})
        monkeypatch.setenv("WANDB_BASE_URL", host.url)
        monkeypatch.setenv("WANDB_API_KEY", API_KEY)
        yield host


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of simnet with six rounds of two competitions."""
    folder = tmp_path / "state"
    folder.mkdir()
    write_rounds(folder, ROUNDS)
    return folder


def write_rounds(folder: Path, rounds: list[tuple[int, int]]) -> None:
    asyncio.run(_write(folder, rounds))


async def _write(folder: Path, rounds: list[tuple[int, int]]) -> None:
    store, members = SqliteStateStore(folder / "state.sqlite"), MemberLog(folder / "members.jsonl")
    for number, competition in rounds:
        key = a_round_key(competition, 720 * number)
        members.emit(RoundOpened(plan=a_round_plan(key), uids=MINERS))
        keys = [EntryKey(h, an_entry_key().block) for h in MINERS]
        rows = tuple(an_entry_result(k, score=0.5 + n) for n, k in enumerate(keys))
        await store.finish_round(a_round_result(key, champion=keys[0], entries=rows))
    await store.close()


def call(capsys: pytest.CaptureFixture[str], state: Path, *more: str) -> tuple[int, str, str]:
    arguments = ["wandb", "--network", "simnet", "--state-dir", str(state), *more]
    code = run(root.app, arguments, prog_name="sn37")
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@contextmanager
def beside(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a validator starts it."""
    command = ["wandb", "--beside", "--network", "simnet", "--state-dir", str(state)]
    with (state / "wandb.log").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "sn37.app.main", *command],
            stdin=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def sent(host: WandbHost) -> list[tuple[int, int]]:
    return [
        (int(str(row["block"])) // 720, int(str(row["step_competition_id"])))
        for hosted in host.written(PROJECT)
        for row in hosted.rows
    ]


def steps(hosted: HostedRun) -> list[object]:
    return [row["_step"] for row in hosted.rows]


def test_every_round_of_both_competitions_is_sent_once(
    host: WandbHost, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"{host.url.removeprefix('http://')}/{PROJECT}"
    assert call(capsys, state)[:2] == (0, f"{place}: 12 rounds sent\n")
    assert call(capsys, state)[:2] == (0, f"{place}: nothing to send\n")
    assert sent(host) == ROUNDS
    write_rounds(state, [(8, 1)])
    assert call(capsys, state)[1] == f"{place}: 1 round sent\n"
    (hosted,) = host.written(PROJECT)
    assert steps(hosted) == list(range(13))


def test_a_reader_of_existing_validators_runs_finds_losses_and_weights(
    host: WandbHost, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, state)[0] == 0
    command = [sys.executable, "-c", READER, f"us/{PROJECT}"]
    read = json.loads(subprocess.check_output(command, env={**os.environ, "WANDB_ENTITY": "us"}))
    expected = [
        [720 * number, uid, score, weight]
        for number, _ in ROUNDS
        for uid, score, weight in ((7, 0.5, 1.0), (17, 1.5, 0.0))
    ]
    assert read == expected


def test_offline_files_are_read_back_with_all_rounds(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    assert call(capsys, state)[:2] == (0, f"offline/{PROJECT}: 12 rounds sent\n")
    write_rounds(state, [(8, 2)])
    assert call(capsys, state)[0] == 0
    (ledger,) = (state / "wandb").glob("sent-offline-*.jsonl")
    run_id = json.loads(ledger.read_bytes().splitlines()[0])["begin"]["id"]
    (file,) = offline_files(state, run_id)
    found = read_back(file)
    assert found["project"] == PROJECT
    assert [(row["block"] // 720, row["step_competition_id"]) for row in found["rows"]] == [
        *ROUNDS,
        (8, 2),
    ]
    assert found["rows"][0]["uid_data"] == {"7": 0.5, "17": 1.5}
    assert found["rows"][0]["competition_1/score"] == {"5Alice": 0.5, "5Bob": 1.5}


def test_what_was_written_offline_is_sent_later_from_the_record(
    host: WandbHost,
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert call(capsys, state)[0] == 0
    assert host.asked == []
    monkeypatch.delenv("WANDB_MODE")
    assert call(capsys, state)[0] == 0
    assert sent(host) == ROUNDS


def test_a_process_that_is_killed_while_it_sends_is_continued(host: WandbHost, state: Path) -> None:
    host.faults.append(Fault(operation="history", times=None, mute=True, is_late=True))
    with beside(state) as process:
        host.wait_until(lambda: len(sent(host)) > 0)  # taken by the server, not confirmed
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    host.faults.clear()
    write_rounds(state, [(8, 1), (8, 2)])
    with beside(state):
        host.wait_until(lambda: len(sent(host)) >= len(ROUNDS) + 2)
    assert sent(host) == [*ROUNDS, (8, 1), (8, 2)]
    (hosted,) = host.written(PROJECT)
    assert steps(hosted) == list(range(len(ROUNDS) + 2))


def test_it_follows_the_record_and_ends_with_its_standard_input(
    host: WandbHost, state: Path
) -> None:
    with beside(state) as process:
        host.wait_until(lambda: sent(host) == ROUNDS)
        write_rounds(state, [(8, 1)])
        host.wait_until(lambda: sent(host) == [*ROUNDS, (8, 1)])
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    shown = (state / "wandb.log").read_text()
    assert "Traceback" not in shown
    assert API_KEY not in shown


def test_no_file_of_the_state_has_the_key(
    host: WandbHost, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, state)[0] == 0
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert [path for path in files if API_KEY.encode() in path.read_bytes()] == []


def test_a_wrong_key_is_one_line_and_exit_code_1(
    host: WandbHost,
    state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "w" * 40)
    code, out, err = call(capsys, state)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "error 401" in err
    assert "w" * 40 not in err


def test_a_missing_package_is_one_line_with_the_remedy(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "find_spec", lambda name: None)
    code, _, err = call(capsys, state)
    assert code == 1
    assert "wandb is not installed: run pip install 'sn37[wandb]'" in err


def test_a_validator_without_the_package_says_so_and_goes_on(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_process, "find_spec", lambda name: None)
    settings = load_settings({"network": "simnet", "state_dir": state, "wandb": True})
    sink = RecordingSink()
    with wandb_beside(settings, sink):
        pass
    (event,) = sink.events
    assert isinstance(event, Cautioned)
    assert event.advice.startswith("wandb is not installed: run pip install")


def test_beside_a_validator_it_runs_only_if_asked_for(host: WandbHost, state: Path) -> None:
    off = load_settings({"network": "simnet", "state_dir": state})
    with wandb_beside(off, RecordingSink()):
        assert not (state / "wandb.log").exists()
    on = load_settings({"network": "simnet", "state_dir": state, "wandb": True})
    with wandb_beside(on, RecordingSink()):
        host.wait_until(lambda: sent(host) == ROUNDS)
    assert "sending to 127.0.0.1" in (state / "wandb.log").read_text()


def test_a_state_without_rounds_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: WandbHost
) -> None:
    code, _, err = call(capsys, tmp_path)
    assert code == 1
    assert "no validator has run in" in err


@pytest.mark.parametrize(
    ("variables", "network", "expected"),
    [
        ({}, "finney", ("finetuning-validators", "api.wandb.ai/finetuning-validators", False)),
        ({"WANDB_ENTITY": "team"}, "test", ("sn37-test", "api.wandb.ai/team/sn37-test", False)),
        (
            {"WANDB_BASE_URL": "https://me:pw@w.example:8080", "WANDB_PROJECT": "p"},
            "finney",
            ("p", "w.example:8080/p", False),
        ),
        ({"WANDB_MODE": "offline"}, "simnet", (PROJECT, f"offline/{PROJECT}", True)),
        (
            {"WANDB_MODE": "dryrun"},
            "ws://[::1]:1",
            ("sn37-1", "offline/sn37-1", True),
        ),
    ],
)
def test_the_usual_variables_say_where_rounds_go(
    variables: Mapping[str, str], network: str, expected: tuple[str, str, bool]
) -> None:
    project, place, is_offline = expected
    found = destination_of(load_settings({"network": network}), variables)
    assert found == Destination(project=project, place=place, is_offline=is_offline)


@pytest.mark.parametrize("mode", ["disabled", "sideways"])
def test_a_mode_that_sends_nothing_or_does_not_exist_is_refused(mode: str) -> None:
    with pytest.raises(UsageError, match="WANDB_MODE"):
        destination_of(load_settings({"network": "simnet"}), {"WANDB_MODE": mode})
