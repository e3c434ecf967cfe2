"""Places that newcomers leave to entries that were scored before, whatever a crowd does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.history import ROUNDS_FOR_A_TURN, had_a_place, history_of
from sn37.domain.round.newcomers import UNLUCKY_ROUNDS, in_turn, newcomers_s
from sn37.domain.round.round_entries import (
    MAX_HOPEFUL,
    PLACES_PER_HOPEFUL,
    Contention,
    EntryPlan,
    admitted,
    plan_entries,
)
from sn37.domain.round.state import EntryResult, History
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_metagraph,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_entry_key,
    an_entry_result,
)

KING = an_entry_key("king", 10)
CADENCE = 360
FIRST_SYNC = 3_600


def entry(name: str, block: int) -> Submission:
    return a_submission(a_commitment(name, block))


@dataclass(slots=True)
class Rounds:
    """Rounds with a crowd that waits, and entries that were scored before.

    Args:
        places: Of the schedule.
        hopeful: Entries in free places, by order.
        seconds: Of an entry, by the first word of its hotkey.
        is_failing: True if the worker fails on each of the crowd.
    """

    places: int
    hopeful: tuple[EntryKey, ...]
    seconds: dict[str, float]
    is_failing: bool
    crowd: list[Submission] = field(default_factory=list)
    hung: frozenset[Hotkey] = frozenset()
    history: History = field(init=False)
    plans: list[EntryPlan] = field(default_factory=list)
    tried: list[set[EntryKey]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = tuple(map(an_entry_result, (KING, *self.hopeful)))
        first = a_round_result(a_round_key(1, FIRST_SYNC), champion=KING, entries=rows)
        self.history = history_of([first])

    def plan(self, sync: int) -> EntryPlan:
        known = [entry(k.hotkey, k.block) for k in (KING, *self.hopeful)]
        everybody = [*known, *self.crowd]
        return plan_entries(
            submissions=everybody,
            competition=CompetitionId(1),
            schedule=a_schedule(
                a_stage(a_competition(1, delay_blocks=0)), max_new_entries=self.places
            ),
            sync_block=Block(sync),
            metagraph=a_metagraph(*(s.commitment.hotkey for s in everybody), at=sync),
            contention=Contention(former=KING, hopeful=self.hopeful),
            history=self.history,
            hung=self.hung,
            availability={s.commitment.key: Availability.PUBLIC for s in everybody},
        )

    def run(self, sync: int) -> None:
        planned = self.plan(sync)
        limited = [entry(k.hotkey, k.block) for k in planned.entries if k != KING]
        order = in_turn(
            [s for s in limited if not self.history.is_scored(s)],
            [s for s in limited if self.history.is_scored(s)],
            history=self.history,
            hung=self.hung,
        )
        left_s, rows = newcomers_s(RoundTiming()), [an_entry_result(KING)]
        for key in order:
            if left_s > 0:
                left_s -= self.seconds[key.hotkey.split()[0]]
                rows.append(self.row(key))
        tried = {row.key for row in rows}
        round_ = a_round_result(a_round_key(1, sync), champion=KING, entries=tuple(rows))
        late = tuple(k for k in order if k not in tried)
        self.history = history_of([replace(round_, postponed=late)], self.history)
        self.crowd = [s for s in self.crowd if not self.history.is_scored(s)]
        self.plans.append(planned)
        self.tried.append(tried)

    def row(self, key: EntryKey) -> EntryResult:
        if self.is_failing and key.hotkey.startswith("crowd"):
            return an_entry_result(key, verdict=Verdict.FAILED, reason=Reason.DEVICE)
        return an_entry_result(key)


def hopefuls(number: int) -> tuple[EntryKey, ...]:
    return tuple(an_entry_key(f"hope {n:02d}", 20 + n) for n in range(number))


def crowd(number: int, block: int) -> list[Submission]:
    return [entry(f"crowd {block:05d} {n:02d}", block + n) for n in range(number)]


@settings(max_examples=30, deadline=None)
@given(
    places=st.integers(1, 24),
    num_hopeful=st.integers(1, MAX_HOPEFUL),
    num_waiting=st.integers(0, 30),
    num_fresh=st.integers(0, 4),
    slow=st.tuples(*[st.sampled_from([60.0, 900.0, 2_160.0])] * 2),
    is_failing=st.booleans(),
)
def test_each_of_sixteen_has_a_turn_before_it_is_let_go(
    places: int,
    num_hopeful: int,
    num_waiting: int,
    num_fresh: int,
    slow: tuple[float, float],
    is_failing: bool,
) -> None:
    world = Rounds(
        places=places,
        hopeful=hopefuls(num_hopeful),
        seconds={"crowd": slow[0], "hope": slow[1]},
        is_failing=is_failing,
        crowd=crowd(num_waiting, 100),
    )
    for number in range(1, ROUNDS_FOR_A_TURN + 1):
        sync = FIRST_SYNC + CADENCE * number
        world.crowd += crowd(num_fresh, sync - CADENCE)
        world.run(sync)
    for key in world.hopeful:
        assert any(key in tried for tried in world.tried)
        assert had_a_place(world.history, key)
    kept = min(num_hopeful, places // PLACES_PER_HOPEFUL)
    for planned in world.plans:
        free = set(planned.entries) & set(world.hopeful)
        assert len(free) >= kept
        assert len(planned.entries) - 1 <= places


def test_prompt_newcomers_have_all_places_but_those_kept() -> None:
    world = Rounds(
        places=20, hopeful=hopefuls(6), seconds={}, is_failing=False, crowd=crowd(30, 100)
    )
    entries = world.plan(7_200).entries
    assert sum(k in world.hopeful for k in entries) == 20 // PLACES_PER_HOPEFUL == 4
    assert len(entries) == 1 + 20
    world.hopeful = ()
    assert sum(k.hotkey.startswith("crowd") for k in world.plan(7_200).entries) == 20


def test_half_of_the_free_places_go_by_order_and_half_to_whose_turn_is_longest_ago() -> None:
    world = Rounds(
        places=20, hopeful=hopefuls(8), seconds={}, is_failing=False, crowd=crowd(30, 100)
    )
    turns = {key: Block(4_000 - n) for n, key in enumerate(world.hopeful)}
    world.history = replace(world.history, last_tried=turns)
    first, second, *_, seventh, eighth = world.hopeful
    free = [k for k in world.plan(7_200).entries if k in world.hopeful]
    assert free == [first, second, seventh, eighth]
    world.hung = frozenset({first.hotkey, eighth.hotkey})  # their turns would come last
    free = [k for k in world.plan(7_200).entries if k in world.hopeful]
    assert free == [second, world.hopeful[2], world.hopeful[5], seventh]


@given(st.integers(0, 24), st.integers(0, MAX_HOPEFUL), st.integers(1, 24), st.integers(0, 7))
def test_newcomers_that_hung_or_failed_displace_nobody(
    num_late: int, num_hopeful: int, places: int, num_judged: int
) -> None:
    late = crowd(num_late, 100)
    failed = {s.commitment.key: Block(360 + n) for n, s in enumerate(late[::2])}
    hung = {s.commitment.hotkey for s in late[1::2]}
    history = History(num_judged=num_judged, unlucky=failed)
    found = admitted(late, history, places, hung=hung, num_hopeful=num_hopeful)
    is_their_turn = bool(failed) and num_judged % UNLUCKY_ROUNDS == UNLUCKY_ROUNDS - 1
    assert len(found) == min(num_late, max(places - num_hopeful, is_their_turn))
    assert not is_their_turn or min(failed, key=lambda k: failed[k]) in found
