"""Who may take part in a round."""

from __future__ import annotations

import pytest

from sn37.domain.ids import Block, EntryKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.eligibility import (
    CHALLENGE_BLOCKS,
    Judgement,
    attended_round,
    judge,
    missed_round,
    record_failure,
    restart_clock,
)
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_competition,
    a_metagraph,
    a_neuron,
    a_schedule,
    a_stage,
    a_submission,
    an_artifact,
    an_entry_key,
    some_constraints,
)

SYNC = Block(720)
SCHEDULE = a_schedule()  # competition 1 from block 0, delay 360
MEMBERS = a_metagraph("alice", "bob", at=SYNC)
PUBLIC, PRIVATE = Availability.PUBLIC, Availability.PRIVATE


def fetched(
    block: int = 100,
    *,
    clock_block: int | None = None,
    rejection: Reason | None = None,
    detail: str = "",
    duplicate_of: EntryKey | None = None,
    failures: int = 0,
    missed_rounds: int = 0,
    retired: bool = False,
) -> Submission:
    commitment = a_commitment("alice", block)
    return a_submission(
        commitment,
        clock_block=clock_block,
        artifact=an_artifact(commitment),
        rejection=rejection,
        detail=detail,
        duplicate_of=duplicate_of,
        failures=failures,
        missed_rounds=missed_rounds,
        retired=retired,
    )


def judged(
    submission: Submission,
    *,
    sync_block: int = SYNC,
    schedule: Schedule = SCHEDULE,
    metagraph: Metagraph = MEMBERS,
    previous_challenge: int | None = None,
    availability: Availability | None = None,
    champion: bool = False,
) -> Judgement:
    return judge(
        submission,
        sync_block=Block(sync_block),
        schedule=schedule,
        metagraph=metagraph,
        previous_challenge=None if previous_challenge is None else Block(previous_challenge),
        availability=availability,
        champion=champion,
    )


def test_a_fetched_model_of_a_member_that_is_old_enough_is_eligible() -> None:
    judgement = judged(fetched())
    assert judgement.eligible
    assert judgement == Judgement()


def test_age_counts_to_the_block() -> None:
    assert judged(fetched(360)).eligible
    late = judged(fetched(361))
    assert (late.verdict, late.reason) == (Verdict.WAITING, Reason.TOO_EARLY)
    assert late.detail == "old enough at block 721, in the round of block 1080"


def test_the_round_named_is_the_one_that_an_exact_age_reaches() -> None:
    assert judged(fetched(720)).detail == "old enough at block 1080, in the round of block 1080"


def test_t29_a_new_commitment_starts_its_own_clock() -> None:
    assert judged(fetched(100)).eligible
    assert judged(fetched(719)).reason is Reason.TOO_EARLY


def test_a_commitment_from_after_the_sync_block_is_too_early() -> None:
    assert judged(fetched(725)).reason is Reason.TOO_EARLY


def test_the_competition_must_run_at_the_sync_block() -> None:
    schedule = a_schedule(a_stage(), a_stage(a_competition(2), from_block=700))
    judgement = judged(fetched(), schedule=schedule)
    assert (judgement.verdict, judgement.reason) == (
        Verdict.REJECTED,
        Reason.INACTIVE_COMPETITION,
    )
    assert judgement.detail == "competition 1 does not run"


def test_the_competition_must_have_run_when_the_model_was_committed() -> None:
    judgement = judged(fetched(100), schedule=a_schedule(a_stage(from_block=101)))
    assert judgement.reason is Reason.INACTIVE_COMPETITION
    assert judgement.detail == "competition 1 did not run at block 100"
    assert judged(fetched(101), schedule=a_schedule(a_stage(from_block=101))).eligible


def test_a_stranger_to_the_subnet_is_not_eligible() -> None:
    judgement = judged(fetched(), metagraph=a_metagraph("bob", at=SYNC))
    assert (judgement.verdict, judgement.reason) == (Verdict.REJECTED, Reason.NOT_REGISTERED)
    assert judgement.detail == "not registered at block 720"


@pytest.mark.parametrize(("registered_at", "eligible"), [(99, True), (100, True), (101, False)])
def test_t31_a_commitment_older_than_the_registration_does_not_count(
    registered_at: int, eligible: bool
) -> None:
    member = a_neuron("alice", registered_at=registered_at)
    judgement = judged(fetched(100), metagraph=Metagraph(at=a_block_ref(SYNC), neurons=(member,)))
    assert judgement.eligible == eligible
    assert eligible or judgement.reason is Reason.REGISTERED_LATER


def test_t32_a_new_owner_of_a_uid_inherits_nothing() -> None:
    # The uid is the same, the hotkey is not.
    metagraph = Metagraph(at=a_block_ref(SYNC), neurons=(a_neuron("mallory", uid=0),))
    assert judged(fetched(), metagraph=metagraph).reason is Reason.NOT_REGISTERED


def test_a_refused_model_stays_refused_with_its_reason() -> None:
    judgement = judged(fetched(rejection=Reason.NORM, detail="norm 2000 in layer 3"))
    assert judgement == Judgement(
        verdict=Verdict.REJECTED, reason=Reason.NORM, detail="norm 2000 in layer 3"
    )


def test_a_duplicate_is_told_whose_model_it_is() -> None:
    judgement = judged(fetched(duplicate_of=an_entry_key("bob", 90)))
    assert judgement == Judgement(
        verdict=Verdict.DUPLICATE,
        reason=Reason.DUPLICATE,
        detail="same tensors as bob at block 90",
    )


def test_a_retired_model_is_never_scored_again() -> None:
    judgement = judged(fetched(retired=True))
    assert (judgement.verdict, judgement.reason) == (Verdict.REJECTED, Reason.RACED_OUT)


def test_limits_that_changed_since_the_download_hold_at_the_sync_block() -> None:
    smaller = some_constraints(max_parameters=10)
    schedule = a_schedule(a_stage(), a_stage(a_competition(constraints=smaller), from_block=700))
    judgement = judged(fetched(), schedule=schedule)
    assert (judgement.verdict, judgement.reason) == (Verdict.REJECTED, Reason.PARAMETERS)
    assert "1,000,000 parameters" in judgement.detail


def test_one_failure_of_the_models_is_retried_and_the_second_is_for_good() -> None:
    once = record_failure(fetched(), Reason.TIMEOUT, "600 s")
    assert once.failures == 1
    assert judged(once).eligible
    twice = record_failure(once, Reason.MEMORY, "90 GiB")
    assert judged(twice) == Judgement(verdict=Verdict.FAILED, reason=Reason.MEMORY, detail="90 GiB")


def test_failures_recorded_without_a_reason_are_for_good_too() -> None:
    assert judged(fetched(failures=2)).reason is Reason.UNLOADABLE


@pytest.mark.parametrize("reason", [Reason.DEVICE, Reason.DISK, Reason.HUB_UNAVAILABLE])
def test_failures_of_ours_leave_no_trace(reason: Reason) -> None:
    assert record_failure(fetched(), reason, "nvlink") == fetched()


@pytest.mark.parametrize("blocks_ago", [1, 360, CHALLENGE_BLOCKS - 1])
def test_a_hotkey_begins_one_challenge_a_day(blocks_ago: int) -> None:
    judgement = judged(fetched(), previous_challenge=SYNC - blocks_ago)
    assert (judgement.verdict, judgement.reason) == (Verdict.WAITING, Reason.CHALLENGE_LIMIT)
    again = SYNC - blocks_ago + CHALLENGE_BLOCKS
    assert judgement.detail.endswith(f"again from block {again}")


def test_a_day_later_a_hotkey_may_challenge_again() -> None:
    assert judged(fetched(), previous_challenge=SYNC - CHALLENGE_BLOCKS).eligible


def test_a_private_repository_waits_and_is_not_refused() -> None:
    for submission in (fetched(), a_submission()):
        judgement = judged(submission, availability=PRIVATE)
        assert (judgement.verdict, judgement.reason) == (Verdict.WAITING, Reason.NOT_PUBLIC)


def test_a_public_repository_is_eligible_before_its_files_are_here() -> None:
    assert judged(a_submission(), availability=PUBLIC).eligible


def test_a_model_of_which_nothing_is_known_waits_for_us() -> None:
    judgement = judged(a_submission())
    assert (judgement.verdict, judgement.reason) == (Verdict.WAITING, Reason.HUB_UNAVAILABLE)


def test_t41_two_missed_rounds_restart_the_clock_where_the_repository_was_seen_public() -> None:
    hidden = missed_round(missed_round(fetched()))
    assert hidden.missed_rounds == 2
    shown = restart_clock(hidden, Block(700))
    assert (shown.clock_block, shown.missed_rounds) == (700, 0)
    assert judged(shown, sync_block=1_059).reason is Reason.TOO_EARLY
    assert judged(shown, sync_block=1_060).eligible


def test_t41_publishing_at_the_sync_block_itself_does_not_beat_the_clock() -> None:
    hidden = fetched(missed_rounds=2)
    assert judged(hidden, availability=PUBLIC).reason is Reason.TOO_EARLY
    assert judged(hidden).reason is Reason.TOO_EARLY
    assert judged(hidden, availability=PRIVATE).reason is Reason.NOT_PUBLIC


def test_t41_a_glimpse_between_two_rounds_forgives_no_missed_round() -> None:
    once = missed_round(fetched())
    assert restart_clock(once, Block(700)) == once
    assert restart_clock(missed_round(once), Block(1_100)).clock_block == 1_100


def test_one_missed_round_is_forgiven_by_being_readable_at_the_next() -> None:
    once = missed_round(fetched())
    assert judged(once, availability=PUBLIC).eligible
    assert attended_round(once).missed_rounds == 0


def test_a_clock_never_runs_backwards() -> None:
    assert restart_clock(fetched(clock_block=900, missed_rounds=2), Block(800)).clock_block == 900


def test_t28_a_champion_that_vanishes_keeps_the_crown_for_two_rounds() -> None:
    for missed in (0, 1):
        champion = fetched(missed_rounds=missed)
        assert judged(champion, availability=PRIVATE, champion=True).eligible
    judgement = judged(fetched(missed_rounds=2), availability=PRIVATE, champion=True)
    assert (judgement.verdict, judgement.reason) == (Verdict.WAITING, Reason.UNAVAILABLE_REPO)
    assert judged(fetched(missed_rounds=2), availability=PUBLIC, champion=True).eligible


def test_a_champion_is_judged_by_everything_that_lasts() -> None:
    gone = judged(fetched(), metagraph=a_metagraph(at=SYNC), champion=True)
    assert gone.reason is Reason.NOT_REGISTERED
    assert judged(fetched(failures=2), champion=True).verdict is Verdict.FAILED


def test_a_lasting_reason_is_told_before_a_passing_one() -> None:
    judgement = judged(
        fetched(700, rejection=Reason.TEMPLATE), previous_challenge=700, availability=PRIVATE
    )
    assert judgement.reason is Reason.TEMPLATE
