"""The schedule: which competitions run at a block, and when rounds begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sn37.domain.ids import Block, CompetitionId
from sn37.domain.schedule.schedule import GENESIS, RoundTiming
from sn37.testing.builders import a_competition, a_schedule, a_stage, a_timing

VECTORS: list[dict[str, int]] = json.loads(
    (Path(__file__).parents[2] / "data" / "sync_block.json").read_text()
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["block"])
def test_sync_blocks_are_those_of_the_existing_network(vector: dict[str, int]) -> None:
    timing = RoundTiming(genesis=Block(vector["genesis"]), cadence=vector["cadence"])
    assert timing.sync_block(Block(vector["block"])) == vector["sync"]
    assert timing.next_sync_block(Block(vector["block"])) == vector["next"]


@given(st.integers(0, 10**8), st.integers(0, 10**7))
@settings(max_examples=40)
def test_a_block_lies_in_exactly_one_round(block: int, genesis: int) -> None:
    timing = a_timing(genesis=genesis)
    sync = timing.sync_block(Block(block))
    assert sync <= block < timing.next_sync_block(Block(block))
    assert (sync - genesis) % timing.cadence == 0
    assert timing.sync_block(sync) == sync


def test_rounds_count_from_a_sync_block_of_the_existing_network() -> None:
    assert RoundTiming().sync_block(GENESIS) == GENESIS


@pytest.mark.parametrize(
    ("freeze_lead", "settle", "cadence"), [(0, 75, 360), (75, 75, 360), (50, 360, 360)]
)
def test_a_pool_is_frozen_after_its_rows_have_settled_within_one_round(
    freeze_lead: int, settle: int, cadence: int
) -> None:
    with pytest.raises(ValueError, match="need 0 < freeze_lead < settle < cadence"):
        a_timing(freeze_lead=freeze_lead, settle=settle, cadence=cadence)


@pytest.mark.parametrize("grace", [-1, 310])
def test_waiting_for_files_ends_before_the_next_pool_is_frozen(grace: int) -> None:
    assert a_timing(files_grace=309).files_grace == 309
    with pytest.raises(ValueError, match=f"files_grace {grace} reaches into"):
        a_timing(files_grace=grace)


def test_a_change_takes_effect_at_its_block() -> None:
    old, new = a_competition(1, name="old"), a_competition(1, name="new")
    schedule = a_schedule(a_stage(old, from_block=100), a_stage(new, from_block=200))
    assert schedule.at(Block(99)) == ()
    assert schedule.at(Block(100)) == schedule.at(Block(199)) == (old,)
    assert schedule.at(Block(200)) == (new,)
    assert schedule.competition(CompetitionId(1), Block(199)) == old
    assert schedule.competition(CompetitionId(1), Block(99)) is None
    assert schedule.competition(CompetitionId(2), Block(200)) is None


def test_stages_come_in_the_order_of_their_blocks() -> None:
    with pytest.raises(ValueError, match=r"must grow strictly, not \[200, 100\]"):
        a_schedule(a_stage(from_block=200), a_stage(from_block=100))
    with pytest.raises(ValueError, match="must grow strictly"):
        a_schedule(a_stage(from_block=5), a_stage(from_block=5))


def test_reward_shares_of_a_stage_sum_to_one() -> None:
    with pytest.raises(ValueError, match=r"stage from block 7: reward shares sum to 0\.9, not 1"):
        a_stage(
            a_competition(1, reward_share=0.6), a_competition(2, reward_share=0.3), from_block=7
        )
    tenths = (a_competition(n, reward_share=0.1) for n in range(10))
    assert len(a_stage(*tenths).competitions) == 10


def test_a_stage_has_competitions_with_different_ids() -> None:
    with pytest.raises(ValueError, match="two competitions have the same id"):
        a_stage(a_competition(1, reward_share=0.5), a_competition(1, reward_share=0.5))


def test_nothing_may_be_empty() -> None:
    stage = a_stage()
    with pytest.raises(ValueError, match="no competitions"):
        type(stage)(from_block=Block(0), competitions=())
    schedule = a_schedule()
    with pytest.raises(ValueError, match="no stages"):
        type(schedule)(netuid=schedule.netuid, stages=())
    with pytest.raises(ValueError, match="must be at least 1"):
        a_schedule(max_new_entries=0)
    with pytest.raises(ValueError, match="must be at least 1"):
        a_schedule(warmup_rounds=0)
