"""Facts of a round are those that the leaderboard shows: neither computes numbers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.tracking.recorded_rounds import RecordedRounds
from sn37.app.tracking.round_facts import RoundFacts
from sn37.app.tracking.row import row_of
from sn37.domain.ids import Block, EntryKey, Hotkey, Uid
from sn37.domain.round.evidence import LOG_LEVEL
from sn37.ports.run_tracker import RunPart
from sn37.testing.builders import (
    a_round_key,
    a_round_result,
    a_weights_record,
    an_entry_key,
    an_entry_result,
    some_weights,
)
from sn37.testing.long_history import REIGN_ROUNDS
from tests.support.boards import (
    EACH,
    HOSTILE,
    TIMES,
    Recorded,
    crowned,
    sync,
    two_competitions,
    write_hostile,
    write_long,
)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(write_long(tmp_path_factory.mktemp("long") / "state.sqlite"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[SqliteStateStore, Recorded]]:
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    asyncio.run(store.save_submissions([]))
    yield store, Recorded(path, two_competitions())
    asyncio.run(store.close())


def facts_of(record: Recorded, block: int, competition: int = 1) -> RoundFacts:
    uids = {crowned(0): Uid(7), crowned(1): Uid(9)}
    rounds = RecordedRounds(
        SqliteRecordReader(record.path),
        schedule=record.schedule,
        times=lambda: TIMES,
        uids=lambda at: uids if at >= 1_000 else {},
    )
    return rounds.facts(RunPart(round=a_round_key(competition, block)))


def test_a_coronation_has_the_gain_and_evidence_that_the_pages_show(long: Recorded) -> None:
    block = sync(REIGN_ROUNDS, long.schedule)
    facts, board = facts_of(long, block), long.board()
    assert facts.champion is not None
    assert facts.before is not None
    assert (facts.champion.hotkey, facts.before.hotkey) == (crowned(1), crowned(0))
    (entry,) = (e for e in facts.entries if e.key == facts.champion)
    reign = board.competition(a_round_key(1).competition)
    assert reign is not None
    advance = reign.reigns[0].advance
    assert advance is not None
    assert entry.challenge is not None
    assert (entry.challenge.gain, entry.challenge.error, entry.challenge.evidence) == (
        advance.gain,
        advance.error,
        advance.evidence,
    )
    assert entry.challenge.num_samples == advance.num_samples
    assert (entry.uid, facts.needed) == (9, LOG_LEVEL)


def test_entries_scores_and_standings_are_those_of_the_pages(long: Recorded) -> None:
    block = sync(EACH - 1, long.schedule)
    facts, board = facts_of(long, block), long.board()
    competition = a_round_key(1).competition
    shown, page = board.round(competition, block), board.competition(competition)
    assert shown is not None
    assert page is not None
    assert [(e.key.hotkey, e.score, e.verdict, e.reason) for e in facts.entries] == [
        (e.model.hotkey, e.score, e.verdict, e.reason) for e in shown.entries
    ]
    standings = {s.hotkey: s.share for s in page.standings[-1].shares}
    assert {e.key.hotkey: e.standing for e in facts.entries if e.standing} == {
        h: share for h, share in standings.items() if h in {e.key.hotkey for e in facts.entries}
    }
    assert facts.at == TIMES.at(block)


def test_scored_entries_have_times_and_others_none(long: Recorded) -> None:
    facts = facts_of(long, sync(EACH - 1, long.schedule))
    timed = {e.verdict for e in facts.entries if e.timing is not None}
    assert timed == {"scored"}
    assert all(e.timing is not None for e in facts.entries if e.verdict == "scored")


def test_the_best_score_beats_the_others_by_their_margin(long: Recorded) -> None:
    facts = facts_of(long, sync(EACH - 1, long.schedule))
    scored = [w for w in facts.wins if w is not None]
    assert max(scored) == len(scored) - 1
    assert len(scored) == sum(e.score is not None for e in facts.entries)


async def test_weights_are_the_newest_that_were_set_up_to_the_round(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    one, two = an_entry_key("alice"), an_entry_key("bob")
    for block in (720, 1080, 1440):
        rows = (an_entry_result(one), an_entry_result(two))
        await store.finish_round(a_round_result(a_round_key(1, block), champion=one, entries=rows))
    for block, extrinsic in ((1080, "5-1"), (1440, None)):
        weights = some_weights({"alice": 1.0})
        await store.record_weights(a_weights_record(block, weights=weights, extrinsic=extrinsic))
    found = {b: [e.weight for e in facts_of(record, b).entries] for b in (720, 1080, 1440)}
    assert found == {720: [None, None], 1080: [1.0, 0.0], 1440: [1.0, 0.0]}


async def test_a_uid_is_that_of_the_sync_block(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    key = EntryKey(crowned(0), Block(100))
    for block in (720, 1080):
        await store.finish_round(
            a_round_result(a_round_key(1, block), champion=key, entries=(an_entry_result(key),))
        )
    assert [facts_of(record, b).entries[0].uid for b in (720, 1080)] == [None, 7]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_miners_write_is_one_short_printable_line(
    small: tuple[SqliteStateStore, Recorded], text: str
) -> None:
    store, record = small
    await write_hostile(store, text, hotkey="5Hostile")
    facts = facts_of(record, 2_160)
    (entry,) = facts.entries
    assert entry.repo.isprintable()
    assert len(entry.repo) <= 200
    assert len(str(row_of(facts)["round_json"])) < 4_000


async def test_a_round_under_rules_that_are_gone_has_no_margin(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    entry = an_entry_result(EntryKey(Hotkey("5A"), Block(100)))
    await store.finish_round(
        a_round_result(a_round_key(3, 720), champion=entry.key, entries=(entry,))
    )
    facts = facts_of(record, 720, competition=3)
    assert (facts.margin, facts.wins, facts.entries[0].margin) == (None, (None,), None)


def test_a_round_that_a_restored_backup_lacks_keeps_its_place(long: Recorded) -> None:
    facts = facts_of(long, 5)
    assert (facts.status, facts.entries, facts.sync_block) == ("not recorded", (), 5)
    assert row_of(facts)["block"] == 5
