"""Samples, time windows and pools."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from sn37.domain.data.samples import Pool, Provenance, TimeWindow
from sn37.testing.builders import a_sample, a_window, time_of

NAIVE = datetime(2026, 1, 1)


def test_the_content_hash_is_of_prompt_nul_reference() -> None:
    sample = a_sample(prompt="one", reference="two")
    assert sample.content_hash == sha256(b"one\0two").hexdigest()
    assert sample.content_hash != a_sample(prompt="onet", reference="wo").content_hash


def test_the_content_hash_covers_the_choices_in_their_order() -> None:
    sample = a_sample(prompt="one", reference="b", choices=("a", "b"))
    assert sample.content_hash == sha256(b"one\0b\0a\0b").hexdigest()


@pytest.mark.parametrize("choices", [("a",), ("a", "b", "b"), ("b", "c")])
def test_choices_are_two_or_more_different_ones_and_hold_the_reference(
    choices: tuple[str, ...],
) -> None:
    with pytest.raises(ValueError, match=r"row r: .*choice"):
        a_sample("r", reference="a", choices=choices)


def test_times_are_timezone_aware() -> None:
    with pytest.raises(ValueError, match="row a: produced_at must be timezone-aware"):
        Provenance(row_id="a", produced_at=NAIVE)
    with pytest.raises(ValueError, match="timezone-aware"):
        TimeWindow(since=NAIVE, until=time_of(1))
    with pytest.raises(ValueError, match="timezone-aware"):
        TimeWindow(since=time_of(1), until=NAIVE)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = a_window(since=time_of(0), until=time_of(5))
    assert time_of(0) in window
    assert time_of(5) - timedelta(microseconds=1) in window
    assert time_of(5) not in window
    assert time_of(0) - timedelta(microseconds=1) not in window


def test_an_empty_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty window"):
        TimeWindow(since=time_of(1), until=time_of(1))


def test_a_row_occurs_once_in_a_pool() -> None:
    with pytest.raises(ValueError, match="a row appears twice"):
        Pool((a_sample("a"), a_sample("a", reference="other")))


def test_a_pool_is_cut_to_a_window_and_rows_without_a_time_fall_out() -> None:
    inside, after = a_sample("in", produced_at=time_of(3)), a_sample("out", produced_at=time_of(9))
    pool = Pool((after, inside, a_sample("timeless")))
    assert pool.within(a_window(since=time_of(0), until=time_of(9))) == Pool((inside,))


def test_a_pool_is_never_spelled_out_in_a_log() -> None:
    assert repr(Pool((a_sample("a"), a_sample("b")))) == "Pool(2 samples)"
