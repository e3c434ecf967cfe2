"""Runs of 13 words that a training set shares with rows of a source."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.data import ngrams
from sn37.domain.data.ngrams import (
    GRAM,
    MAX_EXAMPLES,
    MOST_ROWS,
    SHOWN_WORDS,
    GramIndex,
    TrainingOverlap,
    words_of,
)


def words(first: int, count: int) -> str:
    return " ".join(f"w{n}" for n in range(first, first + count))


def compared(rows: list[str], texts: list[str], *, max_grams: int = 10_000) -> TrainingOverlap:
    index = GramIndex(max_grams=max_grams)
    for number, text in enumerate(rows):
        index.add(f"row-{number}", text)
    return index.compare((f"line {number}", text) for number, text in enumerate(texts))


@pytest.mark.parametrize(("shared", "num_known"), [(12, 0), (13, 1), (40, 1)])
def test_a_row_is_known_from_13_common_words_on(shared: int, num_known: int) -> None:
    row = f"{words(0, 30)} {words(1000, shared)} {words(2000, 30)}"
    text = f"{words(3000, 30)} {words(1000, shared)} {words(4000, 30)}"
    found = compared([row, words(5000, 40)], [words(6000, 40), text])
    assert (found.source.num_known, found.training.num_known) == (num_known, num_known)
    assert found.source.share == num_known / 2


def test_case_punctuation_and_white_space_do_not_matter() -> None:
    row = "The quick brown fox jumps over the lazy dog, while it sleeps in the sun."
    text = "the QUICK (brown) fox\njumps over -- the lazy dog while it\tsleeps in the Sun!"
    assert compared([row], [text]).source.num_known == 1


def test_a_letter_of_a_script_without_spaces_is_a_word() -> None:
    row = "".join(chr(0x4E00 + n) for n in range(20))
    assert compared([row], [f"x {row[3:16]} y"]).source.num_known == 1
    assert compared([row], [f"x {row[3:15]} y"]).source.num_known == 0


def test_rows_with_fewer_words_are_counted_apart() -> None:
    found = compared([words(0, 12), words(0, 20)], [words(0, 12), "", words(0, 20)])
    assert (found.source.num_rows, found.source.num_short, found.source.share) == (2, 1, 1.0)
    assert (found.training.num_rows, found.training.num_short, found.training.share) == (3, 2, 1.0)
    assert compared([words(0, 12)], []).source.share == 0.0


@pytest.mark.parametrize(
    ("num_rows", "is_wording"), [(MOST_ROWS, False), (MOST_ROWS + 1, True), (15, True)]
)
def test_what_more_than_ten_rows_say_is_the_wording_of_the_source(
    num_rows: int, is_wording: bool
) -> None:
    instruction = words(0, 20)
    rows = [f"{instruction} {words(100 * n, 20)}" for n in range(1, num_rows + 1)]
    found = compared(rows, [instruction])
    assert found.source.num_known == (0 if is_wording else num_rows)
    assert found.training.num_known == (0 if is_wording else 1)
    assert compared(rows, rows).source.share == 1.0, "what a row says beside it counts"


def test_all_rows_that_share_a_run_are_known() -> None:
    shared = words(0, 20)
    found = compared([f"{shared} a", f"b {shared}", words(100, 20)], [shared])
    assert found.source.num_known == 2


def test_a_quotation_is_told_from_a_copy() -> None:
    row = words(0, 100)
    assert compared([row], [words(0, 50)]).num_mostly_known == 0
    assert compared([row], [words(0, 57)]).num_mostly_known == 1  # 45 of its 88 runs
    halves = [words(0, 40), words(60, 40)]
    assert compared([row], halves).num_mostly_known == 1, "copied in two places"


def test_an_example_names_row_and_place_and_shows_the_whole_run() -> None:
    row = f"a b {words(0, 15)} c d"
    (example,) = compared(["x", row], ["y", f"e {words(0, 15)} f"]).examples
    assert (example.row_id, example.where) == ("row-1", "line 1")
    assert example.words == words(0, 15)


def test_examples_are_few_and_short_and_of_different_rows() -> None:
    rows = [words(1000 * n, 200) for n in range(MAX_EXAMPLES + 3)]
    found = compared(rows, [*rows, *rows])
    assert [e.row_id for e in found.examples] == [f"row-{n}" for n in range(MAX_EXAMPLES)]
    assert {len(e.words.split()) for e in found.examples} == {SHOWN_WORDS}
    assert found.training.num_known == 2 * len(rows)


def test_rows_beyond_the_size_of_the_index_are_said_to_be_left_out() -> None:
    rows = [words(1000 * n, 50) for n in range(6)]
    found = compared(rows, rows, max_grams=100)
    assert found.num_left_out == 3
    assert (found.source.num_rows, found.source.num_known) == (3, 3)
    assert found.training.num_known == 3


SMALL = st.lists(st.sampled_from("ab"), max_size=40).map(" ".join)


@given(st.lists(SMALL, max_size=4), st.lists(SMALL, max_size=4))
@settings(max_examples=80)
def test_it_finds_what_a_comparison_of_all_runs_finds(rows: list[str], texts: list[str]) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        found = words_of(text)
        return {tuple(found[n : n + GRAM]) for n in range(len(found) - GRAM + 1)}

    sets = [runs(row) for row in rows]
    theirs = set[tuple[str, ...]]().union(*map(runs, texts))
    found = compared(rows, texts)
    assert found.source.num_known == sum(bool(row & theirs) for row in sets)
    assert found.source.num_short == sum(not row for row in sets)
    assert found.training.num_known == sum(
        bool(runs(text) & set[tuple[str, ...]]().union(*sets)) for text in texts
    )


def test_a_long_text_is_compared_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "_WORDS_AT_A_TIME", 50)
    monkeypatch.setattr(ngrams, "_MAX_VOCABULARY", 60)
    for place in range(30, 75):  # also over the border between two parts
        text = f"{words(1000, place)} {words(0, 13)} {words(2000, 100)}"
        (example,) = compared([words(0, 13)], [text]).examples
        assert example.words == words(0, 13)


def test_memory_depends_on_the_rows_and_not_on_the_training_set() -> None:
    def passing(count: int) -> Iterator[tuple[str, str]]:
        for number in range(count):
            yield f"line {number}", words(number % 50, 100)

    def peak(count: int) -> int:
        index = GramIndex()
        index.add("row", words(0, 200))
        tracemalloc.start()
        try:
            assert index.compare(passing(count)).training.num_known == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(2_000) < 1.1 * peak(200) + 10_000
