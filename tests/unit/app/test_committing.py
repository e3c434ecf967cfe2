"""What a miner is asked before a commitment replaces another."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from sn37.app.mining.commit import commit, losses
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.submission.commitment import StandingCommitment
from sn37.testing.builders import a_round_key
from sn37.testing.fakes.chain import FakeChain

ALICE = Hotkey("alice")
OLD = StandingCommitment(block=Block(500), data=b"text")
CROWN = ((a_round_key(2, 720), EntryKey(ALICE, Block(500))),)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_first_commitment_loses_nothing() -> None:
    assert losses(None, hotkey=ALICE, crowns=CROWN) == ()


def test_one_that_holds_no_crown_may_be_replaced() -> None:
    others = ((a_round_key(2, 720), EntryKey(Hotkey("bob"), Block(500))),)
    assert losses(OLD, hotkey=ALICE, crowns=others, reveal_at=NOON) == ()


def test_a_champion_s_own_commitment_is_warned_of() -> None:
    (line,) = losses(OLD, hotkey=ALICE, crowns=CROWN)
    assert "block 500 holds the crown of competition 2" in line


def test_hiding_a_champion_behind_a_seal_is_warned_of() -> None:
    _, line = losses(OLD, hotkey=ALICE, crowns=CROWN, reveal_at=NOON)
    assert "is sealed until 2026-11-22 12:00 UTC" in line


def test_an_opened_seal_stays_readable_behind_a_new_one() -> None:
    opened = StandingCommitment(block=Block(500), data=b"text", was_sealed=True)
    assert len(losses(opened, hotkey=ALICE, crowns=CROWN, reveal_at=NOON)) == 1


def test_a_seal_that_would_never_open_is_warned_of() -> None:
    sealed = StandingCommitment(block=Block(500), data=None)
    (line,) = losses(sealed, hotkey=ALICE, crowns=())
    assert "will never open" in line


@pytest.mark.parametrize("answer", [False, True])
async def test_only_a_yes_commits(answer: bool) -> None:
    chain = FakeChain()
    first = await chain.commit("first")
    crowns = ((a_round_key(2, 720), EntryKey(ALICE, first.number)),)
    asked: list[Collection[str]] = []

    def confirm(lines: Collection[str]) -> bool:
        asked.append(lines)
        return answer

    at = await commit(chain, "second", hotkey=ALICE, crowns=crowns, confirm=confirm)
    assert (at is not None) is answer
    assert [text for _, text in chain.texts] == ["first", "second"][: 1 + answer]
    assert len(asked) == 1
