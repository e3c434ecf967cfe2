"""``sn37 simulate`` as a reader runs it."""

from __future__ import annotations

import importlib.util
import json

import pytest

from sn37.app.cli_errors import run
from sn37.app.main import app

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
