"""``sn37 data overlap``: rows of any source in a training set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run


def overlap(*words: str) -> int:
    return run(main.app, ["data", "overlap", *words], prog_name="sn37")


@pytest.fixture
def drawn(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Prompts of a generated source, as its first rounds might ask them."""
    words = ["data", "sample", "list_reasoning", "--count", "20", "--seed", "0", "--json"]
    assert run(main.app, words, prog_name="sn37") == 0
    return [row["prompt"] for row in json.loads(capsys.readouterr().out)["samples"]]


def test_a_folder_that_has_none_of_the_rows_is_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set.txt").write_text("no question of the source is in here " * 20)
    assert overlap(str(tmp_path), "list_reasoning", "--count", "20") == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "0.00% of list_reasoning: 0 of 20 rows have 13 words in a row that the training set has",
        "of these, 0 have at least half of their runs there",
        f"0.00% of {tmp_path}: 0 of 1 rows have 13 words in a row that list_reasoning has",
    ]


def test_rows_that_were_trained_on_are_found_and_shown(
    tmp_path: Path, drawn: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"messages": [{"role": "user", "content": text}]} for text in drawn[:5]]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)))
    asked = (str(tmp_path), "list_reasoning", "--count", "20")
    assert overlap(*asked, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["training"] == str(tmp_path)
    assert found["run_words"] == 13
    assert found["source_rows"]["known"] >= 5
    assert found["source_rows_mostly_known"] == 5
    assert found["training_rows"] == {"rows": 5, "short": 0, "known": 5, "share": 1.0}
    assert found["examples"][0]["where"] == "set.jsonl, line 1"
    assert overlap(*asked) == 1
    assert "list_reasoning/" in capsys.readouterr().out


def test_a_share_may_be_allowed(tmp_path: Path, drawn: list[str]) -> None:
    (tmp_path / "set.txt").write_text(" ".join(drawn[0].split()))
    asked = (str(tmp_path / "set.txt"), "list_reasoning", "--count", "20")
    assert overlap(*asked) == 1
    assert overlap(*asked, "--at-most", "1") == 0


def test_a_training_set_may_be_a_source_itself(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("word_sorting", "word_sorting", "--count", "30", "--training-count", "40", "--json")
    assert overlap(*words, "--training-seed", "0") == 1
    same = json.loads(capsys.readouterr().out)
    assert same["source_rows"]["known"] == same["source_rows"]["rows"] == 30
    overlap(*words, "--training-seed", "5")
    other = json.loads(capsys.readouterr().out)
    assert other["source_rows_mostly_known"] == 0
    assert other["training_rows"]["rows"] == 40


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["absent", "word_sorting"], 1, "no data set is installed as 'absent'"),
        ([".", "absent"], 1, "no data set is installed as 'absent'"),
        (["README.md", "README.md"], 2, "sn37 receipts overlap compares two receipts"),
        ([".", "word_sorting", "--at-most", "2"], 2, "--at-most"),
        ([".", "word_sorting", "--training-seed", "x"], 2, "expected a number"),
        ([".", "sn18"], 2, "rows of sn18 are signed: give --block"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    words: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("text")
    assert overlap(*words) == code
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
