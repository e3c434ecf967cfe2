"""Training sets on this machine, read a row at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sn37.adapters.dataset import local_texts as module
from sn37.adapters.dataset.local_texts import CARRIED, local_texts
from sn37.ports.errors import DatasetUnavailable


def test_every_text_of_a_json_line_counts_in_its_order(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "n": 3, "messages": [{"role": "user", "content": "b"}, ["c"]], "x": None},
        "alone",
        [1.5, True],
    ]
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert list(local_texts(file)) == [
        ("set.jsonl, line 1", "a\nuser\nb\nc"),
        ("set.jsonl, line 2", "alone"),
        ("set.jsonl, line 3", ""),
    ]


def test_a_folder_is_read_file_by_file_and_others_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("one\ntwo\n\n\nthree")
    (tmp_path / "a.jsonl").write_text('"zero"\n')
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 9)
    (tmp_path / "parts.txt").mkdir()
    (tmp_path / "parts.txt" / "part-0.md").write_text("four")
    assert list(local_texts(tmp_path)) == [
        ("a.jsonl, line 1", "zero"),
        ("b/x.txt, line 1", "one\ntwo\n"),
        ("b/x.txt, line 5", "three"),
        ("parts.txt/part-0.md, line 1", "four"),
    ]


def test_a_paragraph_without_end_is_read_in_pieces_that_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PIECE", 5_000)
    text = "".join(f"word{n} " for n in range(4_000))
    (tmp_path / "x.txt").write_text(text)
    pieces = [piece for _, piece in local_texts(tmp_path)]
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= 5_000 + CARRIED
    assert pieces[0] + "".join(piece[CARRIED:] for piece in pieces[1:]) == text


def test_bytes_that_are_no_utf_8_are_read_past(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"caf\xe9 au lait")
    assert [text for _, text in local_texts(tmp_path)] == ["caf\N{REPLACEMENT CHARACTER} au lait"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "x.jsonl, line 2: not JSON: Expecting value"),
        ("x.jsonl", b"[" * 100_000, "x.jsonl, line 1: not JSON: "),
        ("x.jsonl", b"\xff\n", "x.jsonl, line 1: not JSON: "),
        ("x.jsonl", b'"' + b"a" * 99, "x.jsonl, line 1: longer than 0 MiB"),
    ],
)
def test_a_damaged_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, told: str
) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 99 if content[:1] == b'"' else 16 << 20)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetUnavailable) as caught:
        list(local_texts(tmp_path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_set_without_a_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnavailable, match=r"no file whose name ends in \.jsonl, \.parquet"):
        list(local_texts(tmp_path))
    (tmp_path / "x.csv").write_text("a")
    with pytest.raises(DatasetUnavailable, match=r"x\.csv: its name must end in \.jsonl"):
        list(local_texts(tmp_path / "x.csv"))
