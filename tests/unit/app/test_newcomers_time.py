"""Time is bounded for a round: newcomers that hang, hosts that stall, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from sn37.app.rounds.report import report
from sn37.app.schedule.load import load_schedule
from sn37.domain.events import Degraded
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Blame, Reason
from sn37.domain.round.newcomers import newcomers_s
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.scoring.deadlines import Stage
from sn37.domain.submission.eligibility import MAX_CHAMPION_TIMEOUTS, MAX_STALLS
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelRejected, ScorerUnavailable, StoreUnavailable
from sn37.testing.builders import a_commitment, a_schedule, a_stage
from tests.support.fake_world import ONE, World, last, one_competition, rows, rows_by_name

TIMEOUT = (Verdict.FAILED, Reason.TIMEOUT)
STALLED = (Verdict.FAILED, Reason.STALLED)
POSTPONED = (Verdict.WAITING, Reason.QUEUED)
SCORED = (Verdict.SCORED, None)


def finneys_time() -> Schedule:
    """One competition of our samples, with the limits and the time of finney's SN9_MODEL."""
    finney = load_schedule("finney").schedule
    theirs = finney.stages[0].competitions[0]
    (ours,) = one_competition().stages[0].competitions
    assert (theirs.name, theirs.timeout_s, finney.max_new_entries) == ("SN9_MODEL", 900.0, 20)
    rules = replace(ours, timeout_s=theirs.timeout_s, constraints=theirs.constraints)
    return a_schedule(a_stage(rules))


def world_with_a_champion(schedule: Schedule | None = None) -> World:
    """Its first round is that of block 1,080; who commits at 750 is in the next."""
    world = World(schedule=schedule or finneys_time())
    world.miner("champion", 1.0, block=100)
    world.miner("contender", 0.9901, block=110)  # short of the margin by a hair
    world.scorer.clock = world.clock
    return world


def crowned(world: World) -> World:
    world.run(rounds=1)
    return world


def hanging(world: World, count: int, stage: Stage = Stage.PREPARING) -> None:
    for number in range(count):
        made = world.miner(f"hang-{number}", 0.5, block=750 + number)
        world.scorer.hangs[made.model.repo] = stage


def taken_s(world: World, rounds: int) -> tuple[ValidatorState, float]:
    world.run(rounds=rounds - 1)
    before = world.clock.elapsed
    state = world.run(rounds=rounds)
    return state, world.clock.elapsed - before


@pytest.mark.parametrize("stage", Stage)
def test_t59_twenty_hanging_entries_delay_a_round_by_minutes(stage: Stage) -> None:
    world = world_with_a_champion()
    hanging(world, 20, stage)
    state, seconds = taken_s(world, rounds=2)
    found = rows(last(state))
    assert (found["champion"], found["contender"][0]) == (SCORED, Verdict.SCORED)
    assert [found[f"hang-{n}"] for n in range(20)] == [TIMEOUT] * 20
    assert [e.hotkey for e in world.store.memory.outcomes[last(state).key]][:2] == [
        "champion",
        "contender",
    ]
    assert seconds < 20 * 60
    assert last(state).winner == "champion"


def test_t59_an_honest_newcomer_behind_twenty_that_hang_is_scored_in_the_next_round() -> None:
    world = world_with_a_champion()
    hanging(world, 20)
    world.miner("honest", 0.9, block=790)
    state = world.run(rounds=3)
    assert [rows(r)["honest"] for r in state.rounds[ONE][1:]] == [POSTPONED, SCORED]
    assert last(state).winner == "honest"


def test_t59_a_hotkey_that_hung_queues_behind_all_others() -> None:
    """Younger ones come first; then it has its second try, which is the last."""
    world = world_with_a_champion(replace(finneys_time(), max_new_entries=2))
    hanging(world, 2)
    for number in range(3):
        world.miner(f"honest-{number}", 1.5 + number, block=1_200 + number)
    second, third, fourth = world.run(rounds=4).rounds[ONE][1:]
    assert {rows(second)[f"hang-{n}"] for n in range(2)} == {TIMEOUT}
    assert rows(third)["honest-1"][0] is Verdict.SCORED
    assert {rows(third)[n] for n in ("honest-2", "hang-0", "hang-1")} == {POSTPONED}
    assert rows(fourth)["honest-2"][0] is Verdict.SCORED
    assert rows(fourth)["hang-0"] == TIMEOUT
    scored = [e.hotkey for e in world.store.memory.outcomes[fourth.key]]
    assert scored[-2:] == ["honest-2", "hang-0"]


def slow_newcomers(world: World, seconds: float, count: int = 4) -> list[str]:
    names = [f"new-{n}" for n in range(count)]
    for number, name in enumerate(names):
        made = world.miner(name, 1.0 + number / 100, block=750 + number)
        world.scorer.seconds[made.model.repo] = seconds
    return names


def test_who_does_not_fit_is_queued_and_comes_first_in_the_next_round() -> None:
    world = world_with_a_champion()
    names = slow_newcomers(world, 400.0)  # three of its blocks, until it is hopeless
    eager = a_commitment("eager", 740)  # older than those that wait, and readable later
    world.models.private.add(world.miner("eager", 0.5, commitment=eager).model.repo)
    state = world.run(rounds=2)
    found = rows_by_name(last(state))
    waiting = [n for n in names if found[n].verdict is Verdict.WAITING]
    assert 0 < len(waiting) < len(names)
    assert waiting == names[-len(waiting) :]
    assert {found[n].reason for n in waiting} == {Reason.QUEUED}
    assert Reason.QUEUED.blame is Blame.NOBODY
    assert "first in the next" in found[waiting[0]].detail
    assert [key.hotkey for key in last(state).postponed] == waiting
    (*_, told) = report(state, world.schedule, {})
    assert isinstance(told, dict)
    assert "queued" in str(told["entries"])
    world.scorer.seconds.clear()
    world.models.private.clear()
    after = world.run(rounds=3)
    scored = [e.hotkey for e in world.store.memory.outcomes[last(after).key]]
    assert scored[-len(waiting) - 1 :] == [*waiting, "eager"]
    assert last(after).winner == "eager"


def test_a_score_does_not_depend_on_how_long_it_took() -> None:
    slow, fast = world_with_a_champion(), world_with_a_champion()
    slow_newcomers(slow, 400.0)
    slow_newcomers(fast, 0.0)
    scores = [_scores(w.run(rounds=2).rounds[ONE][-1]) for w in (slow, fast)]
    assert scores[0].items() < scores[1].items()


def _scores(result: RoundResult) -> Mapping[str, float]:
    return {e.key.hotkey: e.score for e in result.entries if e.score is not None}


def test_a_restart_keeps_the_time_that_was_spent() -> None:
    undisturbed, killed = world_with_a_champion(), world_with_a_champion()
    for world in (undisturbed, killed):
        slow_newcomers(world, 300.0)  # the first uses up 30 of the 36 minutes that there are
        crowned(world)
    whole = undisturbed.run(rounds=2)
    assert [k.hotkey for k in last(whole).postponed] == ["new-2", "new-3"]
    killed.scorer.fail_after, killed.scorer.faults["new-1/model"] = 1, _Killed()
    with pytest.raises(ExceptionGroup):
        killed.run(rounds=2)
    killed.scorer.faults.clear()
    resumed = killed.run(rounds=2)
    assert resumed.rounds == whole.rounds
    assert resumed.newcomers_s == whole.newcomers_s
    assert resumed.newcomers_s[last(whole).key] >= newcomers_s(killed.schedule.timing)


class _Killed(Exception):
    """Stands for a crash: nothing handles it."""


TWO = CompetitionId(2)
SLOWER_THAN_ALL_TIME_S = 2_400.0  # of one entry; newcomers of a sync block share 2,160


def two_competitions() -> World:
    """In the first two newcomers that use up all time of a sync block; four in the second."""
    (first,) = one_competition(num_samples=32).stages[0].competitions  # two blocks
    half = replace(first, reward_share=0.5)
    world = World(schedule=a_schedule(a_stage(half, replace(half, id=TWO))))
    world.scorer.clock = world.clock
    for number in range(6):
        name = f"new-{number}"
        competition = 1 if number < 2 else 2
        made = world.miner(
            name, 1.0, commitment=a_commitment(name, 100 + number, competition=competition)
        )
        seconds = SLOWER_THAN_ALL_TIME_S if number < 2 else 600.0
        world.scorer.seconds[made.model.repo] = seconds / 2
    return world


def scored_in(state: ValidatorState, competition: CompetitionId) -> list[str]:
    (result,) = state.rounds[competition]
    return [e.key.hotkey for e in result.entries if e.verdict is Verdict.SCORED]


def test_newcomers_of_one_competition_leave_those_of_another_their_part_of_the_time() -> None:
    """Half of 2,160 s begins two entries of 600 s; the others come first in the next round."""
    world = two_competitions()
    state = world.run(rounds=1)
    assert (scored_in(state, ONE), scored_in(state, TWO)) == (["new-0"], ["new-2", "new-3"])
    assert [k.hotkey for k in state.rounds[TWO][0].postponed] == ["new-4", "new-5"]
    assert sum(state.newcomers_s.values()) <= (
        newcomers_s(world.schedule.timing) + SLOWER_THAN_ALL_TIME_S + 600
    )


def test_a_restart_changes_nothing_about_the_time_of_another_competition() -> None:
    undisturbed, killed = two_competitions(), two_competitions()
    whole = undisturbed.run(rounds=1)
    killed.scorer.fail_after, killed.scorer.faults["new-3/model"] = 1, _Killed()
    with pytest.raises(ExceptionGroup):
        killed.run(rounds=1)
    killed.scorer.faults.clear()
    resumed = killed.run(rounds=1)
    assert resumed.rounds == whole.rounds
    assert resumed.newcomers_s == whole.newcomers_s


def test_an_entry_that_was_begun_is_seen_through() -> None:
    """Half of its blocks are there, and the time is up: nothing would be gained by waiting."""
    world = world_with_a_champion()
    slow_newcomers(world, 1.0, count=1)
    crowned(world)
    world.scorer.fail_after, world.scorer.faults["new-0/model"] = 1, _Killed()
    with pytest.raises(ExceptionGroup):
        world.run(rounds=2)
    world.scorer.faults.clear()
    (key,) = (k for k in world.store.memory.plans if k not in world.store.memory.results)
    world.store.memory.newcomers_s[key] = 1e6
    assert rows(last(world.run(rounds=2)))["new-0"][0] is Verdict.SCORED


def test_champions_and_contenders_have_all_the_time_there_is() -> None:
    world = crowned(world_with_a_champion())
    for name in ("champion", "contender"):
        world.scorer.seconds[f"{name}/model"] = 3_000.0
    state = world.run(rounds=2)
    assert {v for v, _ in rows(last(state)).values()} == {Verdict.SCORED}
    assert state.newcomers_s.get(last(state).key, 0.0) == 0.0


# stalls and champions


def stall(name: str = "champion") -> ScorerUnavailable:
    return ScorerUnavailable(f"{name}: preparing stood still for 90 s", reason=Reason.STALLED)


def test_two_stalls_of_our_own_host_do_not_move_the_crown() -> None:
    """As it was reported: two rounds in which the host stood still ended an honest champion."""
    world = world_with_a_champion()
    world.miner("worse", 1.3, block=300)
    crowned(world)
    world.scorer.faults["champion/model"] = stall()
    stalled = world.run(rounds=3)
    assert [rows(r)["champion"] for r in stalled.rounds[ONE][1:]] == [STALLED] * 2
    world.scorer.faults.clear()
    state = world.run(rounds=4)
    assert {r.winner for r in state.rounds[ONE]} == {"champion"}
    assert rows(last(state))["champion"] == SCORED
    (champion,) = (s for s in state.submissions.values() if s.commitment.hotkey == "champion")
    assert (champion.failures, champion.rejection) == (0, None)


def test_a_champion_that_ran_out_of_time_twice_keeps_the_crown_and_is_forgiven() -> None:
    world = crowned(world_with_a_champion())
    for round_ in (2, 5):
        world.scorer.hangs["champion/model"] = Stage.SCORING
        world.run(rounds=round_ + MAX_CHAMPION_TIMEOUTS - 2, until=8_000)
        world.scorer.hangs.clear()
        state = world.run(rounds=round_ + MAX_CHAMPION_TIMEOUTS - 1, until=8_000)
        assert rows(last(state))["champion"] == SCORED
    assert {r.winner for r in state.rounds[ONE]} == {"champion"}


def test_a_champion_that_can_no_longer_be_scored_in_its_time_hands_the_crown_on() -> None:
    world = crowned(world_with_a_champion())
    world.scorer.hangs["champion/model"] = Stage.SCORING
    state = world.run(rounds=2 + MAX_CHAMPION_TIMEOUTS)
    after = state.rounds[ONE][1:]
    assert [r.winner for r in after] == ["champion"] * MAX_CHAMPION_TIMEOUTS + ["contender"]
    assert rows(last(state))["champion"] == TIMEOUT


def test_a_champion_that_stands_still_while_the_machine_does_not_is_not_there_for_ever() -> None:
    world = crowned(world_with_a_champion())
    world.scorer.faults["champion/model"] = stall()
    num_rounds = MAX_STALLS + MAX_CHAMPION_TIMEOUTS
    state = world.run(rounds=2 + num_rounds)
    after = state.rounds[ONE][1:]
    assert [r.winner for r in after] == ["champion"] * num_rounds + ["contender"]
    assert [rows(r)["champion"] for r in after[:num_rounds]] == [STALLED] * MAX_STALLS + [
        TIMEOUT
    ] * MAX_CHAMPION_TIMEOUTS


def test_a_newcomer_that_stands_still_is_tried_twice_a_round_and_not_for_ever() -> None:
    world = world_with_a_champion()
    world.miner("sleeper", 0.5, block=750)
    world.scorer.faults["sleeper/model"] = stall("sleeper")
    state = world.run(rounds=7, until=8_000)
    found = [rows(r)["sleeper"] for r in state.rounds[ONE][1:]]
    assert found == [STALLED] * MAX_STALLS + [TIMEOUT] * 4
    tried = sum(j.artifact.ref.repo == "sleeper/model" for j in world.scorer.jobs)
    assert tried == 2 * (MAX_STALLS + 2)  # the failure after the second of its own is for good


def test_a_failure_is_forgiven_after_a_round_that_scored_well() -> None:
    world = crowned(world_with_a_champion())
    world.scorer.faults["contender/model"] = ModelRejected("no", reason=Reason.UNLOADABLE)
    for rounds in (2, 4):
        world.run(rounds=rounds)
        saved, world.scorer.faults = world.scorer.faults, {}
        state = world.run(rounds=rounds + 1)
        world.scorer.faults = saved
        assert rows(last(state))["contender"][0] is Verdict.SCORED
        assert not any(s.failures for s in state.submissions.values())


def test_a_hub_that_fails_is_not_called_the_scorer() -> None:
    world = crowned(world_with_a_champion())
    world.scorer.faults["champion/model"] = StoreUnavailable("connection reset")
    world.run(rounds=2)
    told = {e.what for e in world.sink.events if isinstance(e, Degraded)}
    assert told == {"model host"}


def test_rounds_of_one_sync_block_share_its_time() -> None:
    (rules,) = finneys_time().stages[0].competitions
    both = tuple(replace(rules, id=CompetitionId(n), reward_share=0.5) for n in (1, 2))
    world = World(schedule=a_schedule(a_stage(*both)))
    world.scorer.clock = world.clock
    for competition in (1, 2):
        for number in range(4):
            name = f"new-{competition}-{number}"
            made = world.miner(
                name,
                1.0,
                commitment=a_commitment(name, 100 + number, competition=competition),
            )
            world.scorer.seconds[made.model.repo] = 100.0
    state = world.run(rounds=1)
    scored = {
        c: [v for v, _ in rows(held[-1]).values()].count(Verdict.SCORED)
        for c, held in state.rounds.items()
    }
    assert all(0 < count < 4 for count in scored.values()), scored
