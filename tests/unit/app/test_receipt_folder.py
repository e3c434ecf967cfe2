"""Rounds that are written into a folder for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.receipts.folder import write_index, write_round
from sn37.adapters.receipts.listing import (
    INDEX,
    STATEMENT,
    ListedRound,
    digest_of,
    index_of,
    listing_of,
    read_index,
    read_listing,
)
from sn37.domain.canonical import canonical_json
from sn37.ports.errors import OfferRefused
from sn37.testing.builders import a_round_key, an_entry_key

ROUND = a_round_key(1, 1_800)
ENTRY = an_entry_key("alice", 100)


def write(folder: Path) -> bool:
    return write_round(folder, ROUND, b"statement", {ENTRY: b"receipt"})


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


DOCUMENTS = {"statement.json": b"statement", "alice-100.json": b"receipt"}
LISTING = listing_of(DOCUMENTS)
WHOLE = {
    **{f"1-1800/{name}": content for name, content in DOCUMENTS.items()},
    "1-1800/files.list": LISTING,
}


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


def test_an_index_names_every_round_with_the_digest_of_its_list(tmp_path: Path) -> None:
    write(tmp_path)
    write_index(tmp_path)
    found = read_index((tmp_path / INDEX).read_bytes())
    assert found == {ROUND: ListedRound(digest_of(LISTING), len(b"statementreceipt"))}
    named = read_listing(LISTING)
    assert {n: (d.size_bytes, d.sha256) for n, d in named.items()} == {
        n: (len(content), digest_of(content)) for n, content in DOCUMENTS.items()
    }


def test_rounds_of_an_older_version_get_their_list_with_the_index(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "1-1800" / "files.list").unlink()
    (tmp_path / "1-1800" / "notes.txt").write_text("mine")
    write_index(tmp_path)
    assert (tmp_path / "1-1800" / "files.list").read_bytes() == LISTING


def test_what_is_not_a_complete_round_is_not_in_the_index(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "1-2160").mkdir()
    (tmp_path / "1-2520.partial").mkdir()
    (tmp_path / "notes").mkdir()
    write_index(tmp_path)
    assert list(read_index((tmp_path / INDEX).read_bytes())) == [ROUND]


def test_a_folder_without_rounds_has_no_index(tmp_path: Path) -> None:
    write_index(tmp_path)
    write_index(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=20), JSON, max_size=3), st.sampled_from(["rounds", "files"])
)
def test_any_other_document_is_refused_by_its_name(entries: dict[str, object], key: str) -> None:
    data = canonical_json({"version": 1, key: entries})  # type: ignore[dict-item]
    for read in (read_index, read_listing):
        if is_refused(read, data):
            continue
        assert read(data) == {}


def is_refused(read: Callable[[bytes], object], data: bytes) -> bool:
    """True if it is refused in one line; any other error is raised."""
    try:
        read(data)
    except OfferRefused as error:
        return "\n" not in str(error)
    return False


@given(st.binary(max_size=40))
def test_bytes_that_are_not_a_list_are_refused(data: bytes) -> None:
    for read in (read_index, read_listing):
        with pytest.raises(OfferRefused):
            read(data)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 10**15 - 1)),
        st.integers(0, 2**20),
        max_size=5,
    )
)
def test_an_index_is_read_as_it_was_written(sizes: dict[tuple[int, int], int]) -> None:
    written = {f"{c}-{b}": ListedRound("a" * 64, size) for (c, b), size in sizes.items()}
    found = read_index(index_of(written))
    assert {f"{k.competition}-{k.sync_block}": v for k, v in found.items()} == written
    assert list(found) == sorted(found)
