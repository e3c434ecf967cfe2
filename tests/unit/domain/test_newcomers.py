"""Time for newcomers, and their turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import BLOCK_SECONDS, Block, EntryKey, Hotkey
from sn37.domain.reasons import Blame, Reason
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.history import history_of
from sn37.domain.round.newcomers import (
    TIMED_ROUNDS,
    UNLUCKY_ROUNDS,
    in_turn,
    left_s,
    newcomers_s,
    newest_times,
    turns_of,
)
from sn37.domain.round.round_entries import MAX_HOPEFUL
from sn37.domain.round.state import NO_HISTORY, EntryResult, History
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.eligibility import (
    MAX_CHAMPION_TIMEOUTS,
    MAX_FAILURES,
    failures_after,
    forgive_failures,
    record_failure,
)
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_round_key,
    a_round_result,
    a_submission,
    an_entry_key,
    an_entry_result,
)

ALICE, BOB = an_entry_key("alice", 10), an_entry_key("bob", 10)
TIMING = RoundTiming()


def failed(reason: Reason) -> EntryResult:
    return an_entry_result(ALICE, verdict=Verdict.FAILED, reason=reason)


def after(*rows: EntryResult) -> History:
    return history_of(
        [a_round_result(a_round_key(1, 360 * n), entries=(r,)) for n, r in enumerate(rows)]
    )


def test_newcomers_have_half_of_the_time_between_two_rounds() -> None:
    assert newcomers_s(TIMING) == 36 * 60


def test_five_slow_models_exceed_the_cadence_and_end_before_the_next_round_is_sat_out() -> None:
    """Decision 53 has these numbers: champion and contenders that each compute for 900 s."""
    staying_s = (1 + MAX_CONTENDERS) * 900
    cadence_s = TIMING.cadence * BLOCK_SECONDS
    grace_s = TIMING.files_grace * BLOCK_SECONDS
    assert (staying_s, cadence_s, grace_s, MAX_HOPEFUL) == (4500, 4320, 1200, 16)
    assert cadence_s < staying_s < cadence_s + grace_s == 5520
    others_s = newcomers_s(TIMING) + 900  # newcomers and entries in free places, however many
    assert others_s == 3060
    assert others_s + 900 == 3960  # in two competitions at one sync block
    assert newcomers_s(TIMING) / 2 == 1080  # the part of each
    assert ceil(newcomers_s(TIMING) / 900) == 3  # turns that begin in time, if all are so slow
    assert newcomers_s(TIMING) - 900 == 1260  # left to newcomers behind one that is so slow
    assert cadence_s - others_s == 1260  # left to a champion and contenders that are not slow
    assert staying_s + others_s == 7560 > cadence_s + grace_s
    assert 2 * 900 + others_s < cadence_s + grace_s < 3 * 900 + others_s  # slow contenders


def left(*, spent_s: float, own_s: float, num_rounds: int, num_competitions: int = 2) -> float:
    return left_s(
        TIMING,
        spent_s=spent_s,
        own_s=own_s,
        num_rounds=num_rounds,
        num_competitions=num_competitions,
    )


def test_rounds_of_one_sync_block_share_the_time_and_the_last_has_what_is_left() -> None:
    assert left(spent_s=0, own_s=0, num_rounds=2) == 18 * 60
    assert left(spent_s=600, own_s=600, num_rounds=2) == 8 * 60
    assert left(spent_s=600, own_s=0, num_rounds=1) == 26 * 60


def test_a_round_keeps_its_part_however_long_that_of_another_competition_took() -> None:
    assert left(spent_s=10_000, own_s=0, num_rounds=1) == 18 * 60
    assert left(spent_s=10_000, own_s=600, num_rounds=1) == 8 * 60
    assert left(spent_s=10_000, own_s=0, num_rounds=2, num_competitions=3) == 12 * 60


@given(
    spent=st.lists(st.floats(0, 5_000), min_size=1, max_size=4),
    num_rounds=st.integers(1, 4),
)
def test_time_that_is_spent_never_comes_back(spent: list[float], num_rounds: int) -> None:
    total, own = sum(spent), spent[0]
    found = [
        left(spent_s=total + s, own_s=own + s, num_rounds=num_rounds, num_competitions=4)
        for s in (0, 60)
    ]
    assert found[1] == pytest.approx(found[0] - 60)


@given(
    rounds=st.lists(st.lists(st.floats(1, 1_800), max_size=40), min_size=1, max_size=5),
)
def test_every_competition_begins_an_entry_and_all_take_a_bounded_time(
    rounds: list[list[float]],
) -> None:
    """Whatever entries take: an entry begins while time is left, and is then seen through."""
    spent_s = 0.0
    for done, entries in enumerate(rounds):
        own_s, num_begun = 0.0, 0
        for seconds in entries:
            left_now = left(
                spent_s=spent_s + own_s,
                own_s=own_s,
                num_rounds=len(rounds) - done,
                num_competitions=len(rounds),
            )
            if left_now <= 0:
                assert own_s >= newcomers_s(TIMING) / len(rounds)
                break
            own_s, num_begun = own_s + seconds, num_begun + 1
        assert num_begun or not entries
        spent_s += own_s
    overruns_s = sum(max(entries, default=0.0) for entries in rounds)
    assert spent_s <= newcomers_s(TIMING) + overruns_s + 1e-6


def test_t59_hotkeys_that_hung_come_last_and_those_without_time_first() -> None:
    names = ["hung-and-late", "old", "late", "hung", "young"]
    candidates = [a_submission(a_commitment(name, 100 + n)) for n, name in enumerate(names)]
    turns = turns_of(
        candidates,
        postponed={s.commitment.key for s in candidates if "late" in s.commitment.hotkey},
        hung={s.commitment.hotkey for s in candidates if "hung" in s.commitment.hotkey},
    )
    assert [s.commitment.hotkey for s in turns.in_order] == [
        "late",
        "old",
        "young",
        "hung-and-late",
        "hung",
    ]


def test_t59_entries_that_our_worker_failed_come_behind_the_others() -> None:
    names = ["failed-and-late", "old", "failed", "hung-and-failed", "young"]
    candidates = [a_submission(a_commitment(name, 100 + n)) for n, name in enumerate(names)]
    turns = turns_of(
        candidates,
        postponed={s.commitment.key for s in candidates if "late" in s.commitment.hotkey},
        hung={s.commitment.hotkey for s in candidates if "hung" in s.commitment.hotkey},
        unlucky={
            s.commitment.key: Block(1_000 - n)
            for n, s in enumerate(candidates)
            if "failed" in s.commitment.hotkey
        },
    )
    assert [s.commitment.hotkey for s in turns.in_order] == [
        "old",
        "young",
        "failed",  # its failure is longer ago
        "failed-and-late",
        "hung-and-failed",
    ]


def entries_of(*names: str, block: int = 100) -> list[Submission]:
    return [a_submission(a_commitment(name, block + n)) for n, name in enumerate(names)]


def turns(
    new: list[Submission],
    again: list[Submission],
    *,
    history: History = NO_HISTORY,
    hung: tuple[str, ...] = (),
) -> list[str]:
    found = in_turn(new, again, history=history, hung={Hotkey(name) for name in hung})
    return [key.hotkey for key in found]


def test_t59_one_that_was_scored_before_comes_first_and_the_others_after_newcomers() -> None:
    new, again = entries_of("new", "newer"), entries_of("early", "later", block=50)
    assert turns(new, again) == ["early", "new", "newer", "later"]
    assert turns(new, []) == ["new", "newer"]
    assert turns([], again) == ["early", "later"]


def test_t59_whose_last_turn_is_longest_ago_comes_first_of_those_scored_before() -> None:
    new, again = entries_of("new", "late"), entries_of("a", "b", "c", block=50)
    a, b, c = (s.commitment.key for s in again)
    history = History(
        last_tried={a: Block(1_080), b: Block(720), c: Block(360)},
        postponed=frozenset({a, new[1].commitment.key}),
    )
    assert turns(new, again, history=history) == ["c", "late", "new", "b", "a"]


def test_t59_failures_of_our_worker_are_turns_of_those_scored_before() -> None:
    new, again = entries_of("new"), entries_of("failed", "a", "hung", block=50)
    failed, a, _ = (s.commitment.key for s in again)
    history = History(
        last_tried={failed: Block(360), a: Block(720)}, unlucky={failed: Block(1_080)}
    )
    assert turns(new, again, history=history, hung=("hung",)) == ["a", "new", "failed", "hung"]
    history = replace(history, last_tried={failed: Block(360), a: Block(1_440)})
    assert turns(new, again, history=history, hung=("hung",)) == ["failed", "new", "a", "hung"]


def test_the_first_turn_alternates_between_newcomers_and_those_scored_before() -> None:
    new, again = entries_of("new", "newer"), entries_of("early", "later", block=50)
    found = [turns(new, again, history=History(num_judged=n))[:2] for n in range(4)]
    assert found == [["early", "new"], ["new", "early"], ["early", "new"], ["early", "new"]]


def test_in_every_fourth_round_a_newcomer_that_our_worker_failed_comes_first() -> None:
    new, again = entries_of("failed", "fails-again", "new"), entries_of("early", block=50)
    first, second = (s.commitment.key for s in new[:2])
    history = History(unlucky={first: Block(720), second: Block(360)})
    found = [turns(new, again, history=replace(history, num_judged=n)) for n in range(8)]
    assert found[3] == found[7] == ["fails-again", "early", "new", "failed"]
    assert {names[0] for names in found} == {"early", "new", "fails-again"}
    assert all(names[2:] == ["fails-again", "failed"] for names in found[:3])


@dataclass(slots=True)
class Rounds:
    """Rounds of one competition: who had its turn in each, before the time was over.

    Args:
        seconds: Of each entry, by hotkey.
        fails: Hotkeys on whose entries the worker fails whenever they have a turn.
    """

    new: list[Submission]
    again: list[Submission]
    seconds: Mapping[str, float]
    fails: set[str]
    num_competitions: int
    history: History = NO_HISTORY
    taken: list[list[str]] = field(default_factory=list)

    def run(self, sync_block: int) -> None:
        order = in_turn(self.new, self.again, history=self.history, hung=())
        spent_s, names, rows = 0.0, list[str](), list[EntryResult]()
        share_s = newcomers_s(TIMING) / self.num_competitions
        for key in order:
            if spent_s >= share_s:
                break
            spent_s += self.seconds[key.hotkey]
            names.append(key.hotkey)
            rows.append(self.row(key))
        late = tuple(key for key in order if key.hotkey not in names)
        round_ = a_round_result(a_round_key(1, sync_block), entries=tuple(rows))
        self.history = history_of([replace(round_, postponed=late)], self.history)
        self.again += [s for s in self.new if s.commitment.key in self.history.scored]
        self.new = [s for s in self.new if s.commitment.key not in self.history.scored]
        self.taken.append(names)

    def row(self, key: EntryKey) -> EntryResult:
        if key.hotkey in self.fails:
            return an_entry_result(key, verdict=Verdict.FAILED, reason=Reason.DEVICE)
        return an_entry_result(key)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_entry_has_a_turn_in_time_whatever_a_crowd_does(data: st.DataObject) -> None:
    """The rounds are those of decision 53: of entries that were scored before at most 16 have
    places, each round has slow newcomers that nobody has seen, and a crowd makes the worker fail.
    """
    num_again = data.draw(st.integers(1, MAX_HOPEFUL))
    num_failing = data.draw(st.integers(0, 6))
    again = entries_of(*(f"again{n}" for n in range(num_again)), block=50)
    failing = [f"failing{n}" for n in range(num_failing)]
    new = entries_of("honest", *failing, block=100)
    fails = {*failing, *data.draw(st.sets(st.sampled_from([f"again{n}" for n in range(16)])))}
    costs = st.sampled_from([60.0, 900.0, 1_800.0])
    seconds: dict[str, float] = {s.commitment.hotkey: data.draw(costs) for s in (*new, *again)}
    unlucky = {s.commitment.key: Block(1) for s in new}  # our worker failed in each
    world = Rounds(
        new=new,
        again=again,
        seconds=seconds,
        fails=fails,
        num_competitions=data.draw(st.integers(1, 2)),
        history=History(
            num_judged=data.draw(st.integers(0, 3)),
            scored=frozenset(s.commitment.key for s in again),
            unlucky=unlucky,
        ),
    )
    num_rounds = UNLUCKY_ROUNDS * (num_failing + 1) + 2 * MAX_HOPEFUL
    for number in range(num_rounds):
        fresh = [f"fresh{number}-{n}" for n in range(3)]
        world.seconds = {**world.seconds, **dict.fromkeys(fresh, 1_800.0)}
        world.new = [*world.new, *entries_of(*fresh, block=1_000 + 10 * number)]
        world.again = [s for s in world.again if not s.commitment.hotkey.startswith("fresh")]
        world.run(360 * (number + 1))
    first_turn = next(n for n, names in enumerate(world.taken) if "honest" in names)
    assert first_turn < UNLUCKY_ROUNDS * (num_failing + 1)
    for name in (s.commitment.hotkey for s in again):
        assert any(name in names for names in world.taken[: 2 * MAX_HOPEFUL])
    # The crowd is ahead of others in one round of four; every newcomer has its turn in order.
    ahead = sum(names[0] in failing for names in world.taken)
    assert ahead <= -(-num_rounds // UNLUCKY_ROUNDS)
    for number in range(0, num_rounds - UNLUCKY_ROUNDS, UNLUCKY_ROUNDS):
        some = world.taken[number : number + UNLUCKY_ROUNDS]
        assert any(name.startswith("fresh") for names in some for name in names)


@given(
    st.lists(st.sampled_from(["prompt", "hung", "failed", "late"]), max_size=6),
    st.lists(st.tuples(st.sampled_from(["prompt", "hung", "failed", "late"]), st.integers(0, 3))),
)
def test_everybody_has_one_turn_and_at_most_one_scored_before_is_ahead_of_prompt_newcomers(
    new_kinds: list[str], again_kinds: list[tuple[str, int]]
) -> None:
    new = entries_of(*(f"{kind}-new{n}" for n, kind in enumerate(new_kinds)))
    again = entries_of(*(f"{kind}-{n}" for n, (kind, _) in enumerate(again_kinds)), block=50)
    known = {s.commitment.key: tried for s, (_, tried) in zip(again, again_kinds, strict=True)}

    def of(kind: str) -> list[Submission]:
        return [s for s in (*new, *again) if s.commitment.hotkey.startswith(kind)]

    found = in_turn(
        new,
        again,
        history=History(
            last_tried={key: Block(360 * tried) for key, tried in known.items()},
            unlucky={s.commitment.key: Block(1_080) for s in of("failed")},
            postponed=frozenset(s.commitment.key for s in of("late")),
        ),
        hung={s.commitment.hotkey for s in of("hung")},
    )
    assert sorted(found) == sorted(s.commitment.key for s in (*new, *again))
    prompt = {s.commitment.key for s in (*of("prompt"), *of("late"))}
    ahead = [k for k in found if k in prompt]
    num_new = sum(k not in known for k in ahead)
    first = ahead[: num_new + 1]
    assert sum(k in known for k in first[:num_new]) <= 1
    rested = [known[k] for k in ahead if k in known]
    assert rested == sorted(rested)
    behind = {s.commitment.key for s in of("hung")} | {
        s.commitment.key for s in new if s.commitment.hotkey.startswith("failed")
    }
    assert not ahead or found[0] not in behind


@pytest.mark.parametrize("reason", [Reason.DEVICE, Reason.STALLED])
@pytest.mark.parametrize(
    "next_row",
    [
        an_entry_result(ALICE),
        an_entry_result(ALICE, verdict=Verdict.FAILED, reason=Reason.UNLOADABLE),
    ],
)
def test_a_failure_of_the_worker_is_remembered_until_a_verdict(
    reason: Reason, next_row: EntryResult
) -> None:
    assert after(failed(reason)).unlucky.keys() == {ALICE}
    assert after(failed(reason), failed(Reason.HUB_UNAVAILABLE)).unlucky.keys() == {ALICE}
    assert after(failed(reason), next_row).unlucky == {}
    assert after(failed(Reason.HUB_UNAVAILABLE)).unlucky == {}
    assert after(failed(reason), an_entry_result(BOB), failed(reason)).unlucky == {ALICE: 720}
    later = [a_round_result(a_round_key(1, 900), entries=())]
    assert history_of(later, after(failed(reason))).unlucky.keys() == {ALICE}


def test_what_ran_out_of_its_time_is_counted_until_a_round_scores_it() -> None:
    found = after(failed(Reason.TIMEOUT), failed(Reason.STALLED), failed(Reason.TIMEOUT))
    assert (found.timeouts, found.stalls, found.hung) == (
        {ALICE: 2},
        {ALICE: 1},
        frozenset({Hotkey("alice")}),
    )
    found = after(failed(Reason.TIMEOUT), failed(Reason.STALLED), an_entry_result(ALICE))
    assert (found.timeouts, found.stalls, found.hung) == (
        NO_HISTORY.timeouts,
        NO_HISTORY.stalls,
        frozenset(),
    )


@pytest.mark.parametrize("reason", [Reason.DEVICE, Reason.HUB_UNAVAILABLE, Reason.UNLOADABLE])
def test_another_failure_neither_counts_as_time_nor_forgives_it(reason: Reason) -> None:
    found = after(failed(Reason.TIMEOUT), failed(reason))
    assert (found.timeouts, found.stalls, found.hung) == (
        {ALICE: 1},
        NO_HISTORY.stalls,
        frozenset({Hotkey("alice")}),
    )


def test_what_older_rounds_come_to_is_carried_on() -> None:
    past = after(failed(Reason.TIMEOUT), failed(Reason.STALLED))
    found = history_of([a_round_result(a_round_key(1, 900), entries=())], past)
    assert (found.timeouts, found.stalls, found.hung) == (past.timeouts, past.stalls, past.hung)


def test_who_was_postponed_is_what_the_newest_judged_round_says() -> None:
    late = replace(a_round_result(a_round_key(1, 360)), postponed=(BOB,))
    sat_out = replace(a_round_result(a_round_key(1, 720)), skipped=Reason.DATA_UNAVAILABLE)
    assert history_of([late]).postponed == {BOB}
    assert history_of([late, sat_out]).postponed == {BOB}
    assert history_of([sat_out], history_of([late])).postponed == {BOB}
    assert history_of([late, a_round_result(a_round_key(1, 1080))]).postponed == frozenset()


def test_the_time_of_the_newest_rounds_is_remembered_in_their_order() -> None:
    taken = {a_round_key(c, 360 * n): 1.0 * n for n in range(40, 0, -1) for c in (2, 1)}
    kept = newest_times(taken)
    assert list(kept) == sorted(kept, key=lambda key: (key.sync_block, key.competition))
    assert len(kept) == TIMED_ROUNDS
    assert kept == {key: s for key, s in taken.items() if key.sync_block > 360 * 8}


# failures


@pytest.mark.parametrize("num_timeouts", range(MAX_CHAMPION_TIMEOUTS + 1))
def test_time_ends_a_champion_in_its_third_round_in_a_row(num_timeouts: int) -> None:
    found = failures_after(0, Reason.TIMEOUT, num_timeouts=num_timeouts, champion=True)
    is_over = num_timeouts + 1 >= MAX_CHAMPION_TIMEOUTS
    assert found == (MAX_FAILURES if is_over else 0)


def test_anything_else_of_its_own_ends_a_champion_as_it_does_others() -> None:
    assert failures_after(1, Reason.NON_FINITE, champion=True) == MAX_FAILURES
    assert failures_after(1, Reason.TIMEOUT, num_timeouts=1) == MAX_FAILURES


@given(
    failures=st.integers(0, 3),
    reason=st.sampled_from([r for r in Reason if r.blame is not Blame.MINER]),
    num_timeouts=st.integers(0, 9),
    champion=st.booleans(),
)
def test_what_is_not_the_models_fault_never_counts(
    failures: int, reason: Reason, num_timeouts: int, champion: bool
) -> None:
    assert (
        failures_after(failures, reason, num_timeouts=num_timeouts, champion=champion) == failures
    )


def test_a_champion_whose_time_is_forgiven_has_nothing_on_record() -> None:
    champion = a_submission(a_commitment("alice", 10))
    assert record_failure(champion, Reason.TIMEOUT, "40 s", champion=True) == champion


def test_a_round_that_scores_an_entry_forgives_its_failures() -> None:
    entry = a_submission(a_commitment("alice", 10))
    once = record_failure(entry, Reason.TIMEOUT, "40 s")
    assert once.failures == 1
    assert forgive_failures(once) == forgive_failures(entry) == entry
