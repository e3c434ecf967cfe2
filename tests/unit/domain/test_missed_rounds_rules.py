"""Which missed rounds are scored later, and for whom."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.ids import Block, BlockRef, CompetitionId, Hotkey
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.round.history import history_of
from sn37.domain.round.missed import (
    DAY_BLOCKS,
    LOOK_BACK_ROUNDS,
    MAX_A_DAY,
    allowed,
    missed_rounds,
    not_yet_evidence,
    num_left_today,
    old_enough,
)
from sn37.domain.round.state import RoundResult, ScoredLater
from sn37.domain.weights.standings import standings
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_neuron,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_entry_key,
    an_entry_result,
)

ONE = CompetitionId(1)
SCHEDULE = a_schedule(a_stage(a_competition(delay_blocks=360)))
CADENCE, GRACE = SCHEDULE.timing.cadence, SCHEDULE.timing.files_grace
FIRST = SCHEDULE.timing.next_sync_block(Block(1_000))


def block(number: int, offset: int = 0) -> Block:
    """Of the round with this number, counted from 0."""
    return Block(FIRST + number * CADENCE + offset)


def judged(number: int) -> RoundResult:
    return a_round_result(a_round_key(1, block(number)))


def sat_out(number: int) -> RoundResult:
    key = a_round_key(1, block(number))
    return a_round_result(key, champion=None, skipped=Reason.DATA_UNAVAILABLE)


def scored_later(number: int, *, at: Block) -> RoundResult:
    later = ScoredLater(source=Hotkey("other"), after=block(number - 1), at=at)
    entry = an_entry_result(an_entry_key("alice", 100))
    return replace(sat_out(number), later=later, entries=(entry,))


def missed(*rounds: RoundResult, head: Block) -> list[int]:
    """By their numbers."""
    found = missed_rounds(rounds, competition=ONE, schedule=SCHEDULE, head=head)
    return [(key.sync_block - FIRST) // CADENCE for key in found]


def test_rounds_that_were_sat_out_or_not_there_are_missed_the_newest_first() -> None:
    assert missed(judged(0), sat_out(1), judged(3), head=block(4, 1)) == [2, 1]


def test_a_round_may_be_opened_until_the_time_of_its_files_is_over() -> None:
    assert missed(judged(0), head=block(1, GRACE - 1)) == []
    assert missed(judged(0), head=block(1, GRACE)) == [1]
    assert missed(judged(0), sat_out(1), head=block(1)) == [1]


def test_what_was_scored_later_is_missed_no_more() -> None:
    assert missed(judged(0), scored_later(1, at=block(3)), judged(2), head=block(2, 5)) == []


def test_a_validator_missed_nothing_before_its_first_round() -> None:
    assert missed(head=block(4)) == []
    assert missed(judged(3), head=block(3, 10)) == []


def test_it_looks_back_for_a_day_and_no_further() -> None:
    found = missed(judged(0), head=block(100, GRACE))
    assert found == list(range(100, 100 - LOOK_BACK_ROUNDS - 1, -1))


def test_a_competition_that_did_not_run_was_not_missed() -> None:
    later = a_schedule(a_stage(a_competition(), from_block=block(2)))
    found = missed_rounds([judged(0)], competition=ONE, schedule=later, head=block(3, GRACE))
    assert [k.sync_block for k in found] == [block(3), block(2)]


@given(st.integers(0, MAX_A_DAY + 3), st.integers(0, MAX_A_DAY + 3))
def test_in_a_day_of_blocks_so_many_are_scored_later_and_no_more(new: int, old: int) -> None:
    head = block(100)
    rounds = [scored_later(n + 1, at=Block(head - n)) for n in range(new)]
    rounds += [scored_later(n + 30, at=Block(head - DAY_BLOCKS - n)) for n in range(old)]
    assert num_left_today(rounds, head=head) == max(MAX_A_DAY - new, 0)


def test_a_round_is_evidence_in_those_that_were_opened_once_it_had_been_recorded() -> None:
    rounds = [judged(0), scored_later(2, at=block(3)), judged(1), judged(3)]
    assert not_yet_evidence(rounds, block(1)) == {block(2)}
    assert not_yet_evidence(rounds, block(3)) == frozenset()


def test_nobody_is_scored_in_a_round_for_which_it_was_too_young() -> None:
    young, old = a_commitment("young", block(1, -359)), a_commitment("old", block(1, -360))
    restarted = a_commitment("restarted", 100)
    known = {c.key: a_submission(c) for c in (young, old)}
    known[restarted.key] = a_submission(restarted, clock_block=block(1, -10))
    found = old_enough(tuple(known), known, sync_block=block(1), schedule=SCHEDULE)
    assert found == (old.key,)
    assert not old_enough(tuple(known), known, sync_block=Block(-1), schedule=SCHEDULE)


def test_who_was_no_member_then_or_has_lost_is_not_scored() -> None:
    there, gone, lost = (a_commitment(name, 100) for name in ("there", "gone", "lost"))
    known = {c.key: a_submission(c) for c in (there, gone)}
    known[lost.key] = a_submission(lost, retired=True)
    metagraph = Metagraph(
        at=BlockRef(block(1), "0x"),
        neurons=(a_neuron("there", uid=0), a_neuron("lost", uid=1)),
    )
    found = allowed(
        tuple(known), known, sync_block=block(1), schedule=SCHEDULE, metagraph=metagraph
    )
    assert found == (there.key,)


def test_a_round_that_was_scored_later_begins_no_challenge_and_counts_in_no_standing() -> None:
    rounds = [judged(0), sat_out(1), judged(2)]
    with_it = [judged(0), scored_later(1, at=block(2, 1)), judged(2)]
    assert history_of(with_it) == history_of(rounds)
    assert standings(with_it, timing=SCHEDULE.timing) == standings(rounds, timing=SCHEDULE.timing)
