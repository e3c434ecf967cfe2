"""The pages of the leaderboard, computed from a record."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.sqlite.stored import RESULT
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.chronicle import Chronicle
from sn37.app.leaderboard.describing import purpose, unit_of
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.comparing import measure
from sn37.domain.round.evidence import weigh
from sn37.domain.round.signers import origins_of
from sn37.domain.round.state import RoundResult, ScoredLater
from sn37.domain.schedule.methods import Method
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import (
    CHAIN_START,
    a_commitment,
    a_competition,
    a_round_key,
    a_round_result,
    a_submission,
    a_task,
    an_entry_result,
    time_of,
)
from sn37.testing.long_history import REIGN_ROUNDS
from tests.support.boards import (
    EACH,
    HOSTILE,
    HOSTILE_ROUND,
    SAMPLES,
    TIMES,
    Recorded,
    crowned,
    sync,
    two_competitions,
    write_hostile,
    write_long,
)

ONE, TWO = CompetitionId(1), CompetitionId(2)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(write_long(tmp_path_factory.mktemp("long") / "state.sqlite"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[SqliteStateStore, Recorded]]:
    """An empty record that a test writes, while the leaderboard reads it."""
    path = tmp_path / "state.sqlite"
    store = SqliteStateStore(path)
    asyncio.run(store.save_submissions([]))
    yield store, Recorded(path, two_competitions())
    asyncio.run(store.close())


# --- the overview -------------------------------------------------------------------------------


def test_the_overview_says_who_leads_since_when_and_by_how_much(long: Recorded) -> None:
    view = long.board().overview()
    first, second = view.competitions
    assert (first.name, first.reward_share, second.name) == ("FIRST", 0.7, "SECOND")
    assert first.champion is not None
    assert first.since is not None
    assert first.advance is not None
    assert first.champion.hotkey == crowned(1)
    assert first.champion.repo == "team1/model-v1"
    assert first.since.block == sync(REIGN_ROUNDS, long.schedule)
    assert first.since.at == time_of(first.since.block)
    assert first.num_rounds_held == EACH - REIGN_ROUNDS
    assert first.advance.gain == pytest.approx(0.012, abs=4 * (first.advance.error or 0))
    assert first.next_round is not None
    assert first.next_round.block == sync(EACH, long.schedule)
    assert first.num_challengers == 3
    assert [s.share for s in view.weights] == [0.5, 0.5]


def test_the_overview_lists_the_newest_rounds_of_all_competitions_first(long: Recorded) -> None:
    rounds = long.board().overview().rounds
    newest = sync(EACH - 1, long.schedule)
    assert [(r.round.block, r.competition) for r in rounds[:2]] == [(newest, 1), (newest, 2)]
    assert len(rounds) == 8


def test_a_record_without_rounds_has_an_overview(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    view = small[1].board().overview()
    assert view.newest is None
    assert view.rounds == ()


# --- a competition ------------------------------------------------------------------------------


def test_a_competition_shows_reigns_standings_field_and_rules(long: Recorded) -> None:
    view = long.board().competition(ONE)
    assert view is not None
    assert [r.champion.hotkey for r in view.reigns] == [crowned(1), crowned(0)]
    assert view.reigns[1].until == view.reigns[0].since
    assert view.reigns[0].predecessor == view.reigns[1].champion
    newest = {s.hotkey: s.share for s in view.standings[-1].shares}
    assert newest[crowned(1)] > newest.get(crowned(0), 0)
    assert sum(newest.values()) == pytest.approx(1)
    assert [line.rank for line in view.field[:5]] == [1, 2, 3, 4, None]
    assert view.field[0].is_champion
    assert view.stages[0].is_current
    assert view.stages[0].tasks[0].num_samples == SAMPLES


def test_the_gain_and_the_evidence_of_a_crown_are_those_of_the_rule(long: Recorded) -> None:
    """The same losses, read and compared without the leaderboard."""
    view = long.board().competition(ONE)
    assert view is not None
    assert view.reigns[0].advance is not None
    new, old = view.reigns[0].champion, view.reigns[1].champion
    keys = [EntryKey(Hotkey(m.hotkey), Block(m.committed.block)) for m in (old, new)]
    rules = long.schedule.competition(ONE, Block(view.reigns[0].since.block))
    assert rules is not None

    async def read() -> float:
        store = SqliteStateStore(long.path)
        stored = await store.losses(ONE, keys)
        signers = await store.signers(ONE)
        await store.close()
        until = view.reigns[0].since.block
        a, b = (
            {s: weigh(blocks, rules) for s, blocks in stored[key].items() if s <= until}
            for key in keys
        )
        origins = {s: origins_of(signers.get(s), rules) for s in a}
        found = measure(a, b, since=keys[1].block, epsilon_end=rules.epsilon.end, origins=origins)
        assert view.reigns[0].advance is not None
        assert view.reigns[0].advance.num_samples == found.sums.num_samples
        assert view.reigns[0].advance.gain == pytest.approx(1 - found.sums.ratio)
        return found.log_e

    assert view.reigns[0].advance.evidence == pytest.approx(asyncio.run(read()))


def test_a_competition_that_does_not_exist_has_no_page(long: Recorded) -> None:
    board = long.board()
    assert board.competition(CompetitionId(9)) is None
    assert board.rounds(CompetitionId(9)) is None


def test_the_pages_of_a_list_of_rounds_have_every_round_once(long: Recorded) -> None:
    board = long.board()
    seen: list[int] = []
    number, num_pages = 1, 1
    while number <= num_pages:
        view = board.rounds(TWO, number)
        assert view is not None
        num_pages = view.page.num_pages
        seen += [line.round.block for line in view.rounds]
        number += 1
    assert seen == [sync(n, long.schedule) for n in reversed(range(EACH))]


@pytest.mark.parametrize("method", Method)
def test_every_method_has_a_purpose_and_a_unit(method: Method) -> None:
    task = a_task(method=method)
    rules = a_competition(tasks=(task,))
    assert re.fullmatch(
        r"The model of at most \S+( \S+)? parameters that best .*\.", purpose(rules)
    )
    assert unit_of(task, rules)


# --- a submission -------------------------------------------------------------------------------


def test_the_evidence_of_a_challenger_grows_with_its_rounds(long: Recorded) -> None:
    board = long.board()
    overview = board.overview()
    champion = overview.competitions[0].champion
    assert champion is not None
    view = board.submission(EntryKey(Hotkey(champion.hotkey), Block(champion.committed.block)))
    assert view is not None
    assert view.evidence is not None
    assert view.stage == "champion"
    assert view.evidence.champion.hotkey == crowned(0)
    counts = [point.num_samples for point in view.evidence.points]
    assert counts == [SAMPLES * n for n in range(1, len(counts) + 1)]
    assert view.evidence.points[-1].round == overview.competitions[0].since


def test_the_timeline_of_a_submission_is_paged_and_has_the_newest_round_first(
    long: Recorded,
) -> None:
    board = long.board()
    found = board.search("miner0/")
    line = next(s for s in found.submissions if s.model.competition == 1)
    key = EntryKey(Hotkey(line.model.hotkey), Block(line.model.committed.block))
    pages = [board.submission(key, number) for number in (1, 2, 3)]
    seen = [r.round.block for view in pages if view is not None for r in view.rounds]
    assert seen == [sync(n, long.schedule) for n in reversed(range(EACH))]
    first = pages[0]
    assert first is not None
    assert first.latest is not None
    assert first.page.num_pages == 3
    assert first.latest.tasks[0].loss is not None


def test_an_unknown_submission_and_an_unknown_miner_have_no_page(long: Recorded) -> None:
    board = long.board()
    assert board.submission(EntryKey(Hotkey("nobody"), Block(1))) is None
    assert board.miner(Hotkey("nobody")) is None


def test_a_queued_submission_knows_its_place_and_its_round(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    schedule = replace(record.schedule, max_new_entries=2)
    waiting = [a_commitment(f"queued-{n}", 200 + n) for n in range(5)]
    key = RoundKey(ONE, schedule.timing.next_sync_block(Block(schedule.timing.genesis + 2_000)))
    rows = tuple(
        an_entry_result(c.key, verdict=Verdict.WAITING, reason=Reason.QUEUED, score=None)
        for c in waiting
    )
    asyncio.run(store.save_submissions([a_submission(c) for c in waiting]))
    asyncio.run(store.finish_round(a_round_result(key, entries=rows)))
    view = replace(record, schedule=schedule).board().submission(waiting[3].key)
    assert view is not None
    assert view.queue is not None
    assert (view.queue.position, view.queue.num_waiting) == (4, 5)
    # Two a round: the fourth comes in the second round from now.
    assert view.queue.round.block == key.sync_block + 2 * schedule.timing.cadence
    assert (view.reason, view.remedy) == ("queued", "nothing to do")


@pytest.mark.parametrize("text", ["%", "_", "MINER0/"])
def test_a_search_is_for_the_text_itself_in_any_case(long: Recorded, text: str) -> None:
    found = long.board().search(text)
    assert all(text.lower() in s.model.repo for s in found.submissions)
    assert bool(found.submissions) == ("/" in text)


def test_a_search_that_finds_too_much_says_so(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    found = [a_submission(a_commitment(f"alice-{n}", 100 + n)) for n in range(60)]
    asyncio.run(store.save_submissions(found))
    view = record.board().search("alice")
    assert (len(view.submissions), view.is_cut) == (50, True)
    assert view.submissions[0].model.hotkey == "alice-59"
    assert not record.board().search("alice-3").is_cut


def test_a_miner_sees_weight_standing_and_crowns(long: Recorded) -> None:
    view = long.board().miner(crowned(1))
    assert view is not None
    assert view.weight == 0.5
    assert dict(view.standings)[1] > 0.5
    assert [r.champion.hotkey for r in view.reigns] == [crowned(1)]


# --- a round ------------------------------------------------------------------------------------


def test_a_round_shows_draws_signers_receipts_and_neighbours(long: Recorded) -> None:
    newest = sync(EACH - 1, long.schedule)
    view = long.board().round(ONE, newest)
    assert view is not None
    assert (view.previous, view.following) == (sync(EACH - 2, long.schedule), None)
    assert sum(line.has_receipt for line in view.entries) == 4
    (draw,) = view.draws
    assert (draw.num_samples, draw.pool_size) == (SAMPLES, 1000)
    assert sum(rows for _, rows in draw.signers) == SAMPLES
    key = next(iter(long.board().receipt_keys(1, newest)))
    assert long.board().receipt(RoundKey(ONE, newest), key) is not None


def test_a_round_that_is_not_recorded_has_no_page(long: Recorded) -> None:
    assert long.board().round(ONE, Block(7)) is None


# --- how it reads -------------------------------------------------------------------------------


@given(limit=st.integers(1, 50))
def test_a_chronicle_is_the_same_in_whatever_steps_it_is_read(long: Recorded, limit: int) -> None:
    whole, stepwise = Chronicle(), Chronicle()
    with SqliteRecordReader(long.path).snapshot() as snapshot:
        while not whole.refresh(snapshot):
            pass
        for _ in range(2 * EACH // limit + 2):
            stepwise.refresh(snapshot, limit=limit)
    for competition in (ONE, TWO):
        assert list(whole.rounds(competition)) == list(stepwise.rounds(competition))
        assert whole.reigns(competition) == stepwise.reigns(competition)
        assert len(whole.rounds(competition)) == EACH


def test_new_rounds_appear_without_a_restart(small: tuple[SqliteStateStore, Recorded]) -> None:
    store, record = small
    board = record.board()
    stamp = board.stamp()
    alice = a_commitment("alice", 100)
    asyncio.run(store.save_submissions([a_submission(alice)]))
    asyncio.run(store.finish_round(a_round_result(a_round_key(1, 2_160), champion=alice.key)))
    assert board.stamp() != stamp
    champion = board.overview().competitions[0].champion
    assert champion is not None
    assert champion.hotkey == "alice"


def test_a_restored_copy_takes_the_place_of_what_was_read(
    small: tuple[SqliteStateStore, Recorded], tmp_path: Path
) -> None:
    store, record = small
    asyncio.run(store.finish_round(a_round_result(a_round_key(1, 2_160))))
    board = record.board()
    rounds = board.rounds(ONE)
    assert rounds is not None
    assert len(rounds.rounds) == 1
    asyncio.run(store.close())
    copy = SqliteStateStore(tmp_path / "copy.sqlite")
    asyncio.run(copy.finish_round(a_round_result(a_round_key(1, 2_520), skipped=Reason.ABSENT)))
    asyncio.run(copy.close())
    (tmp_path / "copy.sqlite").replace(record.path)
    rounds = board.rounds(ONE)
    assert rounds is not None
    assert [line.round.block for line in rounds.rounds] == [2_520]


def test_a_missed_round_that_is_scored_later_is_read_again(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    key, board = a_round_key(1, 2_160), record.board()
    missed = a_round_result(key, skipped=Reason.ABSENT)
    asyncio.run(store.finish_round(missed))
    view = board.round(key.competition, key.sync_block)
    assert view is not None
    assert view.line.status == "missed"
    later = ScoredLater(source=Hotkey("other"), after=Block(2_160), at=Block(2_600))
    rewrite(record.path, key, replace(missed, later=later, entries=(an_entry_result(),)))
    rounds = board.rounds(key.competition)
    assert rounds is not None
    assert [line.status for line in rounds.rounds] == ["scored later"]


def test_a_round_that_is_scored_later_takes_its_place_in_the_timeline(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    key, board, alice = a_round_key(1, 2_160), record.board(), a_commitment("alice", 100)
    row = an_entry_result(alice.key)
    missed = a_round_result(key, skipped=Reason.ABSENT)
    asyncio.run(store.save_submissions([a_submission(alice)]))
    asyncio.run(store.finish_round(missed))
    asyncio.run(store.finish_round(a_round_result(a_round_key(1, 2_520), entries=(row,))))
    board.read_history()
    later = ScoredLater(source=Hotkey("other"), after=Block(2_520), at=Block(2_600))
    rewrite(record.path, key, replace(missed, later=later, entries=(row,)))
    for reader in (board, record.board()):
        view = reader.submission(alice.key)
        assert view is not None
        assert [r.round.block for r in view.rounds] == [2_520, 2_160]


def rewrite(path: Path, key: RoundKey, result: RoundResult) -> None:
    """Write a result as the validator does that has scored a missed round."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(
            "UPDATE round SET result = ? WHERE competition = ? AND sync_block = ?",
            (RESULT.dump(result), key.competition, key.sync_block),
        )


def test_a_page_sees_one_state_while_the_validator_writes(
    small: tuple[SqliteStateStore, Recorded],
) -> None:
    store, record = small
    alice = a_submission(a_commitment("alice", 100))
    with SqliteRecordReader(record.path).snapshot() as snapshot:
        assert snapshot.num_submissions(None) == 0
        asyncio.run(store.save_submissions([alice]))  # it does not wait for the page
        assert snapshot.num_submissions(None) == 0
    with SqliteRecordReader(record.path).snapshot() as snapshot:
        assert snapshot.num_submissions(None) == 1


# --- texts of strangers -------------------------------------------------------------------------


def texts(value: object) -> Iterator[str]:
    """Every text in a view."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from texts(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_texts_of_strangers_are_bounded_and_printable_on_every_page(
    small: tuple[SqliteStateStore, Recorded], text: str
) -> None:
    store, record = small
    key = asyncio.run(write_hostile(store, text))
    board = record.board()
    for view in (
        board.overview(),
        board.competition(ONE),
        board.rounds(ONE),
        board.round(ONE, HOSTILE_ROUND.sync_block),
        board.submission(key),
        board.submissions(None),
        board.search(text),
        board.miner(key.hotkey),
        board.validator(),
    ):
        assert view is not None
        for shown in texts(view):
            assert shown.isprintable(), shown
            assert len(shown) <= 400


# --- times --------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(12, 40)),
        min_size=1,
        max_size=8,
        unique_by=lambda p: p[0],
    ),
    st.lists(st.integers(0, 2 * 10**6), min_size=2, max_size=2),
)
def test_later_blocks_are_later(known: list[tuple[int, int]], blocks: list[int]) -> None:
    ordered = sorted(known)
    at, seconds, before = [], 0, 0
    for block, pace in ordered:
        seconds += (block - before) * pace
        before = block
        at.append((Block(block), CHAIN_START + timedelta(seconds=seconds)))
    times = BlockTimes(at)
    first, second = (times.at(block) for block in sorted(blocks))
    assert first is not None
    assert second is not None
    assert first <= second
    assert [times.at(block) for block, _ in at] == [time for _, time in at]


def test_without_a_known_block_there_are_no_times() -> None:
    assert BlockTimes().at(5) is None
    assert BlockTimes().newest is None


def test_a_block_beyond_the_calendar_has_no_time() -> None:
    assert TIMES.at(10**15) is None
