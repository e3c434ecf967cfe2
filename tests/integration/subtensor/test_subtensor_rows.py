"""From shares to a row of 16-bit weights: nothing is lost in silence."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sn37.adapters.subtensor.weight_row import compose
from sn37.adapters.subtensor.weight_rules import WeightRules
from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid
from sn37.domain.metagraph import Metagraph
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import WeightsRefused
from sn37.testing.builders import a_neuron

MEMBERS = [
    a_neuron(f"m{i}", uid=i, registered_at=100 if i % 4 == 3 else 0, validator_permit=i == 0)
    for i in range(16)
]
ME = MEMBERS[0]
EVALUATED = Block(50)
ELIGIBLE = [n.hotkey for n in MEMBERS if n.registered_at <= EVALUATED]
NAMES = [*(n.hotkey for n in MEMBERS), Hotkey("left"), Hotkey("gone")]


def rules(*, min_weights: int = 1, max_weight: int = 65_535) -> WeightRules:
    return WeightRules(
        netuid=Netuid(37),
        metagraph=Metagraph(at=BlockRef(Block(200), ""), neurons=tuple(MEMBERS)),
        owner=Hotkey("owner"),
        min_weights=min_weights,
        max_weight=max_weight,
        rate_limit_blocks=100,
        commit_reveal=True,
        reveal_period_epochs=1,
        tempo=360,
        min_stake_rao=0,
    )


@st.composite
def vectors(draw: st.DrawFn) -> WeightVector:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    sizes = draw(
        st.lists(
            st.one_of(st.just(0.0), st.floats(1e-7, 1.0)),
            min_size=len(names),
            max_size=len(names),
        ).filter(any)
    )
    total = math.fsum(sizes)
    return WeightVector({n: s / total for n, s in zip(names, sizes, strict=True)})


@given(weights=vectors(), max_weight=st.sampled_from([65_535, 30_000, 8_000]))
def test_everybody_with_a_share_is_in_the_row_or_is_told_why_not(
    weights: WeightVector, max_weight: int
) -> None:
    if not any(weights.shares.get(hotkey, 0) > 0 for hotkey in ELIGIBLE):
        with pytest.raises(WeightsRefused, match="no hotkey with a share"):
            compose(weights, rules(), me=ME, evaluated_at=EVALUATED)
        return
    row = compose(weights, rules(max_weight=max_weight), me=ME, evaluated_at=EVALUATED)
    paid = {MEMBERS[uid].hotkey for uid in row.values}
    assert {h for h, share in weights.shares.items() if share > 0} <= paid | row.withheld.keys()
    assert all(MEMBERS[uid].registered_at <= EVALUATED for uid in row.values)
    assert max(row.values.values()) == 65_535
    assert min(row.values.values()) > 0
    assert math.isclose(math.fsum(row.shares.values()), 1.0)


@given(weights=vectors())
def test_without_a_maximum_the_row_has_the_shares_proportions(weights: WeightVector) -> None:
    assume(any(weights.shares.get(hotkey, 0) > 0 for hotkey in ELIGIBLE))
    row = compose(weights, rules(), me=ME, evaluated_at=EVALUATED)
    largest = max(row.shares.values())
    for uid, value in row.values.items():
        assert abs(value / 65_535 - row.shares[uid] / largest) <= 0.5 / 65_535 + 1e-12


def test_a_row_for_oneself_alone_is_free_of_minimum_and_maximum() -> None:
    alone = WeightVector({ME.hotkey: 1.0})
    row = compose(alone, rules(min_weights=8, max_weight=100), me=ME, evaluated_at=None)
    assert (row.values, row.withheld) == ({ME.uid: 65_535}, {})


def test_too_few_are_refused_and_nobody_is_added() -> None:
    with pytest.raises(
        WeightsRefused, match="at least 3 miners, but only 1 have a share"
    ) as caught:
        compose(WeightVector({NAMES[1]: 1.0}), rules(min_weights=3), me=ME, evaluated_at=None)
    assert caught.value.code == "WeightVecLengthIsLow"
