"""What is on a validator's disk, and why."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.domain.disk.disk_inventory import Purpose, holdings, newest_block, refs_of
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Reason
from sn37.domain.round.state import OpenRound, ValidatorState
from sn37.domain.submission.models import Held, Inventory, ModelRef
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_submission,
    an_artifact,
    an_entry_key,
    an_entry_result,
)

GIB = 1 << 30


def named(name: str, block: int = 100, *, here: bool = True, retired: bool = False) -> Submission:
    commitment = a_commitment(name, block)
    artifact = an_artifact(commitment) if here else None
    return a_submission(commitment, artifact=artifact, retired=retired)


def a_state(*submissions: Submission) -> ValidatorState:
    """King and contender scored at 720; at 1080 a round runs, with one entry in it."""
    rows = (
        an_entry_result(an_entry_key("king")),
        an_entry_result(an_entry_key("contender")),
        an_entry_result(an_entry_key("hopeless"), reason=Reason.RACED_OUT),
        an_entry_result(an_entry_key("listed"), verdict=Verdict.WAITING),
    )
    finished = a_round_result(a_round_key(1, 720), champion=an_entry_key("king"), entries=rows)
    plan = a_round_plan(
        a_round_key(1, 1080), entries=[an_entry_key("king"), an_entry_key("running")]
    )
    return ValidatorState(
        submissions={s.commitment.key: s for s in submissions},
        rounds={CompetitionId(1): (finished,)},
        open_rounds={plan.key: OpenRound(plan=plan)},
    )


def an_inventory(held: Mapping[ModelRef, Held], other_bytes: int = 0) -> Inventory:
    return Inventory(held=held, other_bytes=other_bytes, quota_bytes=None, free_bytes=0)


def purposes(state: ValidatorState, *held: str) -> list[tuple[str, Purpose, int | None]]:
    on_disk = {
        s.commitment.model: Held(size_bytes=GIB, complete=True)
        for s in state.submissions.values()
        if s.commitment.hotkey in held
    }
    found = holdings(state, an_inventory(on_disk), a_schedule())
    return [(h.submission.commitment.hotkey, h.purpose, h.position) for h in found]


def test_the_strongest_reason_to_keep_a_model_comes_first() -> None:
    state = a_state(
        named("hopeless", retired=True),
        named("running"),
        named("king"),
        named("contender"),
        named("new", 900, here=False),
        named("far", 1079, here=False),
    )
    assert purposes(state, "hopeless", "running", "king", "contender") == [
        ("king", Purpose.CHAMPION, 1),
        ("running", Purpose.IN_ROUND, 2),
        ("contender", Purpose.CONTENDER, None),
        ("new", Purpose.NEXT, 3),
        ("far", Purpose.NEXT, 4),
        ("hopeless", Purpose.NONE, None),
    ]


def test_what_is_neither_on_disk_nor_waited_for_is_left_out() -> None:
    state = a_state(
        a_submission(a_commitment("refused"), rejection=Reason.NORM),
        named("hopeless", retired=True),
    )
    assert purposes(state) == []
    assert purposes(state, "hopeless") == [("hopeless", Purpose.NONE, None)]


def test_a_competition_may_be_without_a_champion() -> None:
    vacant = a_round_result(a_round_key(1, 720), skipped=Reason.DATA_UNAVAILABLE)
    new = named("new", 700, here=False)
    state = ValidatorState(
        submissions={new.commitment.key: new}, rounds={CompetitionId(1): (vacant,)}
    )
    assert purposes(state) == [("new", Purpose.NEXT, 1)]


def test_a_copy_is_kept_for_nothing() -> None:
    copy = a_commitment("copy", 900)
    original = named("new", 800)
    assert original.artifact is not None
    copied = an_artifact(copy, tensor_digest=original.artifact.tensor_digest)
    state = a_state(original, a_submission(copy, artifact=copied))
    assert purposes(state, "new", "copy") == [
        ("new", Purpose.NEXT, 1),
        ("copy", Purpose.NONE, None),
    ]


def test_a_model_that_waits_for_a_later_round_has_no_place() -> None:
    names = [f"miner-{number:02}" for number in range(50)]
    state = a_state(*(named(name, 100 + n, here=False) for n, name in enumerate(names)))
    found = purposes(state)
    assert found[0] == ("miner-00", Purpose.NEXT, 1)
    assert found[-1] == ("miner-49", Purpose.QUEUED, None)
    assert sum(purpose is Purpose.NEXT for _, purpose, _ in found) == 40


def test_sizes_are_those_on_disk() -> None:
    state = a_state(named("king"), named("new", 900, here=False))
    (king, new) = state.submissions.values()
    held = {new.commitment.model: Held(size_bytes=7, complete=False)}
    first, second = holdings(state, an_inventory(held), a_schedule())
    assert (first.size_bytes, first.complete) == (0, False)
    assert (second.size_bytes, second.complete) == (7, False)
    assert refs_of(state) == {king.commitment.model, new.commitment.model}


def test_nothing_recorded_is_nothing_held() -> None:
    assert holdings(ValidatorState(), an_inventory({}), a_schedule()) == ()
    assert newest_block(ValidatorState()) == 0
