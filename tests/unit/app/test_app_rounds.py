"""The validator's use cases together, over fakes: what a round does to everything around it."""

from __future__ import annotations

import json

import pytest

from sn37.app.rounds.report import report
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import RoundSatOut
from sn37.domain.ids import CompetitionId
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import (
    ChainUnavailable,
    DatasetUnavailable,
    ModelRejected,
    ScorerUnavailable,
    StoreUnavailable,
)
from sn37.testing.builders import (
    a_commitment,
    a_malformed_commitment,
    a_round_plan,
    an_artifact,
    some_samples,
    time_of,
)
from sn37.testing.fakes import FakeModelStore, FakeStateStore
from tests.support.fake_world import (
    NUM_SAMPLES,
    ONE,
    World,
    last,
    rows,
    rows_by_name,
)


def test_the_better_model_takes_the_crown_and_all_the_weight() -> None:
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("better", 0.9, block=110)
    state = world.run()
    assert last(state).winner == "better"
    assert world.chain.submitted[-1].shares == {"better": 1.0}
    assert rows(last(state)) == {
        "better": (Verdict.SCORED, None),
        "first": (Verdict.SCORED, Reason.RACED_OUT),
    }


def test_t05_a_near_duplicate_is_flagged_in_the_row_and_the_report_and_changes_no_crown() -> None:
    world = World()
    original = world.miner("original", 1.0, block=100)
    copy = world.miner("copy", 0.9999, block=110)
    world.miner("other", 1.2, block=120)
    state = world.run()
    assert last(state).winner == "original"
    found = rows_by_name(last(state))
    assert last(state).near_duplicates == ((copy.key, original.key),)
    assert found["copy"].verdict is Verdict.SCORED
    assert found["copy"].detail.endswith("nearly the model of original, committed at block 100")
    assert state.submissions[copy.key].rejection is None
    (told,) = report(state, world.schedule, {})
    assert isinstance(told, dict)
    entries = told["entries"]
    assert isinstance(entries, list)
    flags = {e["hotkey"]: e["resembles"] for e in entries if isinstance(e, dict)}
    assert flags == {"original": None, "copy": "original", "other": None}


def test_the_next_model_is_read_ahead_while_one_is_scored() -> None:
    world = World()
    for number, name in enumerate(("first", "second", "third")):
        world.miner(name, 1.0, block=100 + number)
    world.run()
    assert [hint.ref.repo for hint in world.scorer.hints] == ["second/model", "third/model"]


def test_a_hopeless_challenger_is_stopped_early_and_never_scored_again() -> None:
    world = World()
    world.miner("first", 1.0, block=100)
    world.miner("worse", 1.5, block=110)
    state = world.run(rounds=2)
    early, later = state.rounds[ONE]
    assert rows(early)["worse"] == (Verdict.SCORED, Reason.RACED_OUT)
    (entry,) = (e for e in early.entries if e.key.hotkey == "worse")
    assert 32 <= entry.num_samples < NUM_SAMPLES
    assert rows(later)["worse"] == (Verdict.REJECTED, Reason.RACED_OUT)
    assert sum(repo == "worse/model" for repo, _ in world.scorer.scored) * 16 == entry.num_samples


def test_each_attacker_gets_its_own_reason_and_no_weight() -> None:
    world = World()
    honest = world.miner("honest", 1.0, block=100)
    world.miner("clone", 1.0, block=120, artifact=an_artifact(a_commitment("clone", 120)))
    twin = a_commitment("twin", 130)
    world.miner(
        "twin",
        1.0,
        commitment=twin,
        artifact=an_artifact(twin, tensor_digest=an_artifact(honest).tensor_digest),
    )
    world.miner("nan", float("nan"), block=140)
    world.miner("early", 0.5, block=1_000)
    copier = a_commitment("copier", 150, model=honest.model)
    world.chain.add(copier, a_malformed_commitment("garbled"))
    pickled = world.miner("pickled", 1.0, block=160)
    world.models.rejections[pickled.model.revision] = Reason.UNSAFE_FILE
    hidden = world.miner("hidden", 0.5, block=170)
    world.models.private.add(hidden.model.repo)
    hanging = world.miner("hanging", 0.5, block=180)
    world.scorer.slow[hanging.model.repo] = 1
    state = world.run()
    seen = rows(last(state))
    assert seen["twin"] == (Verdict.DUPLICATE, Reason.DUPLICATE)
    assert seen["nan"] == (Verdict.FAILED, Reason.NON_FINITE)
    assert seen["early"] == (Verdict.WAITING, Reason.TOO_EARLY)
    assert seen["copier"] == (Verdict.REJECTED, Reason.COPIED_COMMITMENT)
    assert seen["garbled"] == (Verdict.REJECTED, Reason.MALFORMED_COMMITMENT)
    assert seen["pickled"] == (Verdict.REJECTED, Reason.UNSAFE_FILE)
    assert seen["hidden"] == (Verdict.WAITING, Reason.NOT_PUBLIC)
    assert seen["hanging"] == (Verdict.FAILED, Reason.TIMEOUT)
    assert world.chain.submitted[-1].shares == {"honest": 1.0}


def test_a_model_that_fails_is_tried_once_more_and_then_never_again() -> None:
    world = World()
    world.miner("honest", 1.0)
    broken = world.miner("broken", 1.0, block=110)
    world.scorer.faults[broken.model.repo] = ModelRejected("no", reason=Reason.UNLOADABLE)
    state = world.run(rounds=3)
    assert [rows(r)["broken"] for r in state.rounds[ONE]] == [
        (Verdict.FAILED, Reason.UNLOADABLE)
    ] * 3
    assert sum(j.artifact.ref == broken.model for j in world.scorer.jobs) == 2


@pytest.mark.fault("worker", "flapping")
def test_failures_of_ours_are_retried_and_held_against_nobody() -> None:
    world = World()
    world.miner("honest", 1.0)
    world.scorer.failures = [ScorerUnavailable("device lost"), ScorerUnavailable("again")]
    world.models.failures = [StoreUnavailable("hub down")]
    state = world.run()
    assert rows(last(state))["honest"] == (Verdict.SCORED, None)
    (submission,) = state.submissions.values()
    assert submission.failures == 0


@pytest.mark.fault("worker", "down")
def test_a_champion_keeps_the_crown_through_a_round_in_which_the_device_fails() -> None:
    world = World()
    world.miner("honest", 1.0)
    first = world.run(rounds=1)
    world.scorer.failures = [ScorerUnavailable(f"lost {n}") for n in range(3)]
    state = world.run(rounds=2)
    assert rows(last(state))["honest"] == (Verdict.FAILED, Reason.DEVICE)
    assert last(state).champion == last(first).champion


@pytest.mark.fault("data plug-in", "down")
def test_a_source_that_stays_silent_makes_the_validator_sit_the_round_out() -> None:
    world = World()
    world.miner("honest", 1.0)
    world.dataset.failures = [DatasetUnavailable("down") for _ in range(60)]
    state = world.run(rounds=1)
    skipped, scored = state.rounds[ONE]
    assert (skipped.skipped, scored.skipped) == (Reason.DATA_UNAVAILABLE, None)
    assert any(isinstance(e, RoundSatOut) for e in world.sink.events)


@pytest.mark.fault("data plug-in", "flapping")
def test_a_source_that_recovers_before_the_sync_block_costs_no_round() -> None:
    world = World()
    world.miner("honest", 1.0)
    world.dataset.failures = [DatasetUnavailable("down") for _ in range(10)]
    assert [r.skipped for r in world.run().rounds[ONE]] == [None]


@pytest.mark.fault("chain", "down")
def test_an_outage_of_the_chain_is_waited_for() -> None:
    world = World()
    world.miner("honest", 1.0)
    world.chain.failures = [ChainUnavailable("no endpoint") for _ in range(5)]
    assert last(world.run()).winner == "honest"


def test_t42_rows_that_appear_after_the_freeze_are_not_drawn() -> None:
    world = World()
    world.miner("honest", 1.0)
    before = {s.provenance.row_id for s in world.dataset.rows}
    world.run()
    late = some_samples(4_000, since=time_of(1_000), every_s=1)
    world.dataset.rows += [s for s in late if s.provenance.row_id not in before]
    (plan,) = world.store.memory.plans.values()
    drawn = {s.provenance.row_id for d in plan.draws for s in d.batch.samples}
    assert drawn <= before


@pytest.mark.fault("worker", "slow")
def test_the_next_round_is_sat_out_while_one_is_still_being_scored() -> None:
    world = World(stuck_until=1_600)
    world.miner("honest", 1.0)
    state = world.run(rounds=2)
    assert [(r.key.sync_block, r.skipped) for r in state.rounds[ONE]] == [
        (1_080, None),
        (1_440, Reason.OVERRUN),
        (1_800, None),
    ]


@pytest.mark.fault("model hub", "down")
def test_files_that_do_not_arrive_in_time_are_held_against_nobody() -> None:
    world = World(models=_Unreachable())
    world.miner("honest", 1.0)
    world.miner("unreachable", 0.5, block=110)
    state = world.run()
    assert rows(last(state)) == {
        "honest": (Verdict.SCORED, None),
        "unreachable": (Verdict.FAILED, Reason.HUB_UNAVAILABLE),
    }
    assert {s.failures for s in state.submissions.values()} == {0}


def test_t40_a_full_disk_makes_room_by_what_will_not_be_scored_again() -> None:
    world = World()
    world.models.max_models = 3
    world.miner("best", 0.5, block=100)
    for number in range(6):
        world.miner(f"worse-{number}", 3.0, block=101 + 400 * number)
    state = world.run(rounds=5)
    scored = {e.key.hotkey for r in state.rounds[CompetitionId(1)] for e in r.entries}
    assert {"best", "worse-0", "worse-1", "worse-2", "worse-3"} <= scored
    assert "best/model" in {ref.repo for _, ref in world.models.cached}
    assert len(world.models.cached) <= 3


class _Unreachable(FakeModelStore):
    """A host that serves every repository but one."""

    async def fetch(self, commitment: Commitment, constraints: ModelConstraints) -> ModelArtifact:
        if commitment.hotkey == "unreachable":
            raise StoreUnavailable("connection reset")
        return await FakeModelStore.fetch(self, commitment, constraints)


def test_t41_a_model_hidden_for_two_rounds_waits_its_delay_again_and_then_takes_part() -> None:
    world = World()
    world.miner("honest", 1.0)
    hidden = world.miner("hidden", 0.9, block=750)
    world.run(rounds=1)  # fetched while it was too young for a round
    world.models.private.add(hidden.model.repo)
    world.run(rounds=3)
    world.models.private.clear()
    state = world.run(rounds=6)
    assert [(r.key.sync_block, *rows(r)["hidden"]) for r in state.rounds[ONE][1:]] == [
        (1_440, Verdict.WAITING, Reason.NOT_PUBLIC),
        (1_800, Verdict.WAITING, Reason.NOT_PUBLIC),
        (2_160, Verdict.WAITING, Reason.TOO_EARLY),
        (2_520, Verdict.SCORED, None),
        (2_880, Verdict.SCORED, None),
    ]


def test_a_vacant_crown_is_not_inherited_in_a_round_in_which_the_device_failed() -> None:
    world = World()
    champion = world.miner("champion", 1.0)
    world.miner("contender", 0.9901, block=110)  # short of the margin by a hair
    world.run(rounds=1)
    world.models.private.add(champion.model.repo)
    world.run(rounds=3)
    world.scorer.failures = [ScorerUnavailable(f"lost {n}") for n in range(3)]
    state = world.run(rounds=5)
    winners = [r.winner for r in state.rounds[ONE]]
    assert winners == ["champion"] * 3 + [None, "contender"]  # it costs the heir a round


def test_a_contender_sees_all_samples_of_the_round_that_retires_it() -> None:
    world = World()
    world.miner("champion", 1.0)
    world.miner("contender", 0.992, block=110)  # needs more than one round to be hopeless
    first, second = (rows_by_name(r)["contender"] for r in world.run(rounds=2).rounds[ONE])
    assert (first.reason, second.reason) == (None, Reason.RACED_OUT)
    assert second.num_samples == NUM_SAMPLES


@pytest.mark.parametrize(
    ("rounds_before", "num_blocks"), [(0, 0), (0, 7), (0, 19), (1, 0), (1, 11)]
)
def test_a_killed_validator_goes_on_at_the_first_block_that_was_not_journalled(
    rounds_before: int, num_blocks: int
) -> None:
    def world_with_two() -> World:
        world = World()
        world.miner("first", 1.0, block=100)
        world.miner("better", 0.9, block=110)
        return world

    undisturbed = world_with_two().run(rounds=2)
    world = world_with_two()
    if rounds_before:
        world.run(rounds=rounds_before)
    world.scorer.fail_after, world.scorer.failures = num_blocks, [_Killed()]
    with pytest.raises(ExceptionGroup):
        world.run(rounds=2)
    resumed = world.run(rounds=2)
    assert resumed.rounds == undisturbed.rounds
    assert len(world.scorer.scored) == len(set(world.scorer.scored))


class _Killed(Exception):
    """Stands for a crash: nothing handles it."""


def test_a_receipt_names_what_its_losses_were_computed_with_also_after_a_crash() -> None:
    world = World()
    world.miner("first", 1.0)
    key = last(world.run()).key
    memory = world.store.memory
    for recorded in (memory.results, memory.outcomes, memory.receipts):
        del recorded[key]  # killed when every loss was journalled, and nothing else
    scored = len(world.scorer.scored)
    world.run()
    (receipt,) = memory.receipts[key]
    assert json.loads(receipt.document)["environment"] == {"device": "fake"}
    assert len(world.scorer.scored) == scored


async def test_versions_that_change_while_an_entry_is_scored_are_both_told() -> None:
    keeper, plan = StateKeeper(FakeStateStore()), a_round_plan()
    entry = plan.entries[0]
    await keeper.open_round(plan)
    for version in ("2.13.0", "2.13.0", "2.14.0", "2.14.0", "2.14.0"):
        await keeper.record_environment(plan.key, entry, {"torch": version, "device": "cpu"})
    assert keeper.state.open_rounds[plan.key].environments == {
        entry: {"torch": "2.13.0 then 2.14.0", "device": "cpu"}
    }
    await keeper.record_environment(plan.key, entry, {"torch": "2.13.0", "device": "cpu"})
    assert keeper.state.open_rounds[plan.key].environments == {
        entry: {"torch": "2.13.0 then 2.14.0 then 2.13.0", "device": "cpu"}
    }
