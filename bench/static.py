"""What a draw from a large table costs: requests, bytes and time, from a hub on this machine.

The table has a hundred million rows by default: a file of a thousand row groups with a thousand
rows each, served under a hundred names. Every draw is made by a process of its own, as a
validator does. For comparison, pyarrow reads rows that were chosen one by one from the same file.

    python -m bench.static [--shards 100] [--groups 1000] [--rows 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import mean

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.adapters.dataset.hub_rows.source import HubRows
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.testing.figures import print_table, write_figures
from tests.integration.dataset.hub_tables import REPO, count_requests, parameters, path, pin
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub

COUNT = 120  # samples of a draw
MAX_REQUESTS = 12
WORDS = "the of a row that is read from a group in a file on the hub by its number only"


class CountingFile(io.BytesIO):
    """A file in memory that counts what would be requests."""

    num_reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.num_reads += 1
        return super().read(size)


def a_file(num_groups: int, num_rows: int) -> bytes:
    """Rows of some 200 characters, each another text."""
    random, target, words = Random(37), io.BytesIO(), WORDS.split()
    schema = pa.schema([("url", pa.string()), ("text", pa.string()), ("language", pa.string())])
    with pq.ParquetWriter(target, schema) as writer:
        for group in range(num_groups):
            numbers = range(group * num_rows, (group + 1) * num_rows)
            texts = [f"{n} {' '.join(random.choices(words, k=45))}" for n in numbers]
            urls = [f"https://example.org/{n}" for n in numbers]
            columns = [pa.array(urls), pa.array(texts), pa.array(["en"] * num_rows)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return target.getvalue()


def one_by_one(data: bytes, num_rows: int) -> int:
    """Return the reads of pyarrow for rows that are chosen one by one, each from a new file."""
    random, num_reads = Random(37), 0
    for _ in range(COUNT):
        source = CountingFile(data)
        with pq.ParquetFile(source, pre_buffer=False) as file:
            group, row = divmod(random.randrange(file.metadata.num_rows), num_rows)
            file.read_row_group(group, columns=["text"], use_threads=False).slice(row, 1)
        num_reads += source.num_reads
    return num_reads


def served(hub: Hub, num_requests: int) -> tuple[int, int]:
    """Return the requests and bytes of the answers since the last call, once all are noted."""
    while len(hub.served) < num_requests:
        time.sleep(0.01)
    size_bytes = sum(answer.body_bytes for answer in hub.served)
    hub.served.clear()
    return num_requests, size_bytes


def draw_figures(hub: Hub, folder: Path, num_draws: int) -> dict[str, float]:
    """Make the manifest, then draw: new row groups each time, and once the same again."""
    filters = (("language", "==", "en"),)
    requests = count_requests(hub, "")
    began = time.perf_counter()
    pinned = pin(hub, folder, filters=filters)
    manifest_s = time.perf_counter() - began
    num_requests, size_bytes = served(hub, requests())
    source = HubRows(parameters(hub, manifest=pinned.manifest, filters=filters), folder=folder)

    def drawn(seed: int) -> tuple[tuple[Sample, ...], int, int, float]:
        before = requests()
        began = time.perf_counter()
        samples = asyncio.run(source.draw(count=COUNT, seed=Seed(seed)))
        seconds = time.perf_counter() - began
        return samples, *served(hub, requests() - before), seconds

    draws = [drawn(seed) for seed in range(num_draws)]
    again = drawn(0)
    if again[0] != draws[0][0] or again[1] != 0:
        raise RuntimeError("a draw was not repeated from the disk")
    if (most := max(requests for _, requests, _, _ in draws)) > MAX_REQUESTS:
        raise RuntimeError(f"a draw of {COUNT} samples took {most} requests")
    return {
        "rows": pinned.num_rows,
        "row_groups": pinned.num_groups,
        "manifest_requests": num_requests,
        "manifest_mib": size_bytes / 2**20,
        "manifest_seconds": manifest_s,
        "requests_per_120": most,
        "mib_per_120": mean(size for _, _, size, _ in draws) / 2**20,
        "seconds_per_120": mean(seconds for _, _, _, seconds in draws),
        "seconds_again_offline": again[3],
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shards", type=int, default=100)
    arguments.add_argument("--groups", type=int, default=1000, help="in a shard")
    arguments.add_argument("--rows", type=int, default=1000, help="in a group")
    arguments.add_argument("--draws", type=int, default=5)
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    data = a_file(given.groups, given.rows)
    with running_hub() as hub, tempfile.TemporaryDirectory() as folder:
        # Hashes are made up: the hub of the tests would hash gigabytes for every listing.
        hashes = [f"{number:064x}" for number in range(given.shards)]
        files = {
            path(number, given.shards): HubFile(data, lfs=True, claimed_sha256=digest)
            for number, digest in enumerate(hashes)
        }
        hub.publish(REPO, files)
        figures = draw_figures(hub, Path(folder), given.draws)
    figures["requests_per_120_one_by_one"] = one_by_one(data, given.rows)
    figures = {name: round(value, 4) for name, value in figures.items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("huggingface_hub", "pyarrow"))


if __name__ == "__main__":
    main()
