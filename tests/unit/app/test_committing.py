"""What a miner is asked before a commitment replaces another."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sn37.app.errors import CommandError
from sn37.app.mining.commitment_note import NotedWriter
from sn37.app.mining.publish import send_commitment
from sn37.app.mining.replacing import given_up_by_replacing
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.submission.commitment import StandingCommitment
from sn37.testing.builders import a_round_key
from sn37.testing.fakes.chain import FakeChain

ALICE = Hotkey("alice")
OLD = StandingCommitment(block=Block(500), data=b"text")
CROWN = ((a_round_key(2, 720), EntryKey(ALICE, Block(500))),)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_first_commitment_loses_nothing() -> None:
    assert given_up_by_replacing(None, hotkey=ALICE, crowns=CROWN) == ()


def test_one_that_holds_no_crown_may_be_replaced() -> None:
    others = ((a_round_key(2, 720), EntryKey(Hotkey("bob"), Block(500))),)
    assert given_up_by_replacing(OLD, hotkey=ALICE, crowns=others, reveal_at=NOON) == ()


def test_a_champion_s_own_commitment_is_warned_of() -> None:
    (line,) = given_up_by_replacing(OLD, hotkey=ALICE, crowns=CROWN)
    assert "block 500 holds the crown of competition 2" in line


def test_hiding_a_champion_behind_a_seal_is_warned_of() -> None:
    _, line = given_up_by_replacing(OLD, hotkey=ALICE, crowns=CROWN, reveal_at=NOON)
    assert "is sealed until 2026-11-22 12:00 UTC" in line


def test_an_opened_seal_stays_readable_behind_a_new_one() -> None:
    opened = StandingCommitment(block=Block(500), data=b"text", was_sealed=True)
    assert len(given_up_by_replacing(opened, hotkey=ALICE, crowns=CROWN, reveal_at=NOON)) == 1


def test_a_seal_that_would_never_open_is_warned_of() -> None:
    sealed = StandingCommitment(block=Block(500), data=None)
    (line,) = given_up_by_replacing(sealed, hotkey=ALICE, crowns=())
    assert "will never open" in line


async def test_only_a_permission_commits(tmp_path: Path) -> None:
    chain = FakeChain()
    first = await chain.commit("first")
    crowns = ((a_round_key(2, 720), EntryKey(ALICE, first.number)),)
    commitments = NotedWriter(chain, chain, tmp_path / "note.json", lambda why, left: None)

    async def send(*, may_replace: bool) -> Block:
        return await send_commitment(
            commitments, "second", hotkey=ALICE, crowns=crowns, may_replace=may_replace
        )

    with pytest.raises(CommandError, match="not committed: the commitment on chain has changed"):
        await send(may_replace=False)
    assert [text for _, text in chain.texts] == ["first"]
    at = await send(may_replace=True)
    assert [text for _, text in chain.texts] == ["first", "second"]
    assert await send(may_replace=False) == at  # it is on chain already
    assert [text for _, text in chain.texts] == ["first", "second"]
