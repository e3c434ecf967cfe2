"""Overlap of what two validators drew, from their manifests."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.data.overlap import Overlap, overlaps
from sn37.domain.ids import Digest, TaskName

ONE, TWO = TaskName("one"), TaskName("two")


def rows(*names: str) -> tuple[tuple[str, Digest], ...]:
    return tuple((name, Digest(f"hash of {name}")) for name in names)


def test_shared_rows_are_counted_by_task_whatever_their_order() -> None:
    found = overlaps(
        {ONE: rows("a", "b", "c", "d"), TWO: rows("a")}, {ONE: rows("d", "x", "b", "a")}
    )
    assert found == (
        Overlap(task=ONE, num_ours=4, num_theirs=4, num_shared=3),
        Overlap(task=TWO, num_ours=1, num_theirs=0, num_shared=0),
    )
    assert [o.share for o in found] == [0.75, 0.0]


def test_an_edited_row_is_not_shared() -> None:
    edited = (("a", Digest("another")),)
    assert overlaps({ONE: rows("a")}, {ONE: edited})[0].share == 0.0


def test_who_drew_nothing_agrees_with_who_drew_nothing() -> None:
    assert overlaps({ONE: ()}, {ONE: ()})[0].share == 1.0


@given(st.sets(st.text()), st.sets(st.text()))
@settings(max_examples=60)
def test_agreement_is_mutual_and_a_share(ours: set[str], theirs: set[str]) -> None:
    (here,) = overlaps({ONE: rows(*ours)}, {ONE: rows(*theirs)})
    (there,) = overlaps({ONE: rows(*theirs)}, {ONE: rows(*ours)})
    assert 0 <= here.share == there.share <= 1
    assert (here.share == 1) == (ours == theirs)
