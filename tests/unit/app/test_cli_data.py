"""``sn37 data``: samples for people and programs, and the contract against a plug-in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.data_tools.check import check_source
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.canonical import canonical_json
from sn37.domain.check_line import Grade
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.competition import Freshness
from sn37.testing.builders import a_pool_request, a_receipt, a_round_key, a_source

PLUGIN = """
import asyncio, random, sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from sn37.dataset_plugin import LivePlugin, NoParameters, Parameters, StaticPlugin
from sn37.domain.data.samples import Pool, Provenance, Sample
from sn37.domain.schedule.methods import Method
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

CHOICE = Method.MULTIPLE_CHOICE
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

class Settings(Parameters):
    mood: str = "good"

def sample(n, text="[bold]\\x1b[31mred\\x07"):
    return Sample(prompt=f"{text} {n}", reference=f"reference {n} " + "x" * 99,
        provenance=Provenance(row_id=f"r{n:03}", produced_at=NOON + timedelta(minutes=n)))

class Live:
    def __init__(self, settings):
        self.mood = settings.mood
    async def collect(self, request):
        mood, window = self.mood, request.window
        rows = [s for n in range(200) if (s := sample(n)).provenance.produced_at in window]
        if request.trusted is not None and mood != "trusting":
            rows = []
        if mood == "hashing":
            rows = [s for s in rows if hash(s.provenance.row_id) % 3]
        if mood == "shuffled":
            rows.reverse()
        if mood == "random":
            rows = random.sample(rows, len(rows) // 2)
        if mood == "late":
            rows.append(sample(9999))
        if mood == "down":
            raise DatasetUnavailable("no key. Set one ... .")
        if mood == "raising":
            raise KeyError("rows")
        if mood == "nul":
            rows = [sample(0, "\\0") if s == sample(0) else s for s in rows]
        if mood == "forgetful" and len(rows) < 60:
            rows = rows[1:]
        return Pool(tuple(rows))

class Static:
    def __init__(self, settings):
        pass
    async def draw(self, *, count, seed):
        if count > 100:
            raise DatasetExhausted(requested=count, available=100)
        key = lambda n: sha256(f"{seed} {n}".encode()).digest()
        return tuple(sample(n) for n in sorted(range(100), key=key)[:count])

def live():
    return LivePlugin(name="t_live", parameters=Settings, connect=Live)

class Quiz(Static):
    async def draw(self, *, count, seed):
        drawn = await super().draw(count=count, seed=seed)
        return tuple(replace(s, choices=(s.reference, "another")) for s in drawn)

def quiz():
    return StaticPlugin(name="t_quiz", parameters=NoParameters, connect=Quiz, method=CHOICE)

def no_quiz():
    return StaticPlugin(name="t_no_quiz", parameters=NoParameters, connect=Static, method=CHOICE)

def static():
    return StaticPlugin(name="t_static", parameters=NoParameters, connect=Static)
"""
WINDOW = ["--since", "2026-01-02T12:00", "--until", "2026-01-02T13:00:00+00:00"]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-ins, as if a package had brought them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delitem(sys.modules, "sn37_test_sources", raising=False)
    (tmp_path / "sn37_test_sources.py").write_text(PLUGIN)
    info = tmp_path / "sources-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sources\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sn37.datasets]\nt_live = sn37_test_sources:live\nt_static = sn37_test_sources:static\n"
        "t_quiz = sn37_test_sources:quiz\nt_no_quiz = sn37_test_sources:no_quiz\n"
        "t_broken = sn37_test_sources:absent\n"
    )


def sn37(*words: str) -> int:
    return run(main.app, ["data", *words], prog_name="sn37")


def test_samples_are_shown_without_what_strangers_would_do_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sn37("sample", "t_live", "--count", "3", "--seed", "7", *WINDOW) == 0
    shown = capsys.readouterr().out
    assert "3 samples of t_live, seed 0x7" in shown
    assert "[bold]\N{REPLACEMENT CHARACTER}[31mred" in shown
    assert not {"\x1b", "\x07"} & set(shown)
    assert "xxx..." in shown
    assert "60 rows in the pool" in shown


def test_samples_for_programs_are_whole_and_the_same_for_a_seed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    documents = []
    for seed in ("7", "0x7", "8"):
        assert sn37("sample", "t_live", "--seed", seed, "--json", *WINDOW) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1] != documents[2]
    assert documents[0]["pool"]["rows"] == 60
    assert documents[0]["window"] == ["2026-01-02T12:00:00+00:00", "2026-01-02T13:00:00+00:00"]
    assert len(documents[0]["samples"]) == 10
    assert documents[0]["samples"][0]["prompt"].startswith("[bold]\x1b[31mred\x07 ")


def test_rows_that_were_set_aside_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37("sample", "t_live", "--parameter", "mood=nul", "--count", "1", *WINDOW) == 0
    assert "1 set aside: a NUL in the text" in capsys.readouterr().out


def test_a_static_source_is_drawn_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37("sample", "t_static", "--count", "2", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["samples"]), document["pool"]) == (2, None)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["absent"], 1, "no data set is installed as 'absent'; installed: "),
        (["t_broken"], 1, "data set 't_broken' of sources cannot be imported: AttributeError"),
        (["t_live", "--parameter", "mood=3"], 1, "source t_live: parameter mood is 3: "),
        (["t_live", "--parameter", "mood"], 2, "--parameter mood: expected key=value"),
        (["t_live", "--parameter", "mood=raising", *WINDOW], 1, "data set t_live: a defect of"),
        (["t_live", "--since", "noon"], 2, "invalid time 'noon': expected for example 2026-01-02"),
        (["t_live", "--since", "2026-01-02", "--until", "2026-01-01"], 2, "--since must lie bef"),
        (["t_live", "--count", "61", *WINDOW], 1, "asked for 61 samples, 60 qualify; between"),
        (["t_static", "--count", "101"], 1, "asked for 101 samples, 100 qualify"),
        (["t_live", "--seed", "x"], 2, "--seed x: expected a number"),
        (["sn18"], 2, "rows of sn18 are signed: give --block to trust the chain's signers, or"),
        (["t_live", "--seed", "-1"], 2, "--seed -1: must be from 0 to 2**256 - 1"),
        (["t_live", "--block", "3", *WINDOW], 2, "--block sets window and signers"),
        (["t_live", "--trusted", "xyz"], 2, "'xyz' is not a hotkey's address: expected 48"),
        (["t_live", "--schedule", "/no/such.toml"], 1, "/no/such.toml: No such file"),
    ],
)
def test_what_cannot_be_sampled_is_one_line(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sn37("sample", *words) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error
    assert error.count("\n") == 1


def test_the_feed_of_simnet_is_not_a_plug_in_to_be_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sn37("check", "simnet", "--network", "simnet", "--block", "3") == 2
    assert "sn37 data sample simnet shows them" in capsys.readouterr().err


def checks(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> dict[str, str]:
    """The grade of each check."""
    assert sn37("check", *words, "--json") == code
    return {check["name"]: check["grade"] for check in json.loads(capsys.readouterr().out)}


def test_a_live_source_that_keeps_the_contract_is_green(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sn37("check", "t_live", "--parameter", "mood=good", *WINDOW) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert "ok       in time zone Pacific/Kiritimati: the same 60 rows" in lines
    assert any(line.startswith("ok       wrong mood: refused: ") for line in lines)


def test_a_static_source_that_keeps_the_contract_is_green(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(checks(capsys, "t_static", code=0).values()) == {"ok"}


@pytest.mark.parametrize(
    ("mood", "check"),
    [
        ("hashing", "in time zone Pacific/Kiritimati"),
        ("shuffled", "order"),
        ("random", "same again"),
        ("late", "rows"),
        ("raising", "rows"),
        ("forgetful", "half-open window"),
    ],
)
def test_a_source_that_breaks_the_contract_is_found_out(
    mood: str, check: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checks(capsys, "t_live", "--parameter", f"mood={mood}", *WINDOW, code=1)
    assert found[check] == "failed"


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("down", "no key. Set one; to fix it: do what the source says, or try again later"),
        ("raising", "; to fix it: see docs/datasets.md for what it may raise and return"),
    ],
)
def test_a_source_that_is_down_is_not_told_what_it_may_raise(
    mood: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sn37("check", "t_live", "--parameter", f"mood={mood}", *WINDOW) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith(told)


def test_rows_that_a_validator_would_set_aside_are_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = checks(capsys, "t_live", "--parameter", "mood=nul", *WINDOW, code=0)
    assert {name for name, grade in found.items() if grade == "warning"} == {"usable"}


@pytest.mark.parametrize(
    ("words", "check"),
    [
        (["t_live", "--parameter", "mood=3"], "opens"),
        (["t_live"], "rows"),  # none of the last hours
        (["t_static", "--count", "101"], "rows"),
    ],
)
def test_a_source_that_cannot_be_read_fails_at_that_step(
    words: list[str], check: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks(capsys, *words, code=1)[check] == "failed"


@pytest.mark.parametrize(("source", "grade"), [("t_quiz", "ok"), ("t_no_quiz", "failed")])
def test_rows_of_a_source_of_choices_are_questions_with_options(
    source: str, grade: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checks(capsys, source, "--count", "9", code=0 if grade == "ok" else 1)
    assert found["options"] == grade


def test_a_source_that_does_not_open_is_not_blamed_for_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = checks(capsys, "t_live", "--parameter", "mood=3", code=1)
    assert found == {"installed": "ok", "opens": "failed"}


async def test_a_source_that_a_schedule_names_and_nobody_installed_is_the_first_check() -> None:
    source = a_source("t_broken", freshness=Freshness.LIVE)
    found = [
        check async for check in check_source(source, a_pool_request(), installed_plugin, count=1)
    ]
    assert [(check.name, check.grade) for check in found] == [("installed", Grade.FAILED)]
    assert "cannot be imported" in found[0].line


@pytest.mark.parametrize(("source", "num_rows"), [("t_live", 60), ("t_static", 100)])
def test_an_overlap_is_measured_on_as_many_rows_as_there_are(
    source: str, num_rows: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set.txt").write_text("some text")
    window = WINDOW if source == "t_live" else []
    assert sn37("overlap", str(tmp_path), source, "--json", *window) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["source_rows"] == {"rows": num_rows, "short": num_rows, "known": 0, "share": 0.0}


def receipt(folder: Path, name: str, *rows: str, sync_block: int = 720) -> str:
    manifest = {TaskName("a\x1b"): tuple((row, Digest(f"hash of {row}")) for row in rows)}
    document = a_receipt(a_round_key(1, sync_block), manifest=manifest).document()
    (folder / name).write_bytes(canonical_json(document))
    return str(folder / name)


def compare(*words: str) -> int:
    return run(main.app, ["receipts", "overlap", *words], prog_name="sn37")


def test_what_two_validators_share_is_measured_from_their_receipts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = receipt(tmp_path, "1", "a", "b", "c"), receipt(tmp_path, "2", "c", "b", "x")
    assert compare(ours, theirs) == 0
    assert capsys.readouterr().out == (
        "competition 1, round 720\n"
        " 66.67%  a\N{REPLACEMENT CHARACTER}: 2 samples shared of 3 and 3\n"
    )
    assert compare(ours, theirs, "--json") == 0
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert (task["num_shared"], task["num_ours"]) == (2, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "not a receipt: version: missing"),
        ("[" * 9, "not JSON: "),
    ],
)
def test_what_is_no_receipt_of_the_round_is_one_line(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = receipt(tmp_path, "ours", "a")
    (tmp_path / "other").write_text(text)
    assert compare(ours, str(tmp_path / "other")) == 1
    assert told in capsys.readouterr().err
    assert compare(ours, str(tmp_path / "absent")) == 1
    assert "No such file" in capsys.readouterr().err
    assert compare(ours, receipt(tmp_path, "later", sync_block=1080)) == 1
    assert "is of competition 1, round 1080; " in capsys.readouterr().err
