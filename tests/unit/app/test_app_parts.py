"""The pieces of the validator that a whole round does not exercise."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sn37.app.actors.round_limit import is_reached
from sn37.app.actors.submitter import NOBODY_IS_PAID, RETRY_BLOCKS, Submitter
from sn37.app.config.settings import Settings
from sn37.app.rounds.outcomes import changes_after, explain
from sn37.app.rounds.report import report, write_report
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.rounds.weights_due import weights_after
from sn37.app.supervision.heads import Heads, Subscription
from sn37.domain.events import Cautioned, Degraded, WarmingUp, WeightsSubmitted
from sn37.domain.ids import Block, BlockRef, CompetitionId, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import History, RoundResult, ValidatorState
from sn37.domain.round.winner import Comparison, Hurdle
from sn37.domain.schedule.schedule import COLD_ROUNDS
from sn37.domain.submission.submission import Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import ChainUnavailable, WeightsRefused
from sn37.testing.builders import (
    a_block_ref,
    a_commitment,
    a_competition,
    a_neuron,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_entry_key,
    an_outcome,
    some_weights,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeStateStore,
    RecordingSink,
)

ONE, TWO = CompetitionId(1), CompetitionId(2)
TWO_COMPETITIONS = a_schedule(
    a_stage(a_competition(1, reward_share=0.7), a_competition(2, reward_share=0.3))
)


async def take(subscription: Subscription) -> BlockRef:
    return await anext(subscription)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class TestHeads:
    async def test_a_busy_actor_misses_old_heads_and_gets_the_newest(self) -> None:
        heads = Heads()
        actor = heads.subscribe()
        heads.publish(a_block_ref(1))
        heads.publish(a_block_ref(2))
        assert (await take(actor)).number == 2

    async def test_no_head_is_handed_out_twice(self) -> None:
        heads = Heads()
        actor = heads.subscribe()
        heads.publish(a_block_ref(1))
        await take(actor)
        waiting = asyncio.create_task(take(actor))
        await turns()
        assert not waiting.done()
        heads.publish(a_block_ref(2))
        assert (await waiting).number == 2

    async def test_all_are_idle_only_when_every_actor_waits_for_a_newer_head(self) -> None:
        heads = Heads()
        quick, slow = heads.subscribe(), heads.subscribe()
        heads.publish(a_block_ref(1))
        await take(quick)
        await take(slow)
        waiting = [asyncio.create_task(take(quick))]
        idle = asyncio.create_task(heads.all_idle())
        await turns()
        assert not idle.done(), "the slow actor still works on the head it took"
        waiting.append(asyncio.create_task(take(slow)))
        await idle
        heads.publish(a_block_ref(2))
        assert not await is_idle(heads), "nobody has dealt with the new head yet"
        await asyncio.gather(*waiting)

    async def test_an_actor_that_never_waited_is_busy(self) -> None:
        heads = Heads()
        heads.subscribe()
        heads.publish(a_block_ref(1))
        assert not await is_idle(heads)


async def is_idle(heads: Heads) -> bool:
    task = asyncio.create_task(heads.all_idle())
    await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    return done


class TestWeights:
    def test_none_are_set_while_a_competition_warms_up(self) -> None:
        state = ValidatorState(rounds={ONE: (a_result(1, 360, "alice"),)})
        assert weights_after(state, TWO_COMPETITIONS, Block(400)) is None

    def test_each_winner_gets_the_share_of_its_competition(self) -> None:
        weights = weights_after(finished(360), TWO_COMPETITIONS, Block(400))
        assert weights is not None
        assert weights.shares == pytest.approx({"alice": 0.7, "bob": 0.3})

    def test_a_competition_whose_rows_are_withheld_gives_its_share_to_the_others(self) -> None:
        state = withheld(TWO, then=ONE)
        weights = weights_after(state, TWO_COMPETITIONS, Block(360 * 25))
        assert weights is not None
        assert weights.shares == {"alice": 1.0}
        burning = replace(TWO_COMPETITIONS, burn=Hotkey("burn"))
        weights = weights_after(state, burning, Block(360 * 25))
        assert weights is not None
        assert weights.shares == pytest.approx({"alice": 0.7, "burn": 0.3})

    def test_a_competition_that_never_had_rows_does_not_hold_up_the_others(self) -> None:
        won = [a_result(1, 360 * n, "alice") for n in range(1, 26)]
        missing = [
            a_round_result(a_round_key(2, 360 * n), skipped=Reason.DATA_UNAVAILABLE)
            for n in range(1, 26)
        ]
        block = Block(360 * 25 + 10)
        for num_missing in (0, COLD_ROUNDS - 1, 25):
            state = ValidatorState(rounds={ONE: tuple(won), TWO: tuple(missing[:num_missing])})
            weights = weights_after(state, TWO_COMPETITIONS, block)
            assert weights is not None
            assert weights.shares == {"alice": 1.0}
        alone = ValidatorState(rounds={TWO: tuple(missing)})
        assert weights_after(alone, TWO_COMPETITIONS, block) is None

    @pytest.mark.parametrize("why", [Reason.DEVICE, Reason.OVERRUN, Reason.ABSENT])
    def test_a_competition_that_warms_up_for_a_window_gives_its_share_away(
        self, why: Reason
    ) -> None:
        """Few rounds of it are judged, and too few have a record to know that by."""
        burning = replace(TWO_COMPETITIONS, burn=Hotkey("burn"))
        won = [a_result(1, 360 * n, "alice") for n in range(1, 26)]
        few = [a_result(2, 360 * n, "bob") for n in range(19, 26)]
        gone = [a_round_result(a_round_key(2, 360 * n), skipped=why) for n in range(8, 19)]
        state = ValidatorState(rounds={ONE: tuple(won), TWO: (*gone, *few)})
        eight = replace(burning, warmup_rounds=8)
        weights = weights_after(state, eight, Block(360 * 25 + 10))
        assert weights is not None
        assert weights.shares == pytest.approx({"alice": 0.7, "burn": 0.3})
        young = ValidatorState(rounds={ONE: tuple(won[-19:]), TWO: state.rounds[TWO]})
        assert weights_after(young, eight, Block(360 * 25 + 10)) is None

    def test_a_competition_that_begins_holds_the_weights_up_for_a_window_at_most(self) -> None:
        late = replace(TWO_COMPETITIONS.stages[0], from_block=Block(360 * 30))
        early = replace(
            late,
            from_block=TWO_COMPETITIONS.stages[0].from_block,
            competitions=(replace(late.competitions[0], reward_share=1.0),),
        )
        schedule = replace(TWO_COMPETITIONS, stages=(early, late))
        state = ValidatorState(
            rounds={ONE: tuple(a_result(1, 360 * n, "alice") for n in range(1, 60))}
        )
        assert weights_after(state, schedule, Block(360 * 31)) is None
        assert weights_after(state, schedule, Block(360 * 55)) is not None

    def test_a_competition_that_is_seldom_judged_gives_part_of_its_share_away(self) -> None:
        state = withheld(TWO, then=ONE)
        again = a_result(2, 360 * 26, "bob")
        both = {ONE: (*state.rounds[ONE], a_result(1, 360 * 26, "alice"))}
        state = replace(state, rounds={**both, TWO: (*state.rounds[TWO], again)})
        burning = replace(TWO_COMPETITIONS, burn=Hotkey("burn"))
        paid = 2 * 0.1 / (1 - 0.9**24)
        weights = weights_after(state, burning, Block(360 * 26))
        assert weights is not None
        assert weights.shares == pytest.approx(
            {"alice": 0.7, "bob": 0.3 * paid, "burn": 0.3 * (1 - paid)}
        )
        weights = weights_after(state, TWO_COMPETITIONS, Block(360 * 26))
        assert weights is not None
        assert weights.shares[Hotkey("bob")] == pytest.approx(0.3 * paid / (0.7 + 0.3 * paid))

    async def test_where_nobody_can_be_paid_the_weights_before_are_sent_again(self) -> None:
        world = Submission(finished(360))
        await world.at(370)
        (before,) = world.keeper.state.weights
        for competition, rounds in withheld(ONE, TWO).rounds.items():
            for result in rounds[1:]:
                world.store.memory.results[result.key] = result
            assert rounds[0].key.competition == competition
        await world.restart()
        await world.at(360 * 25 + 10, 360 * 25 + 11)
        assert [w.shares for w in world.chain.submitted] == [before.weights.shares] * 2
        assert [e.advice for e in world.sink.of(Cautioned)] == [NOBODY_IS_PAID]
        assert world.sink.of(WarmingUp) == []

    async def test_a_validator_that_never_paid_anybody_sends_nothing(self) -> None:
        world = Submission(withheld(ONE, TWO))
        await world.at(360 * 25 + 10, 360 * 25 + 11)
        assert world.chain.submitted == []
        assert [e.advice for e in world.sink.of(Cautioned)] == [NOBODY_IS_PAID]

    async def test_they_are_sent_once_for_a_sync_block(self) -> None:
        world = Submission(finished(360))
        await world.at(370, 371, 400)
        assert len(world.chain.submitted) == 1
        assert [e.sync_block for e in world.sink.of(WeightsSubmitted)] == [360]

    async def test_a_refusal_is_tried_again_later_with_nothing_lost(self) -> None:
        world = Submission(finished(360))
        world.chain.refusals = [WeightsRefused("too fast", code="rate_limited")]
        await world.at(370, 371, 370 + RETRY_BLOCKS)
        assert [len(world.sink.of(Degraded)), len(world.chain.submitted)] == [1, 1]

    async def test_weights_that_landed_unseen_are_not_sent_again(self) -> None:
        world = Submission(finished(360))
        await world.at(370)
        (record,) = world.keeper.state.weights
        assert record.extrinsic is not None
        sent = replace(record, weights=some_weights({"bob": 1.0}), extrinsic=None)
        world.store.memory.weights[Block(360)] = sent
        await world.restart()
        await world.at(380)
        assert len(world.chain.submitted) == 1
        (found,) = world.keeper.state.weights
        assert world.chain.expected == ["370-1"]
        assert found == replace(sent, extrinsic="370-1")  # what was sent, not what would be now

    async def test_a_restarted_validator_waits_for_the_opening_of_its_newest_weights(self) -> None:
        world = Submission(finished(360))
        await world.at(370)
        await world.restart()
        await world.at(380, 381)
        assert world.chain.expected == ["370-1"]

    async def test_weights_whose_opening_cannot_be_followed_hold_nothing_up(self) -> None:
        world = Submission(finished(360))
        await world.at(370)
        await world.restart()
        world.chain.failures = [ChainUnavailable("state discarded")]
        await world.at(380)
        (caution,) = world.sink.of(Cautioned)
        assert "unknown whether those of block 360 count: state discarded" in caution.advice

    async def test_weights_that_did_not_land_are_sent_after_a_restart(self) -> None:
        world = Submission(finished(360))
        world.chain.refusals = [ChainUnavailable("connection lost")]
        await world.at(370)
        await world.restart()
        await world.at(370 + RETRY_BLOCKS)
        assert len(world.chain.submitted) == 1

    async def test_weights_that_may_still_land_are_not_sent_again(self) -> None:
        world = Submission(finished(360))
        world.chain.refusals = [ChainUnavailable("connection lost")]
        await world.at(370)
        await world.restart()
        await world.at(371, 370 + RETRY_BLOCKS - 1)
        assert world.chain.submitted == []

    async def test_offline_none_are_ever_sent(self) -> None:
        world = Submission(finished(360), offline=True)
        await world.at(370, 371, 400)
        assert (world.chain.submitted, world.keeper.state.weights) == ([], ())

    def test_offline_a_goal_waits_for_no_weights(self) -> None:
        state = finished(360)
        assert not is_reached(state, TWO_COMPETITIONS, rounds=1, block=Block(400))
        assert is_reached(state, TWO_COMPETITIONS, rounds=1, block=Block(400), offline=True)

    def test_a_goal_counts_rounds_that_are_no_longer_held(self) -> None:
        past = History(num_judged=34, num_unrecorded=30)
        state = replace(finished(1080), past={ONE: past})
        held = len(state.rounds[ONE])
        one = a_schedule(a_stage(a_competition(1, reward_share=1.0)))
        reached = [
            is_reached(state, one, rounds=held + n, block=Block(1100), offline=True) for n in (4, 5)
        ]
        assert reached == [True, False]

    async def test_a_version_that_the_subnet_does_not_take_is_said_before_any_are_due(self) -> None:
        world = Submission(ValidatorState())
        world.chain.weights_version = 1_002_003
        await world.at(730)
        assert world.chain.submitted == []
        (degraded,) = world.sink.of(Degraded)
        assert "upgrade sn37 to at least 1.2.3" in degraded.error
        assert degraded.retry_in_s == RETRY_BLOCKS * 12

    async def test_once_the_subnet_takes_the_version_again_weights_are_sent(self) -> None:
        world = Submission(finished(720))
        world.chain.weights_version = 10**9
        await world.at(730, 731)
        assert len(world.sink.of(Degraded)) == 1
        world.chain.weights_version = 0
        await world.at(730 + RETRY_BLOCKS)
        assert len(world.chain.submitted) == 1

    async def test_a_chain_that_does_not_say_what_it_takes_is_asked_again(self) -> None:
        world = Submission(finished(720))
        world.chain.failures = [ChainUnavailable("no endpoint answers")]
        await world.at(730, 731, 730 + RETRY_BLOCKS)
        assert len(world.chain.submitted) == 1
        assert len(world.sink.of(Degraded)) == 1

    async def test_weights_refused_until_a_block_are_tried_again_at_that_block(self) -> None:
        world = Submission(finished(360))
        refusal = WeightsRefused("too fast", code="SettingWeightsTooFast", next_block=Block(440))
        world.chain.refusals = [refusal]
        await world.at(370, 370 + RETRY_BLOCKS, 439)
        assert world.chain.submitted == []
        await world.at(440)
        assert len(world.chain.submitted) == 1
        assert [e.retry_in_s for e in world.sink.of(Degraded)] == [70 * 12]


def a_result(competition: int, sync_block: int, winner: str) -> RoundResult:
    key = a_round_key(competition, sync_block)
    return a_round_result(key, champion=an_entry_key(winner))


def finished(sync_block: int) -> ValidatorState:
    return ValidatorState(
        rounds={
            ONE: (a_result(1, sync_block, "alice"),),
            TWO: (a_result(2, sync_block, "bob"),),
        }
    )


def withheld(*competitions: CompetitionId, then: CompetitionId | None = None) -> ValidatorState:
    """Since the first round these had no rows, for a whole window; the other one was judged."""
    later = {
        c: tuple(
            replace(a_round_result(a_round_key(c, 360 * n)), skipped=Reason.DATA_UNAVAILABLE)
            for n in range(2, 26)
        )
        for c in competitions
    }
    if then is not None:
        later[then] = tuple(a_result(then, 360 * n, "alice") for n in range(2, 26))
    return ValidatorState(
        rounds={c: (*held, *later[c]) for c, held in finished(360).rounds.items()}
    )


class RefusingChain(FakeChain):
    """Answers everything, but what it is told about weights."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[Exception] = []  # raised once each

    async def submit_weights(
        self, weights: WeightVector, *, evaluated_at: Block | None = None
    ) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        return await super().submit_weights(weights, evaluated_at=evaluated_at)


class Submission:
    """A submitter over fakes, fed one head after the other."""

    def __init__(self, state: ValidatorState, *, offline: bool = False) -> None:
        self.offline = offline
        self.store = FakeStateStore()
        for results in state.rounds.values():
            self.store.memory.results.update({r.key: r for r in results})
        self.chain = RefusingChain()
        self.chain.set_members(*(a_neuron(h, uid=u) for u, h in enumerate(("alice", "bob"))))
        members = [a_neuron(h, uid=u) for u, h in enumerate(("alice", "bob", "validator"))]
        self.chain.set_members(*members, since=1)
        self.sink = RecordingSink()
        self.keeper = StateKeeper(self.store)

    async def restart(self) -> None:
        self.keeper = StateKeeper(self.store)

    async def at(self, *blocks: int) -> None:
        await self.keeper.load()
        heads = Heads()
        actor = heads.subscribe()
        submitter = Submitter(
            chain=self.chain,
            keeper=self.keeper,
            heads=actor,
            schedule=TWO_COMPETITIONS,
            sink=self.sink,
            offline=self.offline,
        )
        task = asyncio.create_task(submitter.run())
        for block in blocks:
            self.chain.number = Block(block)
            heads.publish(a_block_ref(block))
            await heads.all_idle()
        task.cancel()


class TestReport:
    def test_standings_and_weights_are_those_after_each_round(self) -> None:
        first = finished(360)
        later = {
            ONE: (*first.rounds[ONE], a_result(1, 720, "carol")),
            TWO: (*first.rounds[TWO], a_result(2, 720, "bob")),
        }
        written = report(ValidatorState(rounds=later), TWO_COMPETITIONS, {Hotkey("alice"): "A"})
        rows = json.loads(json.dumps(written))
        assert [(r["competition"], r["sync_block"]) for r in rows] == [
            (1, 360),
            (2, 360),
            (1, 720),
            (2, 720),
        ]
        assert rows[0]["weights"] == pytest.approx({"alice": 0.7, "bob": 0.3})
        assert set(rows[2]["standings"]) == {"alice", "carol"}

    def test_what_cannot_be_replaced_stays_whole(
        self, tmp_path: Path, mocker: MockerFixture
    ) -> None:
        path = tmp_path / "deep" / "report.json"
        write_report(path, [{"sync_block": 360}])
        mocker.patch.object(Path, "rename", side_effect=OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            write_report(path, [])
        assert json.loads(path.read_text()) == [{"sync_block": 360}]


@pytest.mark.parametrize(
    ("hurdle", "words"),
    [
        (None, "took the crown"),
        (Hurdle.UNPAIRED, "no sample in common"),
        (Hurdle.MARGIN, "1.00% of the 2.00% better"),
        (Hurdle.EVIDENCE, "evidence 9.5 of 13.8"),
        (Hurdle.WAITING, "carol committed earlier"),
        (Hurdle.SUSPECT, "no verdict"),
        (Hurdle.SIGNERS, "cut to the median signer 0.40% better, evidence 1.5 of 6.9"),
        (Hurdle.UNREADABLE, "once its repository can be read"),
        (Hurdle.NON_FINITE, ""),
    ],
)
def test_a_miner_is_told_how_close_a_challenger_came(hurdle: Hurdle | None, words: str) -> None:
    comparison = Comparison(
        challenger=an_entry_key("bob"),
        champion=an_entry_key("alice"),
        num_samples=320,
        ratio=0.99,
        log_e=9.5,
        even_log_e=1.5,
        even_ratio=0.996,
        epsilon=0.02,
        hurdle=hurdle,
        waits_for=an_entry_key("carol") if hurdle is Hurdle.WAITING else None,
    )
    assert words in explain(comparison)


def test_a_miner_is_told_whose_rows_do_not_count_and_what_unclipped_losses_lack() -> None:
    comparison = Comparison(
        challenger=an_entry_key("bob"),
        champion=an_entry_key("alice"),
        num_samples=240,
        ratio=0.9,
        log_e=20.0,
        plain_log_e=2.0,
        epsilon=0.02,
        hurdle=Hurdle.EVIDENCE,
        odd_signers=(Hotkey("friend"),),
        num_set_aside=60,
    )
    told = explain(comparison)
    assert "evidence with its largest losses 2.0 of 6.9" in told
    assert told.endswith("60 rows of friend do not count, on which the two differ oddly")


def test_a_miner_of_a_worse_model_is_told_so_without_a_negative_number() -> None:
    comparison = Comparison(
        challenger=an_entry_key("bob"),
        champion=an_entry_key("alice"),
        num_samples=320,
        ratio=1.2057,
        log_e=-3.0,
        epsilon=0.02,
        hurdle=Hurdle.MARGIN,
        waits_for=None,
    )
    assert explain(comparison) == "20.57% worse than the champion; 2.00% better is needed"


def test_a_beaten_champion_never_returns_even_if_it_was_not_scored_when_it_lost_the_crown() -> None:
    old, new = an_entry_key("old"), an_entry_key("new")
    outcomes = {
        old: an_outcome(old, verdict=Verdict.FAILED, reason=Reason.DEVICE),
        new: an_outcome(new),
    }
    changes = changes_after(a_round_plan(champion=old, entries=(old, new)), outcomes, beaten=(old,))
    left = [changes[key](a_submission(a_commitment(key.hotkey))) for key in (old, new)]
    assert [submission.retired for submission in left] == [True, False]


@pytest.mark.parametrize(("driver", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_device_is_found_without_importing_torch(
    driver: bool, device: str, mocker: MockerFixture
) -> None:
    mocker.patch.object(Path, "exists", return_value=driver)
    assert Settings(network="finney").scorer_device == device
    assert Settings(network="simnet").scorer_device == "cpu"
