"""Who stays in although its repository, its hotkey or its rank would let it drop out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.comparing import Comparer
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.contention import candidates_of, contention_of
from sn37.domain.round.evidence import Evidence
from sn37.domain.round.history import ROUNDS_FOR_A_TURN, history_of
from sn37.domain.round.round_entries import Contention, EntryPlan, admitted, plan_entries
from sn37.domain.round.state import History, RoundResult
from sn37.domain.submission.eligibility import (
    MAX_MISSED_ROUNDS,
    is_out,
    missed_round,
    restart_clock,
)
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission
from sn37.testing.builders import (
    a_commitment,
    a_commitment_book,
    a_competition,
    a_malformed_commitment,
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

ONE = CompetitionId(1)
SYNC = Block(20_160)
HOTKEYS = ("king", "lead", "other", "new", "old", "copier", "late")
MEMBERS = a_metagraph(*HOTKEYS, at=SYNC)
TWO = a_schedule(
    a_stage(a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5)),
    max_new_entries=4,
)
KING, LEAD = an_entry_key("king", 10), an_entry_key("lead", 20)


def submission(
    hotkey: str,
    block: int,
    *,
    competition: int = 1,
    clock_block: int | None = None,
    missed_rounds: int = 0,
    failures: int = 0,
) -> Submission:
    commitment = a_commitment(hotkey, block, competition=competition)
    return a_submission(
        commitment,
        artifact=an_artifact(commitment),
        clock_block=clock_block,
        missed_rounds=missed_rounds,
        failures=failures,
    )


def rounds_with(*keys: EntryKey, newest: int = SYNC - 360) -> tuple[RoundResult, ...]:
    """Two rounds that the king won, with these entries."""
    return tuple(
        a_round_result(
            a_round_key(1, block),
            champion=KING,
            entries=tuple(an_entry_result(key) for key in (KING, *keys)),
        )
        for block in (newest - 360, newest)
    )


def evidence(gain: float, *blocks: int) -> Evidence:
    """Samples that swing the other way than the champion's, whose gain is none."""
    swing = -0.05 if gain == 0.0 else 0.05
    return {Block(b): (1 - gain - swing, 1 - gain + swing) * 20 for b in blocks}


def contend(
    *known: Submission, rounds: tuple[RoundResult, ...], gains: dict[EntryKey, float]
) -> Contention:
    everybody = (submission("king", 10), *known)
    found = candidates_of(
        history_of(rounds),
        competition=ONE,
        submissions={s.commitment.key: s for s in everybody},
        sync_block=SYNC,
        metagraph=MEMBERS,
        schedule=TWO,
    )
    assert found is not None
    blocks = [r.key.sync_block for r in rounds]
    held = {key: evidence(gains.get(key, 0.0), *blocks) for key in found.keys}
    return contention_of(found, held, Comparer(epsilon_end=0.01))


def plan(
    *known: Submission,
    history: History,
    contention: Contention | None = None,
    availability: dict[EntryKey, Availability] | None = None,
    sync_block: int = SYNC,
) -> EntryPlan:
    return plan_entries(
        submissions=known,
        competition=ONE,
        schedule=TWO,
        sync_block=Block(sync_block),
        metagraph=MEMBERS,
        contention=contention or Contention(),
        history=history,
        availability=availability or {},
    )


def test_before_the_first_champion_there_is_nobody_to_stay() -> None:
    assert (
        candidates_of(
            History(),
            competition=ONE,
            submissions={},
            sync_block=SYNC,
            metagraph=MEMBERS,
            schedule=TWO,
        )
        is None
    )


class TestReplaced:
    """Entries whose hotkey has committed again."""

    def test_t56_one_that_leads_by_the_margin_keeps_its_place(self) -> None:
        old, new = submission("lead", 20), submission("lead", SYNC - 10)
        found = contend(old, new, rounds=rounds_with(LEAD), gains={LEAD: 0.02})
        assert (found.contenders, found.leading) == ((LEAD,), (LEAD,))
        planned = plan(
            submission("king", 10),
            old,
            new,
            history=history_of(rounds_with(LEAD)),
            contention=found,
        )
        assert planned.entries == (KING, LEAD)
        assert [row.key for row in planned.listed] == [new.commitment.key]

    def test_one_that_is_current_stays_although_it_does_not_lead(self) -> None:
        found = contend(submission("lead", 20), rounds=rounds_with(LEAD), gains={LEAD: -0.05})
        assert (found.contenders, found.leading) == ((LEAD,), ())

    def test_one_that_does_not_lead_gives_it_up(self) -> None:
        old, new = submission("lead", 20), submission("lead", SYNC - 10)
        found = contend(old, new, rounds=rounds_with(LEAD), gains={LEAD: -0.05})
        assert found == Contention(former=KING)

    def test_t56_one_that_is_behind_by_luck_keeps_it(self) -> None:
        """Let go for one unlucky round it would never be scored again."""
        old, new = submission("lead", 20), submission("lead", SYNC - 10)
        found = contend(old, new, rounds=rounds_with(LEAD), gains={LEAD: 0.005})
        assert (found.contenders, found.leading) == ((LEAD,), ())

    def test_one_whose_hotkey_left_for_another_competition_is_let_go(self) -> None:
        old, new = submission("lead", 20), submission("lead", SYNC - 10, competition=2)
        found = contend(old, new, rounds=rounds_with(LEAD), gains={LEAD: 0.02})
        assert found == Contention(former=KING)

    def test_one_that_had_no_place_for_a_whole_window_is_let_go(self) -> None:
        old, new = submission("lead", 20), submission("lead", SYNC - 10)
        for num_without, contenders in (
            (ROUNDS_FOR_A_TURN - 1, ()),
            (ROUNDS_FOR_A_TURN - 2, (LEAD,)),
        ):
            with_place = rounds_with(LEAD, newest=SYNC - 360 * (num_without + 1))
            without = [
                a_round_result(a_round_key(1, SYNC - 360 * n), champion=KING)
                for n in range(num_without, 0, -1)
            ]
            found = contend(old, new, rounds=(*with_place, *without), gains={LEAD: 0.02})
            assert found.contenders == contenders

    @given(st.integers(0, 2 * ROUNDS_FOR_A_TURN))
    @settings(max_examples=10)
    def test_t56_one_stays_through_rounds_that_were_sat_out(self, num_sat_out: int) -> None:
        """In which its clones could not fall behind either."""
        old, new = submission("lead", 20), submission("lead", SYNC - 10)
        judged = rounds_with(LEAD, newest=SYNC - 360 * (num_sat_out + 1))
        sat_out = [
            a_round_result(a_round_key(1, SYNC - 360 * n), skipped=Reason.DATA_UNAVAILABLE)
            for n in range(num_sat_out, 0, -1)
        ]
        found = contend(old, new, rounds=(*judged, *sat_out), gains={LEAD: 0.02})
        assert (found.contenders, found.leading) == ((LEAD,), (LEAD,))

    @pytest.mark.parametrize(("again_at", "is_kept"), [(SYNC - 361, True), (SYNC - 359, False)])
    def test_a_crown_is_given_up_by_a_commitment_after_the_coronation_only(
        self, again_at: int, is_kept: bool
    ) -> None:
        """Crowned at the newest round: who had committed again before keeps the crown."""
        history = replace(history_of(rounds_with()), crowned_at=Block(SYNC - 360))
        again = submission("king", again_at)
        planned = plan(submission("king", 10), again, history=history)
        assert planned.champion == (KING if is_kept else None)

    @pytest.mark.parametrize(("at", "is_kept"), [(SYNC - 361, True), (SYNC - 359, False)])
    def test_so_it_is_by_a_record_that_is_no_commitment(self, at: int, is_kept: bool) -> None:
        history = replace(history_of(rounds_with()), crowned_at=Block(SYNC - 360))
        planned = plan_entries(
            submissions=[submission("king", 10)],
            competition=ONE,
            schedule=TWO,
            sync_block=SYNC,
            metagraph=MEMBERS,
            history=history,
            book=a_commitment_book(a_malformed_commitment("king", at)),
        )
        assert planned.champion == (KING if is_kept else None)


class TestHeld:
    """Entries whose files are here."""

    @given(st.integers(0, MAX_MISSED_ROUNDS - 1), st.booleans())
    @settings(max_examples=10)
    def test_t55_what_was_scored_is_scored_whatever_the_repository_shows(
        self, missed: int, is_champion: bool
    ) -> None:
        history = history_of(rounds_with(LEAD))
        key = KING if is_champion else LEAD
        private = {key: Availability.PRIVATE}
        known = [
            submission(k.hotkey, k.block, missed_rounds=missed if k == key else 0)
            for k in (KING, LEAD)
        ]
        contention = Contention(former=KING, contenders=(LEAD,))
        planned = plan(*known, history=history, contention=contention, availability=private)
        assert planned.entries == (KING, LEAD)

    def test_t55_after_two_rounds_of_grace_it_is_left_out(self) -> None:
        history, private = history_of(rounds_with(LEAD)), {LEAD: Availability.PRIVATE}
        lead = submission("lead", 20, missed_rounds=MAX_MISSED_ROUNDS)
        contention = Contention(former=KING, contenders=(LEAD,))
        planned = plan(
            submission("king", 10),
            lead,
            history=history,
            contention=contention,
            availability=private,
        )
        assert planned.entries == (KING,)
        assert [row.reason for row in planned.listed] == [Reason.UNAVAILABLE_REPO]
        assert is_out(missed_round(lead), sync_block=SYNC, schedule=TWO, metagraph=MEMBERS)

    def test_t55_a_restarted_clock_voids_its_evidence_and_its_challenge(self) -> None:
        """It waits for the delay and for a new challenge, and begins with nothing."""
        history = history_of(rounds_with(LEAD, newest=SYNC - 7_200))
        away = submission("lead", 20, missed_rounds=MAX_MISSED_ROUNDS + 1)
        planned = plan(submission("king", 10), away, history=history)
        assert [row.reason for row in planned.listed] == [Reason.TOO_EARLY]
        back = restart_clock(away, Block(SYNC - 720), held=True)
        assert (back.clock_block, back.missed_rounds) == (SYNC - 720, 0)
        assert not history.is_scored(back)
        assert plan(submission("king", 10), back, history=history).entries == (KING, LEAD)
        recently = history_of(rounds_with(LEAD))
        waiting = plan(submission("king", 10), back, history=recently)
        assert [row.reason for row in waiting.listed] == [Reason.CHALLENGE_LIMIT]
        found = contend(back, rounds=rounds_with(LEAD), gains={LEAD: 0.5})
        assert found == Contention(former=KING)

    def test_t55_its_new_challenge_is_counted_from_its_new_clock(self) -> None:
        first = rounds_with(LEAD, newest=SYNC - 7_200)
        again = a_round_result(
            a_round_key(1, SYNC), champion=KING, entries=(an_entry_result(LEAD),)
        )
        history = history_of([*first, replace(again, clocks=((LEAD, Block(SYNC - 720)),))])
        assert history.entered[LEAD] == SYNC
        assert history.is_scored(submission("lead", 20, clock_block=SYNC - 720))
        assert not history.is_scored(submission("lead", 20, clock_block=SYNC))
        assert history.previous_challenge(an_entry_key("lead", 99)) == SYNC

    def test_files_that_were_never_fetched_need_a_repository_that_can_be_read(self) -> None:
        novice = a_submission(a_commitment("new", 100))
        private = {novice.commitment.key: Availability.PRIVATE}
        planned = plan(novice, history=History(), availability=private)
        assert [row.reason for row in planned.listed] == [Reason.NOT_PUBLIC]


class TestVacant:
    """Crowns that nobody holds."""

    def test_t54_the_first_contender_that_may_take_part_defends_the_crown(self) -> None:
        sybil = submission("new", 1)
        history = replace(history_of(rounds_with(LEAD)), champion=None)
        other = an_entry_key("other", 30)
        contention = Contention(former=KING, contenders=(LEAD, other))
        known = (sybil, submission("lead", 20), submission("other", 30))
        planned = plan(*known, history=history, contention=contention)
        assert (planned.champion, planned.is_heir) == (LEAD, True)
        assert planned.entries == (LEAD, sybil.commitment.key, other)
        ill = plan(
            sybil,
            submission("lead", 20, failures=2),
            known[2],
            history=history,
            contention=contention,
        )
        assert ill.champion == other

    def test_t55_a_contender_whose_repository_cannot_be_read_does_not_inherit(self) -> None:
        history = replace(history_of(rounds_with(LEAD)), champion=None)
        other = an_entry_key("other", 30)
        planned = plan(
            submission("lead", 20),
            submission("other", 30),
            history=history,
            contention=Contention(former=KING, contenders=(LEAD, other)),
            availability={LEAD: Availability.PRIVATE},
        )
        assert (planned.champion, planned.is_heir) == (other, True)
        assert LEAD in planned.entries

    def test_t54_without_contenders_nobody_defends_it(self) -> None:
        planned = plan(submission("new", 1), history=History())
        assert (planned.champion, planned.is_heir) == (None, False)


class TestAwaited:
    """Leaders without a place."""

    FIRST, SECOND = an_entry_key("other", 30), an_entry_key("late", 40)
    KNOWN = (
        submission("king", 10),
        submission("lead", 20),
        submission("other", 30),
        submission("late", 40),
    )
    CONTENTION = Contention(
        former=KING,
        contenders=(LEAD,),
        leading=(LEAD, FIRST, SECOND),
        hopeful=(LEAD, FIRST, SECOND),
    )

    def planned(self, *others: Submission, known: tuple[Submission, ...] = KNOWN) -> EntryPlan:
        history = history_of(rounds_with(LEAD, self.FIRST, self.SECOND))
        return plan(*known, *others, history=history, contention=self.CONTENTION)

    def test_t53_places_that_newcomers_leave_free_are_theirs(self) -> None:
        """Else few places, held by entries that lead by a hair, keep better ones from being scored
        while copies of them are."""
        found = self.planned(submission("new", 50))
        assert set(found.entries) == {KING, LEAD, self.FIRST, self.SECOND, an_entry_key("new", 50)}
        assert (found.awaited, found.listed) == ((), ())

    def test_t53_newcomers_come_before_them_and_of_them_the_earliest(self) -> None:
        crowd = [submission(hotkey, 50) for hotkey in ("new", "old", "copier")]  # of four places
        found = self.planned(*crowd)
        assert self.FIRST in found.entries
        assert {s.commitment.key for s in crowd} < set(found.entries)
        assert found.awaited == (self.SECOND,)  # it is waited for all the same
        assert [row.key for row in found.listed] == [self.SECOND]

    def test_t53_no_more_than_sixteen_of_a_crowd_of_leaders_take_part(self) -> None:
        crowd = tuple(an_entry_key(f"crowd{n:02d}", 30 + n) for n in range(18))
        planned = plan_entries(
            submissions=[submission("king", 10), *(submission(k.hotkey, k.block) for k in crowd)],
            competition=ONE,
            schedule=a_schedule(a_stage(a_competition(1)), max_new_entries=20),
            sync_block=SYNC,
            metagraph=a_metagraph("king", *(k.hotkey for k in crowd), at=SYNC),
            contention=Contention(former=KING, leading=crowd, hopeful=crowd),
            history=history_of(rounds_with(*crowd)),
        )
        assert planned.entries == (KING, *crowd[:16])
        assert planned.awaited == crowd[16:]

    @given(
        num_new=st.integers(0, 8),
        num_hopeful=st.integers(0, 12),
        num_contenders=st.integers(0, MAX_CONTENDERS),
        num_places=st.integers(1, 20),
        is_vacant=st.booleans(),
    )
    def test_whatever_entries_hope_at_most_five_are_scored_without_a_limit(
        self,
        num_new: int,
        num_hopeful: int,
        num_contenders: int,
        num_places: int,
        is_vacant: bool,
    ) -> None:
        crowd = tuple(an_entry_key(f"crowd{n:02d}", 30 + n) for n in range(num_hopeful))
        staying = crowd[:num_contenders]
        new = [submission(f"new{n}", 50 + n) for n in range(num_new)]
        history = history_of(rounds_with(*crowd))
        planned = plan_entries(
            submissions=[
                submission("king", 10),
                *(submission(k.hotkey, k.block) for k in crowd),
                *new,
            ],
            competition=ONE,
            schedule=a_schedule(a_stage(a_competition(1)), max_new_entries=num_places),
            sync_block=SYNC,
            metagraph=a_metagraph(
                "king", *(k.hotkey for k in crowd), *(s.commitment.hotkey for s in new), at=SYNC
            ),
            contention=Contention(former=KING, contenders=staying, leading=crowd, hopeful=crowd),
            history=replace(history, champion=None) if is_vacant else history,
        )
        champion = planned.champion
        assert set(planned.contenders) == {*staying} - {champion}
        assert set(planned.contenders) <= set(planned.entries)
        others = [k for k in planned.entries if k not in {champion, *planned.contenders}]
        assert len(others) <= num_places
        assert len(planned.entries) - len(others) <= 1 + MAX_CONTENDERS

    def test_t53_free_places_are_for_who_leads_or_is_behind_by_luck_alone(self) -> None:
        keys = [an_entry_key(h, b) for h, b in (("lead", 20), ("other", 30), ("late", 40))]
        unlucky, leader, worse = keys
        found = contend(
            *(submission(k.hotkey, k.block) for k in keys),
            rounds=rounds_with(*keys),
            gains={unlucky: 0.005, leader: 0.02, worse: -0.05},
        )
        assert found.leading == (leader,)
        assert found.hopeful == (unlucky, leader)

    def test_t53_an_unlucky_original_comes_before_copies_that_lead(self) -> None:
        """Else it is scored no more while they are, and the luckiest of them is crowned."""
        keys = [an_entry_key(h, b) for h, b in (("lead", 20), ("other", 30), ("late", 40))]
        found = contend(
            *(submission(k.hotkey, k.block) for k in keys),
            rounds=rounds_with(*keys),
            gains=dict(zip(keys, (0.0099, 0.0101, 0.0102), strict=True)),
        )
        assert found.leading == tuple(keys[1:])
        assert found.hopeful[0] == keys[0]

    def test_a_leader_that_may_not_take_part_any_more_is_not_waited_for(self) -> None:
        gone = (*self.KNOWN[:2], submission("other", 30, failures=2), self.KNOWN[3])
        crowd = [submission(hotkey, 50) for hotkey in ("new", "old", "copier")]
        found = self.planned(*crowd, known=gone)
        assert self.SECOND in found.entries
        assert found.awaited == ()

    def test_t53_a_replaced_leader_keeps_its_place_among_them(self) -> None:
        found = self.planned(submission("other", 60))
        assert self.FIRST in found.entries


class TestQueue:
    """Who gets one of the places for new entries."""

    def old_hands(self, number: int) -> tuple[list[Submission], History]:
        """Hotkeys that challenged a day ago, with older commitments than anybody's."""
        hands = [submission(f"old{i}", 100 + i) for i in range(number)]
        entered = {an_entry_key(f"old{i}", 5): Block(600) for i in range(number)}
        return hands, History(entered=entered)

    def test_t60_half_of_the_places_go_to_hotkeys_that_never_challenged(self) -> None:
        hands, history = self.old_hands(200)
        novices = [submission(f"new{i}", 5_000 + i) for i in range(3)]
        found = admitted([*hands, *novices], history, 4)
        assert [k.hotkey for k in sorted(found)] == ["new0", "new1", "old0", "old1"]

    def test_t60_half_of_them_go_by_age_whatever_fresh_hotkeys_come(self) -> None:
        hands, history = self.old_hands(3)
        crowd = [submission(f"new{i:03d}", 5_000 + i) for i in range(200)]
        found = admitted([*hands, *crowd], history, 4)
        assert [k.hotkey for k in sorted(found)] == ["new000", "new001", "old0", "old1"]

    def test_t60_who_came_with_a_copy_last_time_comes_last(self) -> None:
        copier, late = submission("copier", 100), submission("new", 5_000)
        history = History(copiers=frozenset({copier.commitment.hotkey}))
        assert admitted([copier, late], history, 1) == {late.commitment.key}
        assert len(admitted([copier, late], history, 2)) == 2

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
    @settings(max_examples=20)
    def test_all_places_are_taken_while_somebody_waits(self, old: int, new: int, n: int) -> None:
        hands, history = self.old_hands(old)
        novices = [submission(f"new{i}", 5_000 + i) for i in range(new)]
        assert len(admitted([*hands, *novices], history, n)) == min(n, old + new)
