"""The entries of a round."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.history import history_of
from sn37.domain.round.round_entries import (
    Contention,
    EntryPlan,
    admitted,
    evaluate_again,
    plan_entries,
)
from sn37.domain.round.state import EntryResult, History, RoundResult
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_commitment_book,
    a_competition,
    a_metagraph,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_artifact,
    an_entry_key,
    an_entry_result,
)

SYNC = 720
HOTKEYS = tuple("abcdefgh")
MEMBERS = a_metagraph(*HOTKEYS, at=SYNC)
TWO = a_schedule(
    a_stage(a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5)),
    max_new_entries=2,
)


def fetched(hotkey: str, block: int = 100, *, competition: int = 1) -> Submission:
    commitment = a_commitment(hotkey, block, competition=competition)
    return a_submission(commitment, artifact=an_artifact(commitment))


def plan(
    *submissions: Submission,
    champion: EntryKey | None = None,
    contenders: tuple[EntryKey, ...] = (),
    rounds: tuple[RoundResult, ...] = (),
    schedule: Schedule = TWO,
    sync_block: int = SYNC,
) -> EntryPlan:
    return plan_entries(
        submissions=submissions,
        competition=CompetitionId(1),
        schedule=schedule,
        sync_block=Block(sync_block),
        metagraph=MEMBERS,
        contention=Contention(former=champion, contenders=contenders),
        history=replace(history_of(rounds), champion=champion, crowned_at=Block(sync_block - 1)),
    )


def scored(sync_block: int, *keys: EntryKey) -> RoundResult:
    return a_round_result(
        a_round_key(1, sync_block), entries=tuple(an_entry_result(key) for key in keys)
    )


def reasons(planned: EntryPlan) -> dict[str, Reason | None]:
    return {row.key.hotkey: row.reason for row in planned.listed}


def key(hotkey: str, block: int = 100) -> EntryKey:
    return an_entry_key(hotkey, block)


def test_new_entries_are_taken_in_order_of_precedence_up_to_the_cap() -> None:
    planned = plan(fetched("c", 300), fetched("a", 200), fetched("b", 100))
    assert planned.entries == (key("b", 100), key("a", 200))
    assert planned.champion is None
    assert planned.listed == (
        EntryResult(
            key=key("c", 300),
            repo="c/model",
            verdict=Verdict.WAITING,
            reason=Reason.QUEUED,
            detail="behind 2 others",
        ),
    )


def test_the_champion_comes_first_and_contenders_take_no_new_places() -> None:
    planned = plan(
        *(fetched(h, 100 + n) for n, h in enumerate("abcdef")),
        champion=key("e", 104),
        contenders=(key("f", 105), key("d", 103)),
        rounds=(scored(360, key("e", 104), key("f", 105), key("d", 103)),),
    )
    assert planned.champion == key("e", 104)
    assert planned.entries == (
        key("e", 104),
        key("a", 100),
        key("b", 101),
        key("d", 103),
        key("f", 105),
    )
    assert reasons(planned) == {"c": Reason.QUEUED}


def test_a_champion_that_is_not_eligible_is_listed_with_the_reason() -> None:
    planned = plan(replace(fetched("a"), failures=2), fetched("b"), champion=key("a"))
    assert planned.champion is None
    assert planned.entries == (key("b"),)
    assert reasons(planned) == {"a": Reason.UNLOADABLE}


def test_t30_one_entry_per_hotkey_the_newest() -> None:
    planned = plan(fetched("a", 100), fetched("a", 200), fetched("a", 150))
    assert planned.entries == (key("a", 200),)
    assert planned.listed == ()


def test_t29_committing_again_changes_the_place_of_that_hotkey_only() -> None:
    before = plan(fetched("a", 100), fetched("b", 110), fetched("c", 120))
    after = plan(fetched("a", 100), fetched("a", 300), fetched("b", 110), fetched("c", 120))
    assert before.entries == (key("a", 100), key("b", 110))
    assert after.entries == (key("b", 110), key("c", 120))


def test_a_commitment_to_another_competition_replaces_the_one_before() -> None:
    planned = plan(fetched("a", 100), fetched("a", 200, competition=2))
    assert planned == EntryPlan(champion=None, entries=(), listed=())


def test_commitments_after_the_sync_block_are_not_seen_and_replace_nothing() -> None:
    planned = plan(fetched("a", 100), fetched("a", SYNC + 1), fetched("b", SYNC + 2))
    assert planned.entries == (key("a", 100),)
    assert planned.listed == ()


def test_with_the_chains_records_only_those_count() -> None:
    planned = plan_entries(
        submissions=[fetched("a", 100), fetched("a", 200), fetched("b", 100)],
        competition=CompetitionId(1),
        schedule=TWO,
        sync_block=Block(SYNC),
        metagraph=MEMBERS,
        book=a_commitment_book(a_commitment("a", 100)),
    )
    assert planned.entries == (key("a", 100),)
    assert planned.listed == ()


def test_an_entry_once_scored_returns_only_as_a_contender() -> None:
    rounds = (scored(360, key("a")),)
    planned = plan(fetched("a"), rounds=rounds)
    assert planned.entries == ()
    assert planned.listed[0].detail == "scored before, behind the contenders"
    assert plan(fetched("a"), rounds=rounds, contenders=(key("a"),)).entries == (key("a"),)


def test_scored_entries_do_not_take_the_places_of_new_ones_for_ever() -> None:
    rounds = (scored(360, key("a"), key("b")),)
    assert plan(fetched("a"), fetched("b"), fetched("c", 200), rounds=rounds).entries == (
        key("c", 200),
    )


def test_a_new_commitment_waits_a_day_after_the_challenge_of_the_last() -> None:
    rounds = (scored(360, key("a")),)
    early = plan(fetched("a", 100), fetched("a", 361), rounds=rounds, sync_block=7_200)
    assert reasons(early) == {"a": Reason.CHALLENGE_LIMIT}
    later = plan(fetched("a", 100), fetched("a", 361), rounds=rounds, sync_block=7_560)
    assert later.entries == (key("a", 361),)


def test_t04_a_duplicate_of_a_replaced_commitment_is_listed() -> None:
    original = fetched("a", 100)
    copy_commitment = a_commitment("b", 200)
    assert original.artifact is not None
    copy = a_submission(
        copy_commitment,
        artifact=an_artifact(copy_commitment, tensor_digest=original.artifact.tensor_digest),
    )
    planned = plan(copy, fetched("a", 300), original)
    assert planned.entries == (key("a", 300),)
    assert reasons(planned) == {"b": Reason.DUPLICATE}


def test_a_public_model_keeps_its_place_while_its_files_are_on_the_way() -> None:
    planned = plan_entries(
        submissions=[a_submission(a_commitment("a")), a_submission(a_commitment("b"))],
        competition=CompetitionId(1),
        schedule=TWO,
        sync_block=Block(SYNC),
        metagraph=MEMBERS,
        availability={key("a"): Availability.PUBLIC, key("b"): Availability.PRIVATE},
    )
    assert planned.entries == (key("a"),)
    assert reasons(planned) == {"b": Reason.NOT_PUBLIC}


@st.composite
def populations(draw: st.DrawFn) -> list[Submission]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(HOTKEYS),
                st.integers(1, 800),
                st.integers(1, 2),
                st.integers(0, 2),
                st.sampled_from(["own", "shared"]),
                st.booleans(),
            ),
            max_size=16,
            unique_by=lambda row: row[:2],
        )
    )
    found = []
    for hotkey, block, competition, failures, tensors, present in rows:
        commitment = a_commitment(hotkey, block, competition=competition)
        artifact = an_artifact(
            commitment, tensor_digest="shared" if tensors == "shared" else f"{hotkey}{block}"
        )
        found.append(
            a_submission(commitment, artifact=artifact if present else None, failures=failures)
        )
    return found


@given(populations(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_in_which_submissions_became_known_does_not_matter(
    submissions: list[Submission], random: Random
) -> None:
    shuffled = random.sample(submissions, len(submissions))
    assert plan(*shuffled) == plan(*submissions)


@given(populations())
@settings(max_examples=40)
def test_every_current_commitment_is_an_entry_or_listed_once_with_a_reason(
    submissions: list[Submission],
) -> None:
    planned = plan(*submissions)
    newest: dict[str, Submission] = {}
    for s in sorted(submissions, key=lambda s: s.commitment.block):
        if s.commitment.block <= SYNC:
            newest[s.commitment.hotkey] = s
    current = [s.commitment.key for s in newest.values() if s.commitment.competition == 1]
    rows = [*planned.entries, *(row.key for row in planned.listed)]
    assert sorted(rows) == sorted(current)
    assert len(planned.entries) <= TWO.max_new_entries
    assert all(row.reason is not None and row.score is None for row in planned.listed)


@given(populations(), st.integers(0, 719))
@settings(max_examples=40)
def test_t06_a_later_clone_changes_no_other_entry(
    submissions: list[Submission], block: int
) -> None:
    # Its own hotkey "h" takes part with the clone only.
    others = [s for s in submissions if s.commitment.hotkey != "h"]
    models = [s for s in others if s.artifact is not None and s.commitment.competition == 1]
    if not models:
        return
    copied = models[0]
    commitment = a_commitment("h", max(block, copied.commitment.block + 1))
    assert copied.artifact is not None
    clone = a_submission(
        commitment,
        artifact=an_artifact(commitment, tensor_digest=copied.artifact.tensor_digest),
    )
    assert plan(*others, clone).entries == plan(*others).entries


@pytest.mark.parametrize(
    ("submission", "history", "again"),
    [
        (fetched("a"), History(), True),
        (replace(fetched("a"), failures=1), History(entered={key("a"): Block(360)}), True),
        (replace(fetched("a"), failures=2), History(), False),
        (replace(fetched("a"), retired=True), History(), False),
        (fetched("a"), History(scored=frozenset({key("a")})), False),
    ],
)
def test_who_is_evaluated_again(submission: Submission, history: History, again: bool) -> None:
    assert evaluate_again(submission, history) is again


def test_t59_places_go_to_a_hotkey_that_hung_when_nobody_else_wants_them() -> None:
    row = an_entry_result(key("a", 50), verdict=Verdict.FAILED, reason=Reason.TIMEOUT)
    hung = a_round_result(a_round_key(1, 360), entries=(row,))
    # It commits again, the first of all; the day between two challenges has passed.
    entries = (fetched("a", 100), fetched("b", 101), fetched("c", 102))
    late = SYNC + 20 * 360
    planned = plan(*entries, rounds=(hung,), sync_block=late)
    assert planned.entries == (key("b", 101), key("c", 102))
    assert reasons(planned) == {"a": Reason.QUEUED}
    planned = plan(*entries[:2], rounds=(hung,), sync_block=late)
    assert planned.entries == (key("a", 100), key("b", 101))


def test_who_had_no_time_in_the_round_before_has_the_first_place_in_the_next() -> None:
    before = replace(scored(360), postponed=(key("c", 102),))
    planned = plan(*(fetched(h, 100 + n) for n, h in enumerate("abc")), rounds=(before,))
    assert planned.entries == (key("a", 100), key("c", 102))
    assert reasons(planned) == {"b": Reason.QUEUED}


def test_t59_entries_that_our_worker_fails_on_in_every_round_take_no_place_for_ever() -> None:
    """A failure of ours uses up no challenge: by age alone they were the first in each round."""
    stuck = [fetched(name, 100 + n) for n, name in enumerate("abcd")]
    honest = fetched("e", 200)
    rounds: tuple[RoundResult, ...] = ()
    seen: list[frozenset[EntryKey]] = []
    for number in (1, 2, 3):
        planned = plan(*stuck, honest, rounds=rounds)
        seen.append(frozenset(planned.entries))
        rows = tuple(
            an_entry_result(entry, verdict=Verdict.FAILED, reason=Reason.DEVICE)
            for entry in planned.entries
            if entry != honest.commitment.key
        )
        rounds = (*rounds, a_round_result(a_round_key(1, 360 * number), entries=rows))
    assert seen[0] == {key("a", 100), key("b", 101)}
    assert any(honest.commitment.key in entries for entries in seen)
    # With nobody else in the queue they are tried again.
    assert plan(*stuck, rounds=rounds).entries


@pytest.mark.parametrize("num_judged", range(8))
def test_in_every_fourth_round_a_place_goes_to_whom_our_worker_failed_longest_ago(
    num_judged: int,
) -> None:
    crowd = [fetched(name, 100 + n) for n, name in enumerate("abcd")]
    failed = {fetched(name, 200).commitment.key: Block(at) for name, at in (("e", 720), ("f", 360))}
    history = History(
        num_judged=num_judged,
        postponed=frozenset(s.commitment.key for s in crowd[:3]),
        unlucky=failed,
    )
    waiting = [*crowd, *(fetched(name, 200) for name in "ef")]
    found = {k.hotkey for k in admitted(waiting, history, 2)}
    assert found == ({"a", "f"} if num_judged % 4 == 3 else {"a", "b"})
    assert {k.hotkey for k in admitted(waiting[4:], history, 1)} == {"f"}
