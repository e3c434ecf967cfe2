"""Validators on one simnet, each with a state of its own; some start ten rounds late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from sn37.domain.events import Cautioned, WarmingUp
from sn37.domain.ids import EntryKey
from sn37.domain.round.state import ColdStart, ValidatorState
from tests.integration.simnet.recorded import audit, publish, signers_of
from tests.integration.simnet.shared_simnet import Miner, SharedSimnet, Validator

EARLY_ROUNDS, LATE_ROUNDS = 10, 3
FIRST_LATE = 5_400  # sync block of the first round of those who start late
MINERS = (
    # The others are better by two or three percent: that takes some rounds to be told from luck.
    Miner(name="first-1", competition=1, quality=1.0, noise=0.5, block=110),
    Miner(name="better-1", competition=1, quality=0.97, noise=0.5, block=3_700),
    Miner(name="first-2", competition=2, quality=1.0, noise=0.5, block=120),
    Miner(name="better-2", competition=2, quality=0.98, noise=0.5, block=3_700),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each validator has found, and what it told."""

    early: Validator
    late: Validator
    blind: Validator  # started with the late one, with nothing
    net: SharedSimnet


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("shared")
    net = SharedSimnet(root=root, miners=MINERS, validators=("early", "late", "blind"))
    net.run(Validator(net, "early", rounds=EARLY_ROUNDS))
    published = root / "published"
    asyncio.run(publish(net, "early", published))
    rounds = EARLY_ROUNDS + LATE_ROUNDS
    early = Validator(net, "early", rounds=rounds)
    late = Validator(net, "late", rounds=rounds, begin_with=(published,))
    blind = Validator(net, "blind", rounds=LATE_ROUNDS)
    net.run(early, late, blind)
    return Outcome(early, late, blind, net)


def crowns(state: ValidatorState) -> dict[tuple[int, int], EntryKey | None]:
    """By competition and sync block, of the rounds that the late ones were there for."""
    return {
        (c, r.key.sync_block): r.champion
        for c, rounds in state.rounds.items()
        for r in rounds
        if r.key.sync_block >= FIRST_LATE
    }


def test_one_started_ten_rounds_late_agrees_on_every_crown_from_its_first_round_on(
    outcome: Outcome,
) -> None:
    early, late = crowns(outcome.early.state), crowns(outcome.late.state)
    assert late == early
    assert len(late) == 2 * LATE_ROUNDS
    for rounds in outcome.early.state.rounds.values():
        before, after = rounds[EARLY_ROUNDS - 1].champion, rounds[-1].champion
        assert before != after, "the crown passed on when both were there"
    assert outcome.late.state.rounds == outcome.early.state.rounds


def test_it_scored_the_late_rounds_itself_and_set_weights_on_its_own(outcome: Outcome) -> None:
    late = outcome.late.state
    assert late.beginning is not None
    assert late.beginning.way is ColdStart.RECEIPTS
    assert late.beginning.source == outcome.net.hotkey("early")
    newest = max(r.key for held in late.rounds.values() for r in held)
    signers = asyncio.run(signers_of(outcome.net, "late"))
    assert signers == {
        key: outcome.net.hotkey("late" if key[1] >= FIRST_LATE else "early") for key in signers
    }
    assert [w.sync_block for w in late.weights if w.extrinsic][-1] == newest.sync_block
    ours, theirs = late.weights[-1], outcome.early.state.weights[-1]
    assert ours.weights == theirs.weights


def test_one_that_started_with_nothing_does_not_agree_yet_and_keeps_off_the_weights(
    outcome: Outcome,
) -> None:
    early, blind = crowns(outcome.early.state), outcome.blind
    assert crowns(blind.state) != early
    assert blind.state.weights == ()
    told = [e.rounds_left for e in blind.sink.events if isinstance(e, WarmingUp)]
    assert told[0] == {1: 20, 2: 20}
    assert told[-1] == {1: 20 - LATE_ROUNDS, 2: 20 - LATE_ROUNDS}


@pytest.mark.parametrize("name", ["early", "late"])
def test_an_audit_finds_both_histories_sound(outcome: Outcome, name: str) -> None:
    assert asyncio.run(audit(outcome.net, name)) == ()


def test_nobody_was_cautioned_without_cause(outcome: Outcome) -> None:
    assert not [e for e in outcome.late.sink.events if isinstance(e, Cautioned)]
