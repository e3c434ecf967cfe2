"""Which models are brought to disk, and when (attack 40)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.disk.expected_downloads import ROUNDS_AHEAD, Expected, expected_entries
from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.history import history_of
from sn37.domain.round.round_entries import plan_entries
from sn37.domain.round.state import EntryOutcome, History, OpenRound
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_metagraph,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_artifact,
    an_entry_key,
    an_entry_result,
)

HEAD = 900  # rounds follow at 1080 and 1440
HOTKEYS = tuple(f"miner-{number:02}" for number in range(12))
MEMBERS = a_metagraph(*HOTKEYS, *"abcdef", at=HEAD)
TWO_PLACES = a_schedule(
    a_stage(a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5)),
    max_new_entries=2,
)


def expect(
    *submissions: Submission,
    schedule: Schedule = TWO_PLACES,
    histories: Mapping[CompetitionId, History] | None = None,
    open_rounds: Iterable[OpenRound] = (),
    unreadable: Collection[EntryKey] = (),
) -> tuple[Expected, ...]:
    return expected_entries(
        submissions,
        schedule=schedule,
        block=Block(HEAD),
        metagraph=MEMBERS,
        histories=histories or {},
        open_rounds=open_rounds,
        unreadable=unreadable,
    )


def seen(hotkey: str, block: int = 100, *, competition: int = 1) -> Submission:
    return a_submission(a_commitment(hotkey, block, competition=competition))


def fetched(hotkey: str, block: int = 100) -> Submission:
    commitment = a_commitment(hotkey, block)
    return a_submission(commitment, artifact=an_artifact(commitment))


def owners(found: Iterable[Expected]) -> list[tuple[str, int]]:
    return [(e.key.hotkey, e.sync_block) for e in found]


def test_t40_each_of_the_next_rounds_is_provided_for_by_precedence_and_no_later_one() -> None:
    queue = [seen(h, 100 + n) for n, h in enumerate("abcdef")]
    assert owners(expect(*reversed(queue))) == [("a", 1080), ("b", 1080), ("c", 1440), ("d", 1440)]


def test_every_competition_has_places_of_its_own() -> None:
    queue = [seen(h, 100 + n, competition=1 + n % 2) for n, h in enumerate("abcdef")]
    assert [owner for owner, _ in owners(expect(*queue))] == list("abcdef")


def test_what_is_due_in_days_waits_behind_what_is_due_now() -> None:
    patient = a_stage(
        a_competition(1, reward_share=0.5, delay_blocks=14_400),
        a_competition(2, reward_share=0.5),
    )
    schedule = a_schedule(patient, max_new_entries=2)
    queue = [seen("a", 100), seen("b", 800, competition=2)]
    assert owners(expect(*queue, schedule=schedule)) == [("b", 1440)]


def test_a_model_is_expected_before_the_round_from_which_it_is_old_enough() -> None:
    assert owners(expect(seen("a", 1080 - 360))) == [("a", 1080)]  # the delay is 360 blocks
    assert owners(expect(seen("a", 1080 - 359))) == [("a", 1440)]


def test_models_that_are_here_hold_their_places() -> None:
    queue = [fetched("a", 100), fetched("b", 101), seen("c", 102)]
    assert owners(expect(*queue))[2:] == [("c", 1440)]


def test_an_unreadable_repository_takes_no_place_unless_its_files_are_here() -> None:
    queue = [seen("a", 100), fetched("b", 101), seen("c", 102)]
    gone = [an_entry_key("a", 100), an_entry_key("b", 101)]
    assert owners(expect(*queue, unreadable=gone)) == [("b", 1080), ("c", 1080)]


def test_entries_of_an_open_round_come_first_until_they_have_an_outcome() -> None:
    plan = a_round_plan(
        a_round_key(1, 720), entries=[an_entry_key("e", 104), an_entry_key("f", 105)]
    )
    done = EntryOutcome(key=an_entry_key("f", 105), verdict=Verdict.SCORED)
    queue = [seen(h, 100 + n) for n, h in enumerate("abcdef")]
    found = expect(*queue, open_rounds=[OpenRound(plan=plan, outcomes={done.key: done})])
    assert owners(found)[:3] == [("e", 720), ("a", 1080), ("b", 1080)]
    assert ("e", 1080) not in owners(found)


def test_nothing_is_expected_that_cannot_take_part() -> None:
    scored = a_round_result(a_round_key(1, 720), entries=(an_entry_result(an_entry_key("e")),))
    found = expect(
        replace(seen("a"), rejection=Reason.NORM),
        seen("b", competition=9),
        seen("stranger"),
        seen("c", 100),
        seen("c", 200),
        seen("d", 1440 - 359),
        fetched("e"),
        histories={CompetitionId(1): history_of([scored])},
    )
    assert owners(found) == [("c", 1080)]


@st.composite
def queues(draw: st.DrawFn) -> tuple[list[Submission], frozenset[EntryKey]]:
    """One commitment a hotkey, some fetched, some refused, some unreadable."""
    found, unreadable = [], set()
    for hotkey in HOTKEYS:
        block = draw(st.integers(1, HEAD))
        submission = draw(st.sampled_from([seen, fetched]))(hotkey, block)
        if draw(st.booleans()) and submission.artifact is None:
            unreadable.add(submission.commitment.key)
        found.append(
            replace(submission, rejection=draw(st.sampled_from([None, None, Reason.NORM])))
        )
    return found, frozenset(unreadable)


@given(queues(), st.integers(1, 5))
@settings(max_examples=60)
def test_t40_the_expected_are_those_that_the_rounds_will_take(
    queue: tuple[list[Submission], frozenset[EntryKey]], places: int
) -> None:
    """Bounded, by precedence, and nobody that a round then takes was left out."""
    submissions, unreadable = queue
    schedule = a_schedule(a_stage(a_competition(1, reward_share=1.0)), max_new_entries=places)
    found = expect(*submissions, schedule=schedule, unreadable=unreadable)
    assert len({e.key for e in found}) == len(found) <= ROUNDS_AHEAD * places
    precedence = [(e.sync_block, e.submission.commitment.precedence) for e in found]
    assert precedence == sorted(precedence)
    readable = [s for s in submissions if s.commitment.key not in unreadable]
    here = {e.key: e.submission for e in found}
    plan = plan_entries(
        submissions=[  # as if every transfer had come to its end
            replace(s, artifact=s.artifact or an_artifact(s.commitment)) for s in readable
        ],
        competition=CompetitionId(1),
        schedule=schedule,
        sync_block=Block(1080),
        metagraph=MEMBERS,
    )
    assert list(plan.entries) == [key for key in here if key in plan.entries]
    assert [e.key for e in found if e.sync_block == 1080] == list(plan.entries)
