"""One sample may cost, never convict."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.batches import SampleBlock, interleave
from sn37.domain.ids import TaskName
from sn37.domain.round.evidence import is_finite, weigh
from sn37.domain.schedule.competition import Competition, TokenizerRef
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.domain.scoring.choices import loss_of_share
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.worst_loss import (
    WORST_BITS_PER_BYTE,
    WORST_GUESS,
    WORST_NATS_PER_TOKEN,
    WORST_SHARE,
    are_too_many,
    bounded,
    loses_too_many,
    num_lost,
    worst_loss,
)
from sn37.testing.builders.competitions import a_competition, a_task

LOST = (math.nan, math.inf, -math.inf, 1e39, -1e39)


def rules(*, prescribed: bool = True, num_samples: int = 300) -> Competition:
    tokenizer = TokenizerRef(repo="a/b", revision="main") if prescribed else None
    return replace(
        a_competition(tasks=(a_task("t", num_samples=num_samples),)), tokenizer=tokenizer
    )


def a_block(*losses: float, first: int = 0) -> BlockLosses:
    block = SampleBlock(TaskName("t"), first, first + len(losses))
    return BlockLosses(block=block, losses=losses, tokens=1, seconds=0.0)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("prescribed", [True, False])
def test_t48_a_loss_that_is_not_finite_becomes_the_worst_of_its_unit(
    lost: float, prescribed: bool
) -> None:
    worst = WORST_NATS_PER_TOKEN if prescribed else WORST_BITS_PER_BYTE
    assert bounded(a_block(1.5, lost), rules(prescribed=prescribed)).losses == (1.5, worst)


@given(loss=st.floats(min_value=0, width=32, allow_nan=False, allow_infinity=False))
def test_t48_nan_costs_more_than_every_finite_loss(loss: float) -> None:
    for prescribed in (True, False):
        finite, lost = bounded(a_block(loss, math.nan), rules(prescribed=prescribed)).losses
        assert finite < lost
        assert array("f", [finite])[0] < array("f", [lost])[0]
        assert finite == loss or loss > 15


def test_t48_the_worst_loss_is_beyond_what_a_model_without_knowledge_has() -> None:
    assert 1.5 * math.log(1 << 20) < WORST_NATS_PER_TOKEN
    assert WORST_BITS_PER_BYTE == 2 * 8
    assert worst_loss(Method.INSTRUCTION_RULES, prescribed=True) == WORST_SHARE > 1
    assert worst_loss(Method.MULTIPLE_CHOICE, prescribed=True) == WORST_GUESS > loss_of_share(0, 2)


@pytest.mark.parametrize("method", Method)
def test_t48_a_method_s_worst_loss_is_that_of_its_unit(method: Method) -> None:
    worst = [worst_loss(method, prescribed=prescribed) for prescribed in (True, False)]
    assert (
        worst
        == {
            LossUnit.TEXT: [WORST_NATS_PER_TOKEN, WORST_BITS_PER_BYTE],
            LossUnit.GUESS: [WORST_GUESS] * 2,
            LossUnit.SHARE: [WORST_SHARE] * 2,
        }[method.traits.unit]
    )


def test_t48_one_lost_sample_in_twenty_convicts_nobody_and_one_more_does() -> None:
    competition = rules(num_samples=40)
    assert not are_too_many(2, 40)
    assert are_too_many(3, 40)
    order = interleave(((TaskName("t"), 40),))
    losses = [1.0] * 40
    losses[3] = losses[39] = math.nan
    blocks = [
        bounded(replace(a_block(*losses[b.first : b.stop]), block=b), competition) for b in order
    ]
    assert num_lost(blocks, competition) == 2
    assert not loses_too_many(blocks, competition)
    assert is_finite(blocks)
    assert max(weigh(blocks, competition)) == WORST_NATS_PER_TOKEN
    worse = (bounded(a_block(math.inf, *losses[1:16]), competition), *blocks[1:])
    assert loses_too_many(worse, competition)


def test_t48_the_share_is_of_the_whole_round_and_once_reached_stays() -> None:
    competition = rules(num_samples=300)
    first = bounded(a_block(*[math.nan] * 15, 1.0), competition)
    assert num_lost([a_block(math.nan, 1.0)], competition) == 1  # as an older version left it
    assert not loses_too_many([first], competition)  # 15 of 300, all of them in the first block
    second = bounded(a_block(math.nan, *[1.0] * 15, first=16), competition)
    third = bounded(a_block(*[1.0] * 16, first=32), competition)
    for done in ([first, second], [first, second, third]):
        assert loses_too_many(done, competition)
