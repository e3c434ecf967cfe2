"""Same tensors and same texts under several hotkeys."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import EntryKey
from sn37.domain.submission.duplicates import copied_from, duplicates_of, mark_duplicates
from sn37.domain.submission.submission import Submission
from sn37.testing.builders import (
    a_commitment,
    a_model_ref,
    a_submission,
    an_artifact,
    an_entry_key,
)


def fetched(
    hotkey: str,
    block: int,
    tensors: str = "same",
    *,
    index: int = 0,
    competition: int = 1,
    retired: bool = False,
) -> Submission:
    commitment = a_commitment(hotkey, block, extrinsic_index=index, competition=competition)
    artifact = an_artifact(commitment, tensor_digest=tensors)
    return a_submission(commitment, artifact=artifact, retired=retired)


@st.composite
def populations(draw: st.DrawFn) -> list[Submission]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("abcd"),
                st.integers(1, 9),
                st.integers(0, 2),
                st.sampled_from("xyz"),
                st.integers(1, 2),
            ),
            max_size=15,
            unique_by=lambda row: row[:2],
        )
    )
    return [
        fetched(hotkey, block, tensors, index=index, competition=competition)
        for hotkey, block, index, tensors, competition in rows
    ]


def test_t04_the_same_tensors_under_other_hotkeys_are_duplicates_of_the_earliest() -> None:
    first, second, third = fetched("alice", 10), fetched("bob", 11), fetched("carol", 12)
    assert duplicates_of([third, first, second], entered=()) == {
        second.commitment.key: first.commitment.key,
        third.commitment.key: first.commitment.key,
    }


def test_t08_within_a_block_the_order_of_extrinsics_decides_whose_model_it_is() -> None:
    first, second = fetched("zoe", 10, index=1), fetched("bob", 10, index=2)
    assert duplicates_of([second, first], entered=()) == {
        second.commitment.key: first.commitment.key
    }


def test_other_tensors_and_models_not_yet_fetched_are_no_duplicates() -> None:
    unknown = a_submission(a_commitment("carol", 12))
    assert not duplicates_of(
        [fetched("alice", 10, "x"), fetched("bob", 11, "y"), unknown], entered=()
    )


def test_one_model_may_enter_two_competitions() -> None:
    assert not duplicates_of([fetched("alice", 10), fetched("bob", 11, competition=2)], entered=())


def test_a_retired_digest_never_returns_under_any_hotkey() -> None:
    beaten = fetched("alice", 10, retired=True)
    again, elsewhere = fetched("alice", 20), fetched("bob", 30)
    found = duplicates_of([elsewhere, beaten, again], entered={beaten.commitment.key})
    assert found == {
        again.commitment.key: beaten.commitment.key,
        elsewhere.commitment.key: beaten.commitment.key,
    }


def test_t29_committing_an_old_model_again_does_not_make_it_fresh() -> None:
    old, again = fetched("alice", 10), fetched("alice", 20)
    found = duplicates_of([old, again], entered={old.commitment.key})
    assert found == {again.commitment.key: old.commitment.key}


def test_committing_twice_before_the_first_round_is_harmless() -> None:
    first, again = fetched("alice", 10), fetched("alice", 20)
    assert not duplicates_of([first, again], entered=())
    third = fetched("alice", 30)
    assert duplicates_of([first, again, third], entered={again.commitment.key}) == {
        third.commitment.key: again.commitment.key
    }


def test_a_copy_between_two_commitments_of_the_author_convicts_the_copier_only() -> None:
    first, copy, again = fetched("alice", 10), fetched("bob", 15), fetched("alice", 20)
    assert duplicates_of([again, copy, first], entered={copy.commitment.key}) == {
        copy.commitment.key: first.commitment.key
    }


@given(populations(), st.sets(st.sampled_from("abcd")))
@settings(max_examples=40)
def test_the_earlier_is_never_convicted_and_the_order_of_arrival_does_not_matter(
    submissions: list[Submission], entered_hotkeys: set[str]
) -> None:
    entered = {s.commitment.key for s in submissions if s.commitment.hotkey in entered_hotkeys}
    found = duplicates_of(submissions, entered=entered)
    assert duplicates_of(submissions[::-1], entered=entered) == found
    by_key = {s.commitment.key: s.commitment for s in submissions}
    for later, earlier in found.items():
        assert by_key[earlier].precedence < by_key[later].precedence


@given(populations(), st.integers(10, 99))
@settings(max_examples=40)
def test_t06_later_clones_change_nobody_elses_outcome(
    submissions: list[Submission], block: int
) -> None:
    before = duplicates_of(submissions, entered=())
    clones = [
        fetched(f"clone-{n}", block, s.artifact.tensor_digest)
        for n, s in enumerate(submissions)
        if s.artifact
    ]
    after = duplicates_of([*clones, *submissions], entered=())
    assert {k: v for k, v in after.items() if not k.hotkey.startswith("clone")} == before


def test_marking_replaces_what_was_known_before() -> None:
    late = fetched("bob", 11)
    unjust = a_submission(
        a_commitment("alice", 10),
        artifact=an_artifact(tensor_digest="same"),
        duplicate_of=an_entry_key("bob", 11),
    )
    marked = mark_duplicates([late, unjust], entered=())
    assert [s.duplicate_of for s in marked] == [unjust.commitment.key, None]
    assert [s.commitment for s in marked] == [late.commitment, unjust.commitment]


def test_t01_a_copied_text_is_traced_to_the_hotkey_it_belongs_to() -> None:
    original = a_commitment("alice", 10)
    copy = a_commitment("eve", 12, model=original.model)
    other_copy = a_commitment("mallory", 11, model=original.model)
    assert copied_from(copy, [other_copy, copy, original]) == EntryKey(
        original.hotkey, original.block
    )


def test_committing_ones_own_text_again_copies_nobody() -> None:
    again = a_commitment("alice", 20, model=a_commitment("alice", 10).model)
    assert copied_from(again, [a_commitment("alice", 10), again]) is None


def test_files_that_changed_are_no_copy() -> None:
    moved = a_commitment("alice", 10, model=a_model_ref(repo="alice/other"))
    assert copied_from(moved, [moved, a_commitment("bob", 5)]) is None
