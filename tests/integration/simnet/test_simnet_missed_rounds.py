"""Two validators on one simnet, in databases of their own; one of them is away for two rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sn37.adapters.receipts.folder import write_round
from sn37.adapters.signatures import is_signed_by
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.audit.auditor import Auditor
from sn37.app.receipts.export import export_rounds
from sn37.app.rounds.past_evidence import PastEvidence, past_evidence
from sn37.app.schedule.load import load_schedule
from sn37.domain.events import Cautioned, RoundScoredLater
from sn37.domain.ids import CompetitionId, EntryKey
from sn37.domain.round.state import ValidatorState
from sn37.domain.round.winner import KingOfTheHill
from tests.integration.simnet.shared_simnet import Miner, SharedSimnet, Validator

TOGETHER, ALONE, AGAIN = 3, 2, 4  # rounds
MINERS = (
    # The others are better by some percent, which takes some rounds to be told from such noise.
    Miner(name="first-1", competition=1, quality=1.0, noise=0.9, block=110),
    Miner(name="better-1", competition=1, quality=0.945, noise=0.9, block=1_500),
    Miner(name="first-2", competition=2, quality=1.0, noise=1.5, block=120),
    Miner(name="better-2", competition=2, quality=0.957, noise=1.5, block=1_500),
)
LOADED = load_schedule("simnet")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each validator has found in the end."""

    there: Validator
    away: Validator
    net: SharedSimnet


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("missed")
    net = SharedSimnet(root=root, miners=MINERS, validators=("there", "away"))
    net.run(Validator(net, "there", rounds=TOGETHER), Validator(net, "away", rounds=TOGETHER))
    net.run(Validator(net, "there", rounds=TOGETHER + ALONE))
    published = root / "published"
    asyncio.run(publish(root / "there" / "state.sqlite", published))
    there = Validator(net, "there", rounds=TOGETHER + ALONE + AGAIN)
    away = Validator(net, "away", rounds=TOGETHER + AGAIN, begin_with=(published,))
    net.run(there, away)
    return Outcome(there, away, net)


async def publish(state: Path, folder: Path) -> None:
    store = SqliteStateStore(state)
    try:
        await export_rounds(store, folder, write_round)
    finally:
        await store.close()


def newest_crowns(state: ValidatorState) -> Mapping[tuple[int, int], EntryKey | None]:
    """After the rounds that were opened when both had the same evidence."""
    return {
        (c, r.key.sync_block): r.champion
        for c, rounds in state.rounds.items()
        for r in rounds[-AGAIN + 1 :]
    }


def test_it_scores_what_it_missed_in_both_competitions(outcome: Outcome) -> None:
    for rounds in outcome.away.state.rounds.values():
        later = [r for r in rounds if r.later is not None]
        assert len(later) == ALONE, [
            e.advice for e in outcome.away.sink.events if isinstance(e, Cautioned)
        ]
        assert {r.later.source for r in later if r.later} == {outcome.net.hotkey("there")}
    told = [e for e in outcome.away.sink.events if isinstance(e, RoundScoredLater)]
    assert len(told) == 2 * ALONE
    assert not (outcome.net.root / "away" / "missed-round.sqlite").exists()


def test_it_agrees_on_every_crown_afterwards(outcome: Outcome) -> None:
    assert newest_crowns(outcome.away.state) == newest_crowns(outcome.there.state)
    for rounds in outcome.there.state.rounds.values():
        assert len({r.champion for r in rounds}) > 1, "a crown passed on"


async def evidence(
    net: SharedSimnet, name: str, competition: int, entries: tuple[EntryKey, ...]
) -> PastEvidence:
    store = SqliteStateStore(net.root / name / "state.sqlite")
    try:
        return await past_evidence(store, LOADED.schedule, CompetitionId(competition), entries)
    finally:
        await store.close()


@pytest.mark.parametrize("competition", [1, 2])
def test_its_evidence_is_that_of_the_one_that_was_there(outcome: Outcome, competition: int) -> None:
    rounds = outcome.there.state.rounds[CompetitionId(competition)]
    entries = tuple({r.champion for r in rounds if r.champion is not None})
    ours, theirs = (
        asyncio.run(evidence(outcome.net, name, competition, entries)) for name in ("away", "there")
    )
    missed = [r.key.sync_block for r in rounds[TOGETHER : TOGETHER + ALONE]]
    shared = 0
    for entry in entries:
        for block in set(missed) & ours.by_entry[entry].keys():
            assert ours.by_entry[entry][block] == theirs.by_entry[entry][block]
            shared += 1
    assert shared


@pytest.mark.parametrize("name", ["there", "away"])
def test_an_audit_finds_both_histories_sound(outcome: Outcome, name: str) -> None:
    async def audit() -> tuple[object, ...]:
        store = SqliteStateStore(outcome.net.root / name / "state.sqlite")
        auditor = Auditor(
            store=store,
            schedule=LOADED.schedule,
            fingerprint=LOADED.fingerprint,
            rule=KingOfTheHill(),
            verify=is_signed_by,
        )
        try:
            return (await auditor.run()).differences
        finally:
            await store.close()

    assert asyncio.run(audit()) == ()
