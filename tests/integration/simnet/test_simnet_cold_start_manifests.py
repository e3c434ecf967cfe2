"""Two validators on one simnet; the device of the second is too far from the first's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from sn37.domain.events import Cautioned, WarmingUp
from sn37.domain.round.state import Beginning, ColdStart
from sn37.domain.schedule.schedule import COLD_ROUNDS
from tests.integration.simnet.recorded import audit, publish, signers_of
from tests.integration.simnet.shared_simnet import Miner, SharedSimnet, Validator

EARLY_ROUNDS, LATE_ROUNDS = 12, 2
MINERS = (
    Miner(name="first-1", competition=1, quality=1.0, noise=0.1, block=110),
    Miner(name="better-1", competition=1, quality=0.98, noise=0.5, block=140),
    Miner(name="first-2", competition=2, quality=1.0, noise=0.1, block=120),
    # Better by less than the margin, until that has shrunk.
    Miner(name="better-2", competition=2, quality=0.9896, noise=0.1, block=150),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    early: Validator
    late: Validator
    net: SharedSimnet
    left: tuple[str, ...]  # in the late one's folder, once it had begun


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("shared")
    net = SharedSimnet(root=root, miners=MINERS, validators=("early", "late"))
    net.run(Validator(net, "early", rounds=EARLY_ROUNDS))
    published = root / "published"
    asyncio.run(publish(net, "early", published))
    (root / "late").mkdir()
    (root / "late" / "cold-start.sqlite").write_bytes(b"left by one that was killed")
    rounds = EARLY_ROUNDS + LATE_ROUNDS
    early = Validator(net, "early", rounds=rounds)
    late = Validator(net, "late", rounds=rounds, begin_with=(published,), factor=1.001)
    net.run(early, late)
    left = tuple(sorted(p.name for p in (root / "late").iterdir()))
    return Outcome(early, late, net, left)


def test_it_scores_the_rounds_again_and_agrees_on_every_crown(outcome: Outcome) -> None:
    early, late = outcome.early.state, outcome.late.state
    began = late.beginning
    assert began is not None
    assert began == Beginning(
        way=ColdStart.MANIFESTS,
        block=began.block,
        source=outcome.net.hotkey("early"),
        num_rounds_rescored=2 * EARLY_ROUNDS,
    )
    for competition, rounds in early.rounds.items():
        crowns = [(r.key.sync_block, r.champion) for r in rounds]
        assert len({champion for _, champion in crowns}) == 2, "the crown has passed on"
        assert [(r.key.sync_block, r.champion) for r in late.rounds[competition]] == crowns
    (told,) = (e.advice for e in outcome.late.sink.events if isinstance(e, Cautioned))
    assert "scored again" in told


def test_all_of_it_is_its_own_and_follows(outcome: Outcome) -> None:
    signers = asyncio.run(signers_of(outcome.net, "late"))
    assert len(signers) == 2 * (EARLY_ROUNDS + LATE_ROUNDS)
    assert set(signers.values()) == {outcome.net.hotkey("late")}
    assert asyncio.run(audit(outcome.net, "late")) == ()
    assert not [name for name in outcome.left if name.startswith("cold-start")]


def test_only_what_is_left_of_twenty_rounds_is_waited_for(outcome: Outcome) -> None:
    assert outcome.late.state.weights == ()
    told = [e.rounds_left for e in outcome.late.sink.events if isinstance(e, WarmingUp)]
    left = COLD_ROUNDS - EARLY_ROUNDS
    assert told[0] == {1: left, 2: left}
    assert told[-1] == {1: left - LATE_ROUNDS, 2: left - LATE_ROUNDS}
