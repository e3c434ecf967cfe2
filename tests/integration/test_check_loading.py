"""``sn37 check`` of a folder to its end: the worker loads the model and scores samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.app import main
from sn37.app.cli_errors import run
from sn37.testing.tiny_models import save_model, save_tokenizer

Check = Callable[..., tuple[int, list[dict[str, str]]]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Check:
    def check(folder: Path, *options: str) -> tuple[int, list[dict[str, str]]]:
        arguments = [str(folder), "--network", "simnet", "--state-dir", str(tmp_path / "state")]
        code = run(
            main.app,
            ["check", *arguments, "--allow-weak-sandbox", "--json", *options],
            prog_name="sn37",
        )
        rows: list[dict[str, str]] = json.loads(capsys.readouterr().out)["checks"]
        return code, rows

    return check


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", max_position_embeddings=512)
    return tmp_path / "model"


def test_a_good_model_passes_every_check(check: Check, model: Path, tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "tokenizer")
    code, rows = check(model, "--competition", "1", "--tokenizer", str(tmp_path / "tokenizer"))
    assert code == 0
    assert {row["status"] for row in rows} == {"passed"}


def test_what_only_loading_shows_is_found_out(check: Check, model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ messages[0].content }}")
    code, rows = check(model, "--competition", "2")
    assert code == 1
    assert [row["status"] for row in rows] == ["passed"] * 6 + ["failed"]
    assert rows[-1]["reason"] == "template"


def test_a_prescribed_tokenizer_that_is_not_here_is_asked_for(check: Check, model: Path) -> None:
    code, rows = check(model, "--competition", "1")
    assert code == 0
    assert rows[-1]["status"] == "not reached"
    assert "give --tokenizer FOLDER" in rows[-1]["detail"]
