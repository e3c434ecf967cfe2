"""``sn37 simulate`` as a reader runs it."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest

from sn37.app.cli.root import app
from sn37.app.cli.run import run
from sn37.app.simulate.attacks import SCENARIOS

SMALL = ["--paths", "3", "--rounds", "2", "--samples", "32"]


@pytest.mark.parametrize(
    "command", ["false-crown", "lottery", "power", "racing", "noise", "multi-task"]
)
def test_every_simulation_prints_figures_as_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, ["simulate", command, *SMALL, "--seed", "5", "--json"], prog_name="sn37") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures
    assert all(set(f) == {"name", "value", "low", "high", "trials"} for f in figures)


@pytest.mark.parametrize("scenario", ["clones", "known-rows"])
def test_an_attack_is_played_as_often_as_it_was_asked(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["simulate", "attack", scenario, *SMALL, "--json"]
    assert run(app, command, prog_name="sn37") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert {f["trials"] for f in figures} == {3}


def test_an_unknown_attack_names_the_argument_and_the_choice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(app, ["simulate", "attack", "nosuch"], prog_name="sn37") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: SCENARIO nosuch: unknown; choose from power, clones")


def test_an_economy_lists_every_strategy_with_what_it_earns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ["--rounds", "30", "--runs", "2", "--samples", "64"]
    command = ["simulate", "economy", *small, "--strategy", "farm", "--strategy", "merger"]
    assert run(app, [*command, "--assume", "registration=20", "--json"], prog_name="sn37") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"]["registration"] == 20
    named = {row["strategy"]: row for row in found["strategies"]}
    assert set(named) == {"small", "medium", "large", "scratch", "farm", "merger"}
    assert sum(row["share"]["value"] for row in named.values()) == pytest.approx(1.0)
    assert named["farm"]["per_cost"]["trials"] == 2
    assert run(app, command, prog_name="sn37") == 0
    table = capsys.readouterr().out.splitlines()
    assert max(map(len, table)) <= 80
    assert [row.split()[0] for row in table if row.startswith(("farm", "merger"))]
    assert sum(".." in row for row in table) == len(named)


def test_where_nobody_was_paid_yet_there_is_nothing_to_compare(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["simulate", "economy", "--rounds", "3", "--runs", "2", "--strategy", "copier"]
    assert run(app, [*command, "--samples", "64", "--json"], prog_name="sn37") == 0
    rows = json.loads(capsys.readouterr().out)["strategies"]
    assert {row["relative"]["value"] for row in rows} == {None}


def test_alone_each_strategy_stands_beside_honest_owners_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ["--rounds", "20", "--runs", "1", "--samples", "64", "--alone", "--json"]
    command = ["simulate", "economy", *small, "--strategy", "copier", "--strategy", "squatter"]
    assert run(app, command, prog_name="sn37") == 0
    rows = json.loads(capsys.readouterr().out)["strategies"]
    assert [row["strategy"] for row in rows] == [
        *("small", "medium", "large", "scratch"),
        *("copier", "squatter"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "bribery"], "choose from merger"),
        (["--assume", "rent=3"], "choose from base_gain_day"),
        (["--assume", "upload=free"], "expected a number, for example upload=1.5"),
        (["--assume", "upload=-1"], "expected a number"),
        (["--assume", "unit=0"], "unit=0: expected more than 0"),
        (["--assume", "floor=1"], "floor=1: expected less than 1"),
    ],
)
def test_what_an_economy_does_not_know_is_wrong_usage(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, ["simulate", "economy", *words], prog_name="sn37") == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_missed_rounds_compare_three_validators(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--rounds", "50", "--runs", "2", "--samples", "64", "--json"]
    assert run(app, ["simulate", "missed-rounds", *small], prog_name="sn37") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert len(figures) == 9
    assert all(0 <= f["value"] <= 1 for f in figures)


def test_missed_rounds_need_rounds_that_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["simulate", "missed-rounds", "--rounds", "40"], prog_name="sn37") == 2
    assert "--rounds 40: the first 40 do not count" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        *(["attack", "power", "--gain"], ["power", "--gain"], ["multi-task", "--gain"]),
        *(["racing", "--gain-mean"], ["racing", "--gain-sd"], ["noise", "--sd"]),
        *(["power", "--epsilon"], ["power", "--correlation"], ["missed-rounds", "--missed"]),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-2", "7"])
def test_a_number_that_means_nothing_is_wrong_usage(
    words: list[str], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, ["simulate", *words, value], prog_name="sn37") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: invalid value for '{words[-1]}': expected at ")
    assert f"not '{value}'" in line


def test_the_help_names_every_attack(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["simulate", "attack", "--help"], prog_name="sn37") == 0
    named = set(re.findall(r"[a-z][a-z-]+", capsys.readouterr().out))
    assert set(SCENARIOS) - named == set()


def test_an_unknown_attack_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["simulate", "attack", "bribery"], prog_name="sn37") == 2
    assert "choose from power, clones" in capsys.readouterr().err


def test_a_table_shows_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["simulate", "racing", *SMALL], prog_name="sn37") == 0
    assert "95 % interval" in capsys.readouterr().out


def test_an_unknown_shape_is_one_line_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["simulate", "power", "--shape", "odd"], prog_name="sn37") == 2
    assert "choose from normal, heavy, skewed, rare" in capsys.readouterr().err


def test_without_numpy_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert run(app, ["simulate", "noise"], prog_name="sn37") == 1
    assert "pip install 'sn37[simulate]'" in capsys.readouterr().err
