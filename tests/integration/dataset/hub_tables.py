"""Tables as the tests write them, on the hub of the tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.adapters.dataset.hub_rows.messages import Order, Pinned
from sn37.adapters.dataset.hub_rows.parameters import HubRowsParameters
from sn37.adapters.dataset.hub_rows.worker import carry_out
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub

REPO = "someone/pages"
NUM_SHARDS, NUM_GROUPS, GROUP_ROWS = 4, 6, 20
NUM_ROWS = NUM_SHARDS * NUM_GROUPS * GROUP_ROWS
RESOLVE = "/resolve/"
MANY = 10**6

Row = Mapping[str, object]


def page(number: int) -> Row:
    return {
        "url": f"https://example.org/{number}",
        "text": f"This is the text of page {number}. " * (3 + number % 5),
        "language": "en" if number % 3 else "tr",
        "token_count": 10 * number,
        "prompt": f"What is {number} + 1?",
        "generation": f"It is {number + 1}.",
        "messages": [
            {"role": "user", "content": f"What is {number} + 2?"},
            {"role": "assistant", "content": f"It is {number + 2}."},
        ],
    }


def pages(shard: int) -> list[Row]:
    first = shard * NUM_GROUPS * GROUP_ROWS
    return [page(first + n) for n in range(NUM_GROUPS * GROUP_ROWS)]


def parquet(rows: Sequence[Row] | pa.Table, *, group_rows: int = GROUP_ROWS) -> bytes:
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([*map(dict, rows)])
    target = io.BytesIO()
    pq.write_table(table, target, row_group_size=group_rows)
    return target.getvalue()


def path(shard: int, num_shards: int = NUM_SHARDS) -> str:
    return f"data/train-{shard:05d}-of-{num_shards:05d}.parquet"


def publish(hub: Hub, files: Mapping[str, bytes]) -> str:
    return hub.publish(REPO, {p: HubFile(data, lfs=True) for p, data in files.items()})


def publish_pages(hub: Hub) -> str:
    return publish(hub, {path(n): parquet(pages(n)) for n in range(NUM_SHARDS)})


@contextmanager
def hub_with_pages() -> Iterator[Hub]:
    with running_hub() as hub:
        publish_pages(hub)
        yield hub


def parameters(hub: Hub, **others: object) -> HubRowsParameters:
    """Of the pages; a test may change any."""
    given = {
        "repo": REPO,
        "revision": hub.repositories[REPO].head,
        "manifest": "0" * 64,
        "files": ("data/*.parquet",),
        "endpoint": hub.url,
    }
    forms = {"text", "prompt", "messages"} & set(others)
    return HubRowsParameters.model_validate(
        {**({} if forms else {"text": "text"}), **given, **others}
    )


def pin(hub: Hub, folder: Path, **others: object) -> Pinned:
    """Make the manifest of the newest commit."""
    return pin_at("main", hub, folder, **others)


def pin_at(branch: str, hub: Hub, folder: Path, /, **others: object) -> Pinned:
    """Make the manifest of a branch's newest commit, or of a commit."""
    order = Order(
        parameters=parameters(hub, **others), branch=branch, folder=str(folder), pause_s=0.01
    )
    (pinned,) = carry_out(order)
    assert isinstance(pinned, Pinned)
    return pinned


def pinned_parameters(hub: Hub, folder: Path, **others: object) -> HubRowsParameters:
    return parameters(hub, **{"manifest": pin(hub, folder, **others).manifest, **others})


def draw(
    table: HubRowsParameters, folder: Path, *, count: int = 12, seed: int = 37
) -> tuple[Sample, ...]:
    """What the reading process would send, without starting one."""
    order = Order(parameters=table, count=count, seed=Seed(seed), folder=str(folder), pause_s=0.01)
    return tuple(line for line in carry_out(order) if isinstance(line, Sample))


def count_requests(hub: Hub, path: str = RESOLVE) -> Callable[[], int]:
    """Return the number of requests from now on, which are counted as they come.

    ``hub.served`` has a request only after its answer, perhaps after the reader has it.
    """
    counter = Fault(path, skip=MANY, times=None)
    hub.faults.insert(0, counter)
    return lambda: MANY - counter.skip
