"""The comparison of pairs for pages: what it repeats when a round is added."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.sqlite.record_reader import SqliteRecordReader, SqliteSnapshot
from sn37.app.leaderboard import evidence_growth
from sn37.app.leaderboard.chronicle import Chronicle
from sn37.app.leaderboard.evidence_growth import Growth, GrowthReader, spread
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.round.comparing import measure
from tests.support.boards import write_long

ONE = CompetitionId(1)


@given(st.integers(1, 60), st.integers(1, 12))
def test_points_are_few_and_stay_where_they_are_while_rounds_are_added(
    num_blocks: int, num_points: int
) -> None:
    blocks = [Block(n) for n in range(num_blocks)]
    found, longer = spread(blocks, num_points), spread([*blocks, Block(num_blocks)], num_points)
    assert len(found) <= num_points
    assert found[-1] == blocks[-1]
    assert list(found) == sorted(set(found))
    if num_blocks % num_points:  # else there were too many, and all move
        assert set(found[:-1]) <= set(longer)


def test_a_new_round_of_a_pair_is_one_comparison_and_reads_its_own_losses_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = asyncio.run(write_long(tmp_path / "state.sqlite"))
    compared, read = list[Block](), list[int]()
    losses = SqliteSnapshot.losses

    def measured(*args: object, **given: object) -> object:
        compared.append(Block(0))
        return measure(*args, **given)  # type: ignore[arg-type]

    def counted(snapshot: SqliteSnapshot, row: int, entry: object) -> object:
        read.append(row)
        return losses(snapshot, row, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(evidence_growth, "measure", measured)
    monkeypatch.setattr(SqliteSnapshot, "losses", counted)
    chronicle = Chronicle()
    with SqliteRecordReader(record.path).snapshot() as snapshot:
        while not chronicle.refresh(snapshot):
            pass
        crown = chronicle.reigns(ONE)[-1]
        predecessor = crown.predecessor
        assert predecessor is not None

        def growth(reader: GrowthReader, until: Block) -> Growth | None:
            return reader.growth(
                snapshot,
                chronicle,
                competition=ONE,
                champion=predecessor,
                challenger=crown.champion,
                since=crown.champion.block,
                until=until,
            )

        shared = sorted(chronicle.shared(predecessor, crown.champion))
        *_, before, last = (chronicle.key_of(row).sync_block for row in shared)
        reader = GrowthReader(record.schedule)
        assert growth(reader, before) is not None
        compared.clear()
        read.clear()
        found = growth(reader, last)
        assert len(compared) == 1
        assert read == [shared[-1], shared[-1]]
        assert found == growth(GrowthReader(record.schedule), last)
