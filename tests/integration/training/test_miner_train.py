"""``sn37 miner train`` as a miner calls it, on simnet's own data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wandb

from sn37.app.cli import miner
from sn37.app.training import run as training
from sn37.testing.tiny_models import save_model

FREE = """\
competition = 2
base = "{folder}/base"
output = "{folder}/model"
[data]
held_out_samples = 24
[[data.sources]]
name = "simnet"
block = 400
hours = 1.3
[training]
steps = 4
batch_samples = 4
learning_rate = 2e-3
evaluate_steps = 2
precision = "float32"
threads = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration, and the base that it names."""
    save_model(tmp_path / "base")
    file = tmp_path / "train.toml"
    file.write_text(FREE.format(folder=tmp_path))
    return file


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = miner.main([*map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_miner_trains_a_model_that_a_validator_admits(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ("train", file, "--network", "simnet", "--json")
    code, out, err = run(*train, capsys=capsys)
    assert code == 0, err
    trained = json.loads(out)
    scores = [e["score"] for e in trained["evaluations"]]
    assert [e["step"] for e in trained["evaluations"]] == [0, 2, 4]
    assert trained["base_score"] == scores[0] > trained["score"] == min(scores)
    assert "held out, as a validator scores" in err
    folder = file.parent
    assert (folder / "model.run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads((folder / "model.run" / "data.json").read_text())
    learnt, held = (
        {prompt for task in data[side] for _, prompt, _ in task["rows"]}
        for side in ("training", "held_out")
    )
    assert len(held) == 24
    assert not learnt & held
    before = {p: p.read_bytes() for p in (folder / "model").iterdir()}
    # The same command again has nothing left to do.
    code, out, _ = run(*train, capsys=capsys)
    assert (code, json.loads(out)) == (0, trained)
    assert {p: p.read_bytes() for p in (folder / "model").iterdir()} == before
    check = ("check", folder / "model", "--competition", 2, "--network", "simnet", "--no-loading")
    code, out, err = run(*check, capsys=capsys)
    assert code == 0, err + out


def test_a_base_that_could_not_compete_is_refused_before_anything_is_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(file.parent / "base", "mistral")
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 1
    assert "Traceback" not in err
    assert not (file.parent / "model.run").exists()
    line = err.splitlines()[-1]
    assert line.startswith(f"error: base {file.parent}/base: a validator would refuse it")
    assert "architecture: 'MistralForCausalLM'" in line


def test_a_base_whose_vocabulary_is_smaller_than_the_competitions_tokenizer_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = file.parent
    save_model(folder / "base", vocab_size=200)
    save_model(folder / "prescribed")
    text = file.read_text().replace("competition = 2", "competition = 1", 1)
    file.write_text(f'tokenizer = "{folder}/prescribed"\n{text}')
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 1
    assert err.splitlines()[-1].startswith(
        "error: vocabulary of 200, the competition's tokenizer has "
    )


def test_who_interrupts_it_is_told_that_it_goes_on(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "held_out_score", interrupt)
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 1
    assert err.splitlines()[-1] == "error: interrupted; repeat the command to continue"


def test_curves_that_nobody_may_receive_are_one_line(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise wandb.Error("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", refuse)
    file.write_text(f'wandb_project = "sn37"\n{file.read_text()}')
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: wandb: No API key configured. Use `wandb login`")


def test_curves_are_sent_to_who_asks_for_them(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    text = file.read_text().replace("steps = 4", "steps = 1")
    file.write_text(f'wandb_project = "sn37"\n{text}')
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 0, err
    assert list((file.parent / "model.run" / "wandb").glob("offline-run-*/*.wandb"))


def test_too_few_rows_are_counted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        file.read_text().replace("block = 400\nhours = 1.3", "block = 900\nhours = 0.001")
    )
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 1
    assert "to hold any out: simnet: 0 rows from" in err.splitlines()[-1]


def test_an_output_that_is_there_already_is_left_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "model").mkdir()
    code, _, err = run("train", file, "--network", "simnet", capsys=capsys)
    assert code == 2
    assert "model exists already; name another folder" in err
