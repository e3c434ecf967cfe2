"""Contract tests for trackers of runs and for ledgers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from sn37.domain.ids import Block, CompetitionId, Hotkey, RoundKey, Uid
from sn37.ports.run_tracker import LedgerRun, RunPart, RunRow, TrackedRun

if TYPE_CHECKING:
    from sn37.ports.run_tracker import RunLedger, RunTracker


def a_run(run_id: str = "0a1b2c3d", uid: int | None = 5) -> TrackedRun:
    return TrackedRun(
        id=run_id,
        name=f"validator-{uid}-2026-01-02_03-04-05",
        started="2026-01-02_03-04-05",
        uid=None if uid is None else Uid(uid),
        hotkey=Hotkey("5Validator"),
        version="1.2.3",
    )


def a_row(place: int) -> RunRow:
    """A row with every kind of value that rounds have."""
    return {
        "_timestamp": 1_700_000_000.5 + place,
        "block": 720 + place,
        "uid_data": {"5": 0.25 + place, "17": 1.5},
        "competition_1/block": 720 + place,
        "competition_1/score": {"5Miner": 0.25 + place},
        "round_json": '{"name": "é \\" \\n", "entries": []}',
    }


class RunTrackerContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def tracker(self) -> RunTracker:
        """Return a tracker that works. Several of one test share their runs."""

    @abstractmethod
    def rows(self, run_id: str) -> Sequence[RunRow]:
        """Return the rows that the tracker holds, without columns of its own."""

    async def test_rows_arrive_once_and_in_order(self) -> None:
        assert await self.tracker().deliver(a_run(), 3, a_row) == 3
        assert await self.tracker().deliver(a_run(), 3, a_row) == 0
        assert list(self.rows(a_run().id)) == [a_row(n) for n in range(3)]

    async def test_a_run_grows_and_keeps_what_it_has(self) -> None:
        await self.tracker().deliver(a_run(), 1, a_row)
        assert await self.tracker().deliver(a_run(), 3, a_row) > 0
        assert await self.tracker().deliver(a_run(), 3, a_row) == 0
        assert list(self.rows(a_run().id)) == [a_row(n) for n in range(3)]

    async def test_runs_do_not_mix(self) -> None:
        await self.tracker().deliver(a_run(), 1, a_row)
        await self.tracker().deliver(a_run("4e5f6a7b", None), 2, lambda n: a_row(10 + n))
        assert list(self.rows(a_run().id)) == [a_row(0)]
        assert list(self.rows("4e5f6a7b")) == [a_row(10), a_row(11)]


def a_part(number: int, competition: int = 1, *, is_later: bool = False) -> RunPart:
    key = RoundKey(CompetitionId(competition), Block(360 * number))
    return RunPart(round=key, is_later=is_later)


class RunLedgerContract(ABC):
    """Subclass it in the adapter's tests, in a class whose name starts with ``Test``."""

    @abstractmethod
    def ledger(self) -> RunLedger:
        """Open the ledger; in one test always the same."""

    def test_a_new_ledger_is_empty(self) -> None:
        assert self.ledger().runs() == ()

    @pytest.mark.parametrize("is_opened_again", [True, False])
    def test_everything_is_found_again(self, is_opened_again: bool) -> None:
        ledger = self.ledger()
        ledger.begin(a_run("aa"))
        ledger.add([a_part(1), a_part(1, 2)])
        ledger.begin(a_run("bb", None))
        ledger.complete("aa")
        ledger.add([a_part(2), a_part(1, is_later=True)])
        found = (self.ledger() if is_opened_again else ledger).runs()
        assert found == (
            LedgerRun(run=a_run("aa"), parts=(a_part(1), a_part(1, 2)), is_complete=True),
            LedgerRun(run=a_run("bb", None), parts=(a_part(2), a_part(1, is_later=True))),
        )
