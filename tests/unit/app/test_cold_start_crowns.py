"""The receipts that a crown rests on are scored again by everybody who begins with them."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sn37.domain.ids import Hotkey
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import ColdStart
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import ONE
from tests.support.late_starts import History, played
from tests.support.published_rounds import (
    NEW,
    Subnet,
    cautions,
    crowns,
    export,
    sign_all_again,
)

Json = Any  # what json.loads returns
NUM_ROWS = 12_000  # of the source, for so many rounds
NUM_ROUNDS = 24  # far more receipts than the random share takes


@cache
def long_history() -> History:
    return played(Subnet(), rounds=NUM_ROUNDS, num_rows=NUM_ROWS)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return export(long_history().memory, tmp_path / "old")


def coronation(memory: Memory) -> tuple[int, Hotkey, Hotkey]:
    """The last one: its sync block, the new champion and the one before."""
    blocks = sorted(key for key, result in memory.results.items() if result.skipped is None)
    champions = [memory.results[b].champion for b in blocks]
    last = max(i for i in range(1, len(champions)) if champions[i] != champions[i - 1])
    new, old = champions[last], champions[last - 1]
    assert new is not None
    assert old is not None
    return blocks[last].sync_block, new.hotkey, old.hotkey


def shave(folder: Path, share: float, *, hotkey: Hotkey, sync_block: int) -> None:
    """Lower all losses of one receipt by a share that the derived crowns do not notice.

    Second opinions of it are made to say the same; their own losses are so near that they agree.
    """

    def less(value: float) -> float:
        return float32(value * (1 - share))

    def receipt(document: Json) -> None:
        if (document["hotkey"], document["sync_block"]) == (hotkey, sync_block):
            for task, losses in document["losses"].items():
                document["losses"][task] = [less(x) for x in losses]
            for sample in (document["opinion"] or {"samples": ()})["samples"]:
                sample[2] = less(sample[2])

    def statement(document: Json) -> None:
        for opinion in document["opinions"]:
            if (opinion["key"]["hotkey"], document["key"]["sync_block"]) == (hotkey, sync_block):
                for sample in opinion["samples"]:
                    sample["ours"] = less(sample["ours"])

    sign_all_again(folder, receipt=receipt, statement=statement)


def float32(value: float) -> float:
    (held,) = struct.unpack("f", struct.pack("f", value))
    return float(held)


@pytest.mark.parametrize("whose", ["champion", "dethroned"])
@pytest.mark.parametrize("later", range(4))
def test_t58_one_forged_receipt_at_a_coronation_is_found_at_every_start(
    whose: str, later: int, published: Path
) -> None:
    block, champion, dethroned = coronation(long_history().memory)
    forged = champion if whose == "champion" else dethroned
    shave(published, 0.001, hotkey=forged, sync_block=block)
    # Another newest block draws other receipts at random; these are not left to the draw.
    world = long_history().validator(NEW, published, after=later)
    beginning = world.begin().beginning
    assert beginning is not None
    assert beginning.way is ColdStart.MANIFESTS  # its word is not taken, its samples are
    assert f"round {block}, receipt of {forged}: scored again" in " ".join(cautions(world))


def test_t58_the_champion_s_newest_receipt_is_found_likewise(published: Path) -> None:
    newest = long_history().newest.sync_block
    champion = coronation(long_history().memory)[1]
    shave(published, 0.001, hotkey=champion, sync_block=newest)
    world = long_history().validator(NEW, published)
    beginning = world.begin().beginning
    assert beginning is not None
    assert beginning.way is ColdStart.MANIFESTS  # its word is not taken, its samples are
    assert f"round {newest}, receipt of {champion}: scored again" in " ".join(cautions(world))


def test_an_honest_long_history_is_adopted_and_only_a_part_scored_again(published: Path) -> None:
    world = long_history().validator(NEW, published)
    state = world.begin()
    assert len(crowns(state)) == NUM_ROUNDS
    assert ONE in state.rounds
    receipts: list[SignedReceipt] = [
        r for held in long_history().memory.receipts.values() for r in held
    ]
    assert len(world.scorer.jobs) < len(receipts) / 2
