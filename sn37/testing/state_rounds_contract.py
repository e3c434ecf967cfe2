"""Contract tests for every state store: rounds."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sn37.domain.data.sampling import manifest
from sn37.domain.data.screening import screening_of
from sn37.domain.ids import Block, CompetitionId, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import DrawnRows, OpenRound, Reserve, ValidatorState
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.jobs import BlockLosses, ControlKind, ControlLoss
from sn37.domain.scoring.opinion import Compared, Opinion, View
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    a_batch,
    a_commitment,
    a_draw,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_signed_receipt,
    a_submission,
    an_entry_key,
    an_outcome,
    hex_digest,
    losses,
    some_samples,
)
from sn37.testing.state_store_harness import ALICE, BOB, PLAN, ROUND, StateStoreHarness

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore


AN_OPINION = Opinion(
    key=ALICE,
    view=View.DIFFERS,
    samples=(Compared(task=TaskName("text"), position=7, ours=math.inf, theirs=1.5),),
    detail="text, sample 7",
    environment={"device": "cpu"},
)


class OpenRoundsContract(StateStoreHarness):
    """Open rounds: plan, journal, outcomes and receipts."""

    def test_opening_a_round_again_changes_nothing(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.open_round(replace(PLAN, entries=(BOB,)))

        self.run(steps)
        assert self.load().open_rounds == {ROUND: OpenRound(plan=PLAN)}

    def test_rows_that_were_screened_take_the_place_of_those_that_were_drawn_once(self) -> None:
        rows = some_samples(48, signers=("v1", "v2"))
        reserve = Reserve(samples=rows[32:], cap=17)
        waiting = replace(
            PLAN, draws=(replace(a_draw(a_batch(samples=rows[:32])), reserve=reserve),)
        )
        kept = a_draw(a_batch(samples=(*rows[:31], rows[40])))
        settled = replace(
            waiting,
            draws=(kept,),
            manifest_digest=hex_digest("screened"),
            screenings={TaskName("text"): screening_of(rows, 17, [1.5] * 47 + [9.0])},
        )

        async def steps(store: StateStore) -> list[ValidatorState]:
            await store.open_round(waiting)
            found = [await store.load()]
            await store.screen_round(settled)
            await store.screen_round(replace(settled, entries=(BOB,)))
            return [*found, await store.load()]

        before, after = self.run(steps)
        assert before.open_rounds == {ROUND: OpenRound(plan=waiting)}
        assert after.open_rounds == {ROUND: OpenRound(plan=settled)}
        assert self.load().open_rounds[ROUND].plan.is_screened

        async def finish(store: StateStore) -> tuple[OpenRound | None, tuple[DrawnRows, ...]]:
            await store.finish_round(a_round_result(ROUND))
            return await store.recorded(ROUND), await store.drawn(ROUND)

        recorded, (drawn,) = self.run(finish)
        assert recorded is not None
        assert recorded.plan.screenings == settled.screenings
        assert drawn.manifest == manifest(kept.batch)

    def test_a_round_that_is_sat_out_after_it_was_opened_is_like_one_that_never_was(self) -> None:
        missed = a_round_result(ROUND, skipped=Reason.DEVICE)

        async def steps(store: StateStore) -> tuple[object, object, ValidatorState]:
            await store.open_round(PLAN)
            await store.finish_round(missed)
            return await store.recorded(ROUND), await store.drawn(ROUND), await store.load()

        recorded, drawn, state = self.run(steps)
        assert (recorded, drawn) == (None, ())
        assert state.rounds == {ROUND.competition: (missed,)}
        assert state.open_rounds == {}

    def test_a_round_that_is_not_open_is_not_screened(self) -> None:
        with pytest.raises(ValueError, match="not open"):
            self.run(lambda store: store.screen_round(PLAN))

    def test_what_a_round_rests_on_stays_when_it_is_finished(self) -> None:
        outcome = an_outcome(ALICE)

        async def steps(store: StateStore) -> list[OpenRound | None]:
            found = [await store.recorded(ROUND)]
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses(1.0))
            await store.finish_entry(ROUND, outcome, None)
            found.append(await store.recorded(ROUND))
            await store.finish_round(a_round_result(ROUND))
            return [*found, await store.recorded(ROUND)]

        never, under_way, finished = self.run(steps)
        assert never is None
        assert under_way == finished
        assert finished == OpenRound(
            plan=replace(PLAN, draws=()),
            journal={ALICE: (losses(1.0),)},
            outcomes={ALICE: outcome},
        )

    def test_what_controls_cost_is_journalled_with_their_block(self) -> None:
        costs = (
            ControlLoss(ControlKind.SUBSTITUTED, 96.0, 113.25),
            ControlLoss(ControlKind.SHUFFLED, 0.0, 1e6),
        )

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, replace(losses(1.0), controls=costs))

        self.run(steps)
        (block,) = self.load().open_rounds[ROUND].journal[ALICE]
        assert block.controls == costs

    def test_t50_a_second_opinion_is_recorded_once_with_the_receipt_that_tells_of_it(self) -> None:
        told = [a_signed_receipt(name) for name in ("bob", "alice", "alice checked", "never")]

        async def steps(store: StateStore) -> tuple[tuple[SignedReceipt, ...], list[object]]:
            await store.open_round(PLAN)
            await store.finish_entry(ROUND, an_outcome(BOB), told[0])
            await store.finish_entry(ROUND, an_outcome(ALICE), told[1])
            await store.record_opinion(ROUND, AN_OPINION, told[2])
            await store.record_opinion(ROUND, replace(AN_OPINION, view=View.AGREES), told[3])
            found = [await store.opinions(ALICE), await store.opinions(BOB)]
            return await store.receipts(ROUND), [*found, await store.recorded(ROUND)]

        receipts, (of_alice, of_bob, recorded) = self.run(steps)
        assert receipts == (told[0], told[2])
        assert (of_alice, of_bob) == ({ROUND.sync_block: AN_OPINION}, {})
        assert isinstance(recorded, OpenRound)
        assert recorded.opinions == self.load().open_rounds[ROUND].opinions == {ALICE: AN_OPINION}

    def test_nobody_has_an_opinion_of_an_entry_without_a_receipt(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_entry(ROUND, an_outcome(BOB), a_signed_receipt("bob"))
            await store.record_opinion(ROUND, AN_OPINION, a_signed_receipt("alice"))

        with pytest.raises(ValueError, match="no receipt"):
            self.run(steps)
        with pytest.raises(ValueError, match="not open"):
            self.run(
                lambda store: store.record_opinion(
                    a_round_key(1, 9_000), AN_OPINION, a_signed_receipt("alice")
                )
            )

    def test_what_an_entry_is_scored_with_is_the_newest_that_was_recorded(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.record_environment(ROUND, ALICE, {"torch": "2.13.0"})
            await store.record_environment(ROUND, BOB, {"device": "cpu"})
            await store.record_environment(ROUND, ALICE, {"torch": "2.14.0", "dtype": "float32"})

        self.run(steps)
        assert self.load().open_rounds[ROUND].environments == {
            ALICE: {"torch": "2.14.0", "dtype": "float32"},
            BOB: {"device": "cpu"},
        }

    def test_nothing_is_scored_with_anything_in_a_round_that_is_not_open(self) -> None:
        with pytest.raises(ValueError, match="not open"):
            self.run(lambda store: store.record_environment(ROUND, ALICE, {}))

    def test_rounds_of_two_competitions_are_open_at_once(self) -> None:
        second = a_round_plan(a_round_key(2, 720))

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.open_round(second)
            await store.append(second.key, ALICE, losses(2.0))

        self.run(steps)
        open_rounds = self.load().open_rounds
        assert open_rounds[ROUND] == OpenRound(plan=PLAN)
        assert open_rounds[second.key].journal == {ALICE: (losses(2.0),)}

    def test_the_journal_keeps_the_order_in_which_blocks_were_scored(self) -> None:
        blocks = (losses(3.0, task="text"), losses(1.0, 2.0, task="code"), losses(4.0, first=1))

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            for block in blocks:
                await store.append(ROUND, BOB, block)

        self.run(steps)
        assert self.load().open_rounds[ROUND].journal == {BOB: blocks}

    def test_a_block_that_is_there_already_is_left_as_it_is(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses(1.0))
            await store.append(ROUND, ALICE, losses(9.0))

        self.run(steps)
        assert self.load().open_rounds[ROUND].journal == {ALICE: (losses(1.0),)}

    def test_right_answers_are_journalled_with_their_block(self) -> None:
        blocks = tuple(
            replace(losses(1.0, 2.0, first=2 * n), num_right=right)
            for n, right in enumerate((None, 0, 2))
        )

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            for block in blocks:
                await store.append(ROUND, ALICE, block)

        self.run(steps)
        assert self.load().open_rounds[ROUND].journal == {ALICE: blocks}

    def test_signals_of_answers_are_journalled_with_their_block(self) -> None:
        signals = AnswerSignals(
            num_answers=2, empty=1, repetitive=0, canned=1, near_ties=9, example='a "b" \u6f22'
        )
        blocks = (replace(losses(1.0, 2.0), answers=signals), losses(1.0, 2.0, first=2))

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            for block in blocks:
                await store.append(ROUND, ALICE, block)

        self.run(steps)
        assert self.load().open_rounds[ROUND].journal == {ALICE: blocks}

    def test_losses_survive_bit_by_bit(self) -> None:
        values = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, 1e308)

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses(*values))

        self.run(steps)
        (block,) = self.load().open_rounds[ROUND].journal[ALICE]
        assert _bits(block) == _bits(losses(*values))

    def test_an_entry_ends_once(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_entry(ROUND, an_outcome(BOB), a_signed_receipt("first"))
            await store.finish_entry(
                ROUND, an_outcome(BOB, verdict=Verdict.FAILED), a_signed_receipt("second")
            )

        self.run(steps)
        assert self.load().open_rounds[ROUND].outcomes == {BOB: an_outcome(BOB)}
        assert self.run(lambda store: store.receipts(ROUND)) == (a_signed_receipt("first"),)

    def test_an_entry_that_was_not_scored_ends_without_a_receipt(self) -> None:
        outcome = an_outcome(BOB, verdict=Verdict.FAILED, reason=Reason.TIMEOUT, detail="60 s")

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_entry(ROUND, outcome, None)

        self.run(steps)
        assert self.load().open_rounds[ROUND].outcomes == {BOB: outcome}
        assert self.run(lambda store: store.receipts(ROUND)) == ()

    def test_receipts_come_in_the_order_they_were_written(self) -> None:
        receipts = tuple(a_signed_receipt(text) for text in ("b", "a"))

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_entry(ROUND, an_outcome(BOB), receipts[0])
            await store.finish_entry(ROUND, an_outcome(ALICE), receipts[1])
            await store.finish_round(a_round_result(ROUND))

        self.run(steps)
        assert self.run(lambda store: store.receipts(ROUND)) == receipts
        assert self.run(lambda store: store.receipts(a_round_key(1, 1080))) == ()

    @pytest.mark.parametrize("finished", [False, True])
    def test_losses_of_a_round_that_is_not_open_are_a_mistake_of_the_caller(
        self, finished: bool
    ) -> None:
        async def steps(store: StateStore) -> None:
            if finished:
                await store.open_round(PLAN)
                await store.finish_round(a_round_result(ROUND))
            with pytest.raises(ValueError, match="720"):
                await store.append(ROUND, ALICE, losses())
            with pytest.raises(ValueError, match="720"):
                await store.finish_entry(ROUND, an_outcome(ALICE), None)

        self.run(steps)


class FinishedRoundsContract(StateStoreHarness):
    """Finished rounds, and their losses, which are kept longer."""

    def test_a_finished_round_is_remembered_and_no_longer_open(self) -> None:
        result = a_round_result(ROUND, champion=BOB)

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.finish_round(result)

        self.run(steps)
        assert self.load() == ValidatorState(rounds={CompetitionId(1): (result,)})

    def test_finished_rounds_come_by_competition_in_the_order_of_their_blocks(self) -> None:
        keys = [a_round_key(*k) for k in ((1, 1080), (2, 720), (1, 720), (1, 360))]

        async def steps(store: StateStore) -> None:
            for key in keys:
                await store.finish_round(a_round_result(key))

        self.run(steps)
        rounds = self.load().rounds
        assert [r.key.sync_block for r in rounds[CompetitionId(1)]] == [360, 720, 1080]
        assert [r.key.sync_block for r in rounds[CompetitionId(2)]] == [720]

    def test_a_round_that_was_never_opened_can_be_recorded_as_skipped(self) -> None:
        result = a_round_result(ROUND, champion=ALICE, skipped=Reason.DATA_UNAVAILABLE)
        self.run(lambda store: store.finish_round(result))
        assert self.load().rounds == {CompetitionId(1): (result,)}

    def test_the_submissions_a_round_changed_are_saved_with_it(self) -> None:
        retired = a_submission(a_commitment("bob", 200), retired=True)
        self.run(lambda store: store.finish_round(a_round_result(ROUND), [retired]))
        assert self.load().submissions == {BOB: retired}

    def test_finishing_a_round_again_changes_nothing(self) -> None:
        first = a_submission(a_commitment("alice", 100))

        async def steps(store: StateStore) -> None:
            await store.finish_round(a_round_result(ROUND, champion=ALICE), [first])
            await store.finish_round(
                a_round_result(ROUND, champion=BOB), [replace(first, retired=True)]
            )

        self.run(steps)
        state = self.load()
        assert state.rounds == {CompetitionId(1): (a_round_result(ROUND, champion=ALICE),)}
        assert state.submissions == {ALICE: first}

    def test_a_finished_round_is_not_opened_again(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.finish_round(a_round_result(ROUND))
            await store.open_round(PLAN)

        self.run(steps)
        assert self.load().open_rounds == {}

    def test_losses_outlive_their_round(self) -> None:
        later = a_round_key(1, 1080)

        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses(1.0))
            await store.append(ROUND, ALICE, losses(2.0, first=1))
            await store.append(ROUND, BOB, losses(3.0))
            await store.finish_round(a_round_result(ROUND))
            await store.open_round(a_round_plan(later, entries=(ALICE,)))
            await store.append(later, ALICE, losses(4.0))

        self.run(steps)
        stranger = an_entry_key("carol", 300)
        found = self.run(lambda store: store.losses(CompetitionId(1), [ALICE, stranger]))
        assert found == {
            ALICE: {
                Block(720): (losses(1.0), losses(2.0, first=1)),
                Block(1080): (losses(4.0),),
            },
            stranger: {},
        }
        assert list(found[ALICE]) == [720, 1080]

    def test_losses_are_read_from_a_round_on(self) -> None:
        later = a_round_key(1, 1080)

        async def steps(store: StateStore) -> list[list[Block]]:
            for plan in (PLAN, a_round_plan(later, entries=(ALICE,))):
                await store.open_round(plan)
                await store.append(plan.key, ALICE, losses(1.0))
            return [
                list((await store.losses(CompetitionId(1), [ALICE], since=Block(since)))[ALICE])
                for since in (720, 721, 1081)
            ]

        assert self.run(steps) == [[720, 1080], [1080], []]

    def test_losses_of_another_competition_stay_there(self) -> None:
        async def steps(store: StateStore) -> None:
            await store.open_round(PLAN)
            await store.append(ROUND, ALICE, losses())

        self.run(steps)
        found = self.run(lambda store: store.losses(CompetitionId(2), [ALICE]))
        assert found == {ALICE: {}}
        assert self.run(lambda store: store.losses(CompetitionId(1), [])) == {}


def _bits(block: BlockLosses) -> bytes:
    return struct.pack(f"<{len(block.losses)}d", *block.losses)
