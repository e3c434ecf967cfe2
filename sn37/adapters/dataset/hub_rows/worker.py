"""Process that reads a table on Hugging Face: an order in, samples or a manifest's digest out."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sn37.adapters.dataset.hub_repository import HubRepository
from sn37.adapters.dataset.hub_rows.messages import End, Line, Order, Pinned, encode_line
from sn37.adapters.dataset.hub_rows.table import Table, cache_folder
from sn37.domain.ids import is_commit
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

MAX_MEMORY_BYTES = 1 << 30  # a row group that unpacks to more ends only this process


def main() -> None:
    """Carry out one order."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    order = Order.decode(sys.stdin.buffer.readline())
    try:
        lines = list(carry_out(order))
    except (DatasetUnavailable, DatasetExhausted) as error:
        lines = [error]
    sys.stdout.buffer.writelines(map(encode_line, lines))
    sys.stdout.buffer.flush()


def carry_out(order: Order) -> Iterator[Line]:
    """Yield the answer to an order.

    Raises:
        DatasetUnavailable, DatasetExhausted: See ``Table``.
    """
    parameters = order.parameters
    repository = HubRepository(
        parameters.repo, endpoint=parameters.endpoint or None, pause_s=order.pause_s
    )
    folder = cache_folder() if order.folder is None else Path(order.folder)
    if order.branch is not None:
        commit = order.branch if is_commit(order.branch) else repository.commit_of(order.branch)
        parameters = parameters.model_copy(update={"revision": commit})
    table = Table(parameters, repository, folder or Path(tempfile.gettempdir()))
    if order.branch is not None:
        yield _pinned(table)
        return
    yield from table.draw(count=order.count, seed=order.seed)
    left_out = "".join(f", {n} {why}" for why, n in sorted(table.left_out.items()))
    yield End(left_out=f"{table.num_reads} reads of {table.num_bytes} bytes{left_out}")


def _pinned(table: Table) -> Pinned:
    made = table.make()
    sizes = made.manifest.num_rows
    return Pinned(
        revision=made.manifest.revision,
        manifest=made.digest,
        num_files=len(made.manifest.files),
        num_groups=len(sizes),
        num_rows=sum(sizes),
        largest_bytes=made.largest_bytes,
    )


if __name__ == "__main__":
    main()
