"""Runs as validators of subnet 1 log them, with real signatures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sn37.adapters.dataset.wandb_messages import Query, RowFound, RunFound
from sn37.adapters.dataset.wandb_rows import ChooseRuns, TakeRow
from sn37.adapters.simnet.chain.keys import SimnetSigner
from sn37.domain.canonical import JsonValue
from tests.integration.dataset.sn18_runs import MINUTE, WINDOW
from tests.integration.dataset.wandb_server import HostedRun, Row

PROJECT = "macrocosmos/prompting-validators"


class RecordedRuns:
    """Stands for wandb: hands out the rows of signed runs in the order it was given."""

    def __init__(self, runs: Sequence[RunFound], rows: Sequence[RowFound]) -> None:
        self._runs = tuple(runs)
        self._rows = rows

    async def __call__(
        self, query: Query, *, choose: ChooseRuns, take: TakeRow, timeout_s: float
    ) -> Mapping[str, int]:
        chosen = set(choose(self._runs))
        for row in self._rows:
            if row.run in chosen and query.since <= row.written < query.until:
                take(row)
        return {}


def signed(run: str, by: SimnetSigner) -> dict[str, str]:
    """The config of a run."""
    return {"HOTKEY_SS58": by.hotkey, "SIGNATURE": by.sign(run.encode()).hex()}


def a_run(
    run: str,
    by: SimnetSigner,
    rows: Iterable[Row] = (),
    *,
    config: dict[str, JsonValue] | None = None,
    created_at: datetime = WINDOW.since - 100 * MINUTE,
) -> HostedRun:
    return HostedRun(
        id=run,
        config={**signed(run, by)} if config is None else config,
        created_at=created_at,
        heartbeat_at=WINDOW.until + 20 * MINUTE,
        rows=list(rows),
    )


def a_row(step: int, time: datetime, **cells: JsonValue) -> Row:
    """A question whose text says its step."""
    return {
        "_step": step,
        "_timestamp": time.timestamp(),
        "task": "multi_choice",
        "challenge": f"Which is number {step}?\nA. {step + 1}\nB. none of them\nC. {step}\nD. 0.5",
        "reference": "C",
        **cells,
    }


def rows(of: str, count: int, *, since: datetime) -> list[Row]:
    """One a minute, whose texts nobody else has."""
    return [
        a_row(
            step,
            since + step * MINUTE,
            challenge=f"What did {of} say at {step}?\nA. {of}\nB. {step}\nC. neither",
            reference="b",
        )
        for step in range(count)
    ]
