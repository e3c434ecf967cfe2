"""The pairwise rule is spelled twice: over whole arrays for simulations, and in the domain."""

from __future__ import annotations

import numpy as np
import pytest

from sn37.app.simulate.challenge import Rule, Sums, one_round_verdicts
from sn37.domain.ids import Block
from sn37.domain.round.comparing import NO_ORIGINS
from sn37.domain.round.pairwise import PairwiseWinRate
from sn37.domain.round.winner import Crown
from sn37.domain.schedule.epsilon import FixedEpsilon
from sn37.testing.contests import contestant

ROUNDS, SAMPLES = 400, 24


@pytest.mark.parametrize("epsilon", [0.0, 0.005, 0.05])
def test_both_spellings_crown_the_same_challengers_in_random_rounds(epsilon: float) -> None:
    random = np.random.default_rng(37)
    champion = random.lognormal(0, 0.4, (ROUNDS, SAMPLES))
    # Gains around the margin; in the first rounds exactly none: a tie crowns nobody.
    gain = champion * random.normal(epsilon, 0.05, (ROUNDS, SAMPLES))
    gain[:10] = 0
    sums = Sums.zero(ROUNDS)
    sums.add(champion, gain)
    simulated = one_round_verdicts(sums, epsilon)[Rule.PAIRWISE]
    decided = [
        PairwiseWinRate()
        .decide(
            crown=Crown(),
            contestants=[
                contestant("champion", {100: theirs.tolist()}, block=1),
                contestant("challenger", {100: (theirs - gains).tolist()}, block=2),
            ],
            at=Block(100),
            epsilon=FixedEpsilon(epsilon),
            origins=NO_ORIGINS,
        )
        .champion
        for theirs, gains in zip(champion, gain, strict=True)
    ]
    crowned = [found is not None and found.hotkey == "challenger" for found in decided]
    assert crowned == simulated.tolist()
    assert 0 < sum(crowned) < ROUNDS - 10
