"""``sn37 check`` of a folder to its end: the worker loads the model and scores samples."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config.settings import load_settings
from sn37.app.mining.admission_check import Request, run_check
from sn37.app.wiring.machine import Machine
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.submission.admission import AdmissionStep
from sn37.testing.builders.competitions import a_competition
from sn37.testing.builders.models import some_constraints
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


def test_what_was_not_checked_is_not_called_admitted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", str(model), "--network", "simnet", "--allow-weak-sandbox"]
    save_tokenizer(tmp_path / "tokenizer")
    assert run(main.app, [*words, "--competition", "1"], prog_name="sn37") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no problem found for competition 1 (SIMNET_INSTRUCT) by the checks")
    tokenizer = ["--tokenizer", str(tmp_path / "tokenizer")]
    assert run(main.app, [*words, "--competition", "1", *tokenizer], prog_name="sn37") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("a validator would admit it to competition 1 (SIMNET_INSTRUCT): ")


def test_a_refusal_is_a_line_with_the_finding_and_one_with_the_meaning(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "config.json").write_text("{")
    words = ["check", str(model), "--network", "simnet", "--competition", "2"]
    assert run(main.app, words, prog_name="sn37") == 1
    lines = capsys.readouterr().out.splitlines()
    (failed,) = (line for line in lines if line.startswith("failed"))
    assert failed.startswith("failed       config      bad_config: config.json: not JSON: ")
    assert lines[-1] == (
        "a validator would refuse it in competition 2 (SIMNET_FREE); bad_config: "
        "a JSON file is malformed, out of bounds or asks for code; correct it"
    )


def test_a_snapshot_of_the_hubs_cache_is_told_what_to_do(
    check: Check, model: Path, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub" / "models--some--body" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for file in model.iterdir():
        (snapshot / file.name).symlink_to(file)
    code, rows = check(snapshot, "--competition", "2")
    assert code == 1
    assert rows[0]["reason"] == "unsafe_file"
    assert f"some/body@{commit}" in rows[0]["detail"]


def test_what_a_download_leaves_behind_does_not_matter(check: Check, model: Path) -> None:
    (model / ".cache" / "huggingface").mkdir(parents=True)
    code, rows = check(model, "--competition", "2")
    assert code == 0, rows


def test_a_key_that_no_model_needs_is_named_before_anything_is_loaded(
    check: Check, model: Path
) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"final_logit_softcapping": 30.0}))
    code, rows = check(model, "--competition", "2")
    assert code == 1
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["reason"] == "bad_config"
    assert "final_logit_softcapping" in failed["detail"]


@pytest.mark.parametrize("is_own", [True, False])
def test_t48_a_model_with_fewer_positions_than_the_window_is_told_what_that_costs(
    tmp_path: Path, is_own: bool
) -> None:
    save_model(tmp_path / "model", "bart", max_position_embeddings=48)
    rules = a_competition(
        tokenizer=None if is_own else TokenizerRef(repo="a/b", revision="main"),
        constraints=some_constraints(architectures=frozenset({"BartForCausalLM"}), max_tokens=256),
    )
    request = Request(
        target=tmp_path / "model",
        rules=rules,
        tools=Machine(load_settings({"network": "simnet", "state_dir": tmp_path / "state"})),
        tokenizer=None,
        weights=True,
        loading=False,
    )
    examined, rows = asyncio.run(run_check(request))
    assert examined.refusal is None
    (noted,) = (row.detail for row in rows if row.step is AdmissionStep.LIMITS)
    assert noted.startswith(
        "it has 48 positions, fewer than the competition's window of 256 tokens"
    )
    assert ("8 bits a byte" in noted) is is_own
