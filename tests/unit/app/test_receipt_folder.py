"""Rounds that are written into a folder for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sn37.adapters.receipts.folder import STATEMENT, write_round
from sn37.testing.builders import a_round_key, an_entry_key

ROUND = a_round_key(1, 1_800)
ENTRY = an_entry_key("alice", 100)


def write(folder: Path) -> bool:
    return write_round(folder, ROUND, b"statement", {ENTRY: b"receipt"})


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


WHOLE = {"1-1800/statement.json": b"statement", "1-1800/alice-100.json": b"receipt"}


def test_a_round_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    assert write(tmp_path)
    assert files(tmp_path) == WHOLE
    (tmp_path / "1-1800" / "alice-100.json").write_bytes(b"older")
    assert not write(tmp_path)
    assert files(tmp_path) == WHOLE | {"1-1800/alice-100.json": b"older"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda home: home.joinpath("alice-100.json").unlink(),
        lambda home: home.joinpath("alice-100.json").write_bytes(b"half"),
        lambda home: home.joinpath("bob-90.json").write_bytes(b"of another copy"),
        lambda home: home.joinpath(STATEMENT).touch(),
        lambda home: home.joinpath(STATEMENT).mkdir(),
    ],
)
def test_a_round_without_its_statement_is_written_anew(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    write(tmp_path)
    (tmp_path / "1-1800" / STATEMENT).unlink()
    spoil(tmp_path / "1-1800")
    assert write(tmp_path)
    assert files(tmp_path) == WHOLE
