"""A leaderboard of another machine, whose server is not trusted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from sn37.app.leaderboard.board import MAX_COMPETITIONS, MAX_REIGNS, all_reigns, competitions
from sn37.app.leaderboard.page_reader import explained
from sn37.app.leaderboard.remote import MAX_TEXT, RemoteLeaderboard
from sn37.app.leaderboard.views import CompetitionView, Overview
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.ports.errors import LeaderboardRefused
from tests.support.boards import Recorded, crowned, write_long

if TYPE_CHECKING:
    from pathlib import Path

    from sn37.ports.leaderboard_documents import LeaderboardDocuments

EMPTY = Overview(
    network="test", newest=None, competitions=(), rounds=(), weights=(), weights_sent=None
)


@dataclass
class FakeDocuments:
    """Documents by their path."""

    held: dict[str, bytes] = field(default_factory=dict)
    name: str = "http://example.org"

    def document(self, path: str, **query: str | int) -> bytes | None:
        return self.held.get(path)


if TYPE_CHECKING:
    _documents: LeaderboardDocuments = FakeDocuments()


def changed(**fields: Any) -> RemoteLeaderboard:
    """Return a leaderboard whose overview has other values in these fields."""
    text = json.dumps({**asdict(EMPTY), **fields})
    return RemoteLeaderboard(FakeDocuments({"/overview": text.encode()}))


def dumped(view: object) -> bytes:
    return json.dumps(asdict(view), default=lambda at: at.isoformat()).encode()  # type: ignore[call-overload]


async def test_each_page_is_read_with_the_values_that_its_server_has(tmp_path: Path) -> None:
    record: Recorded = await write_long(tmp_path / "state.sqlite")
    board, one = record.board(), CompetitionId(1)
    found = board.competition(one)
    assert found is not None
    champion = found.reigns[0].champion
    key = EntryKey(Hotkey(champion.hotkey), Block(champion.committed.block))
    miner = board.miner(crowned(1))
    submission = board.submission(key)
    sync = found.rounds[0].round.block
    documents = {
        "/overview": board.overview(),
        "/competitions/1": found,
        "/competitions/1/rounds": board.rounds(one),
        f"/competitions/1/rounds/{sync}": board.round(one, Block(sync)),
        "/submissions": board.submissions(None),
        f"/submissions/{key.hotkey}/{key.block}": submission,
        f"/miners/{crowned(1)}": miner,
        "/validator": board.validator(),
    }
    remote = RemoteLeaderboard(FakeDocuments({p: dumped(v) for p, v in documents.items()}))
    assert remote.overview() == board.overview()
    assert remote.competition(one) == found
    assert remote.rounds(one) == board.rounds(one)
    assert remote.round(one, Block(sync)) == board.round(one, Block(sync))
    assert remote.submissions(None) == board.submissions(None)
    assert remote.submission(key) == submission
    assert remote.miner(crowned(1)) == miner
    assert remote.validator() == board.validator()


def test_what_a_server_does_not_have_is_none_or_refused() -> None:
    remote = RemoteLeaderboard(FakeDocuments())
    assert remote.competition(CompetitionId(1)) is None
    assert remote.miner(Hotkey("5F")) is None
    with pytest.raises(LeaderboardRefused, match="it has no /api/v1/overview"):
        remote.overview()


def test_a_newer_server_may_have_more_fields() -> None:
    assert changed(later="x").overview() == EMPTY


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"network": 3}, "network: expected text"),
        ({"rounds": {}}, "rounds: expected a list"),
        ({"weights": [{"hotkey": "a", "share": "inf"}]}, "weights.0.share: expected a number"),
        ({"newest": {"block": 10**30, "at": None}}, "a number beyond 64 bits"),
        ({"newest": {"block": 1, "at": "soon"}}, "newest.at: expected a time"),
    ],
)
def test_a_document_of_another_shape_is_refused_in_one_line(
    fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(LeaderboardRefused) as raised:
        changed(**fields).overview()
    assert why in str(raised.value)
    assert "http://example.org/api/v1/overview" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"[1e999]", b"NaN", b"9" * 5_000, b"null"],
)
def test_what_is_not_a_document_is_refused_in_one_line(content: bytes) -> None:
    remote = RemoteLeaderboard(FakeDocuments({"/overview": content}))
    with pytest.raises(LeaderboardRefused, match="not a document of a leaderboard") as raised:
        remote.overview()
    assert len(str(raised.value)) < 300


def test_texts_of_the_server_are_printable_and_bounded() -> None:
    text = "two\nlines \x1b[31m \u202e" + "x" * 10_000
    found = changed(network=text).overview().network
    assert found.isprintable()
    assert found.startswith("two lines")
    assert len(found) == MAX_TEXT


async def test_a_document_of_another_hotkey_submission_or_competition_is_refused(
    tmp_path: Path,
) -> None:
    board = (await write_long(tmp_path / "state.sqlite")).board()
    found = board.competition(CompetitionId(1))
    assert found is not None
    champion = found.reigns[0].champion
    key = EntryKey(Hotkey(champion.hotkey), Block(champion.committed.block))
    other = EntryKey(key.hotkey, Block(key.block + 1))
    remote = RemoteLeaderboard(
        FakeDocuments(
            {
                "/competitions/2": dumped(found),
                f"/submissions/{other.hotkey}/{other.block}": dumped(board.submission(key)),
                "/miners/5F": dumped(board.miner(crowned(1))),
            }
        )
    )
    with pytest.raises(LeaderboardRefused, match="/competitions/2: the document is of something"):
        remote.competition(CompetitionId(2))
    with pytest.raises(LeaderboardRefused, match="the document is of something else"):
        remote.submission(other)
    with pytest.raises(LeaderboardRefused, match="the document is of something else"):
        remote.miner(Hotkey("5F"))


@pytest.mark.parametrize("reason", [*list(Reason)[:3], "", "of_a_newer_version"])
async def test_advice_is_ours_and_not_the_servers(tmp_path: Path, reason: str) -> None:
    board = (await write_long(tmp_path / "state.sqlite")).board()
    found = board.competition(CompetitionId(1))
    assert found is not None
    champion = found.reigns[0].champion
    key = EntryKey(Hotkey(champion.hotkey), Block(champion.committed.block))
    view = board.submission(key)
    assert view is not None
    trap = "send your coldkey's words to https://evil"
    sent = replace(view, reason=reason, meaning=trap, remedy=trap)
    remote = RemoteLeaderboard(
        FakeDocuments({f"/submissions/{key.hotkey}/{key.block}": dumped(sent)})
    )
    shown = remote.submission(key)
    assert shown is not None
    known = next((r for r in Reason if r.value == reason), None)
    assert (shown.meaning, shown.remedy) == explained(known)[1:]


@dataclass
class Endless:
    """A leaderboard that has ever more competitions and reigns."""

    first: CompetitionView
    cards: Overview
    num_asked: int = 0

    def overview(self) -> Overview:
        return self.cards

    def competition(
        self, competition: CompetitionId, reigns_page: int = 1
    ) -> CompetitionView | None:
        self.num_asked += 1
        page = replace(self.first.reigns_page, number=reigns_page, num_pages=10**9)
        return replace(self.first, reigns_page=page)


async def test_an_endless_leaderboard_is_read_up_to_a_bound(tmp_path: Path) -> None:
    board = (await write_long(tmp_path / "state.sqlite")).board()
    found = board.competition(CompetitionId(1))
    assert found is not None
    crowded = replace(found, reigns=found.reigns[:1] * (MAX_REIGNS // 2))
    cards = replace(board.overview(), competitions=(found.card,) * 1_000)
    endless = Endless(crowded, cards)
    assert len(list(competitions(endless))) == endless.num_asked == MAX_COMPETITIONS
    first = endless.competition(CompetitionId(1))
    assert first is not None
    endless.num_asked = 0
    assert len(all_reigns(endless, first)) == MAX_REIGNS
    assert endless.num_asked == 1
