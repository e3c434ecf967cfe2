"""Training sets in Parquet, as common writers make them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from sn37.adapters.dataset.local_texts import local_texts
from sn37.ports.errors import DatasetUnavailable


def test_all_columns_with_text_are_read_and_no_others(tmp_path: Path) -> None:
    turns = [[{"role": "user", "content": f"ask {n}"}, {"role": "b", "content": "c"}] for n in "xy"]
    table = pa.table(
        {
            "n": [1, 2],
            "text": ["one", None],
            "view": pa.array(["v", "w"], pa.string_view()),
            "kind": pa.array(["k", "l"]).dictionary_encode(),
            "image": pa.array([b"\x89PNG", b"x"], pa.binary()),
            "turns": turns,
            "numbers": [[1], [2, 3]],
        }
    )
    pq.write_table(table, tmp_path / "set.parquet", row_group_size=1)
    assert list(local_texts(tmp_path)) == [
        ("set.parquet, row 1", "one\nv\nk\nuser\nask x\nb\nc"),
        ("set.parquet, row 2", "w\nl\nuser\nask y\nb\nc"),
    ]


@pytest.mark.parametrize(
    ("content", "told"), [(b"PAR1 but not really", "set.parquet: "), (b"", "set.parquet: ")]
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "set.parquet").write_bytes(content)
    with pytest.raises(DatasetUnavailable, match=told):
        list(local_texts(tmp_path))


def test_a_file_without_text_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "set.parquet")
    with pytest.raises(DatasetUnavailable, match=r"set\.parquet: no column with text"):
        list(local_texts(tmp_path))


def test_many_rows_in_many_groups_are_all_read_once(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": [f"text {n}" for n in range(1_000)]}),
        tmp_path / "set.parquet",
        row_group_size=130,
    )
    found = [text for _, text in local_texts(tmp_path / "set.parquet")]
    assert found == [f"text {n}" for n in range(1_000)]
