"""Subnet 1's data set as the tests write it, on the hub of the tests."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.adapters.dataset import sn1_hub_worker
from sn37.adapters.dataset.parquet_cells import Cell
from sn37.adapters.dataset.sn1_hub import HubQuestions
from sn37.adapters.dataset.sn1_hub_messages import ReadOrder
from sn37.domain.data.samples import Pool, PoolRequest
from sn37.domain.ids import Hotkey
from sn37.testing.builders import a_window
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_state import Hub

REPO = "macrocosm-os/macrobench-bittensor-01"
VALIDATORS = ("5Alice", "5Bob")
STRANGER = "5Mallory"
START = datetime.fromisoformat("2025-01-10T20:00:00+00:00")  # noon on Pacific clocks
NOON = datetime(2025, 1, 10, 12)
COMMITTED = "2025-01-10T20:30:00.000Z"

Row = dict[str, Cell]


def question(n: int, **cells: Cell) -> Row:
    """Row ``n``, written ``n`` minutes after noon."""
    return {
        "id": f"q-{n:03d}",
        "hotkey": VALIDATORS[n % 2],
        "timestamp": NOON + timedelta(minutes=n),
        "challenge": f"What is {n} + {n}?\nA. {2 * n + 1}\nB. {2 * n}\nC. {2 * n + 7}\nD. None",
        "reference": "B",
        **cells,
    }


def parquet(rows: Sequence[Mapping[str, object]]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), target)
    return target.getvalue()


def unpacking_to_gigabytes() -> bytes:
    """A small file: one text of 8 MiB, which 256 rows refer to."""
    table = pa.Table.from_pylist([question(0)] * 256)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 256), pa.array(["x" * 2**23]))
    table = table.set_column(table.schema.get_field_index("challenge"), "challenge", text)
    target = io.BytesIO()
    pq.write_table(table, target, store_schema=False)
    return target.getvalue()


def file(rows: Sequence[Mapping[str, object]]) -> HubFile:
    return HubFile(parquet(rows), lfs=True)


def path(date: str) -> str:
    return f"{date}/{date}-00000-of-00001.parquet"


def publish(hub: Hub, files: Mapping[str, HubFile], *, at: str = COMMITTED) -> str:
    return hub.publish(REPO, dict(files), at=at)


def publish_rows(hub: Hub, rows: Sequence[Mapping[str, object]], *, at: str = COMMITTED) -> str:
    return publish(hub, {path("2025-01-10"): file(rows)}, at=at)


def source(hub: Hub, *, pause_s: float = 0.01, timeout_s: float = 60.0) -> HubQuestions:
    return HubQuestions(
        REPO, ["multi_choice"], endpoint=hub.url, pause_s=pause_s, timeout_s=timeout_s
    )


def request(*, minutes: int = 60, trusted: Sequence[str] = VALIDATORS) -> PoolRequest:
    """One hour from noon on, Pacific time."""
    return PoolRequest(
        window=a_window(since=START, until=START + timedelta(minutes=minutes)),
        trusted=frozenset(map(Hotkey, trusted)),
    )


def read(hub: Hub, folder: Path, *, tasks: Sequence[str] = ("multi_choice",)) -> Pool:
    """What the reading process would send, without starting one."""
    return sn1_hub_worker.read(order(hub, tasks=tasks), folder).kept.pool()


def order(hub: Hub, *, tasks: Sequence[str] = ("multi_choice",)) -> ReadOrder:
    return ReadOrder(
        repo=REPO,
        endpoint=hub.url,
        pause_s=0.01,
        since=START.isoformat(),
        until=(START + timedelta(hours=1)).isoformat(),
        trusted=VALIDATORS,
        tasks=tasks,
    )
