"""What it costs to refuse each hostile repository of the tests: time, memory, bytes, requests.

Each is fetched as a validator does it, by a transfer process of its own, from a hub on this
machine; the time is that of the whole call, the process's start included.

    python -m tests.soak.hub_zoo [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import Connection
from sn37.ports.errors import ModelRejected
from sn37.testing.figures import print_table, write_figures
from tests.integration.hub.hostile_repositories import Hostile, publish_hostile, zoo
from tests.integration.hub.hub_models import LIMITS, committed
from tests.integration.hub.hub_server import running_hub

SHOWN = 8
Row = tuple[float, str, str, float, int, int]


def refuse(hostile: Hostile) -> Row:
    """Seconds, name, reason, MiB of the largest process so far, bytes and requests."""
    with running_hub() as hub, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        commitment = committed(hub, "eve/model", publish_hostile(hub, hostile, root))
        connection = Connection(endpoint=hub.url, token="hf_validator")
        store = HubModelStore(root / "cache", connection=connection)
        began = time.perf_counter()
        try:
            asyncio.run(store.fetch(commitment, LIMITS))
        except ModelRejected as refused:
            taken_s = time.perf_counter() - began
            # A child's peak begins with what this process had when it was started.
            peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            read = sum(served.body_bytes for served in hub.served)
            return taken_s, hostile.name, refused.reason, peak_mib, read, len(hub.served)
        raise RuntimeError(f"{hostile.name} was accepted")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    rows = [refuse(hostile) for hostile in zoo()]
    slowest = sorted(rows, reverse=True)
    columns = ("seconds", "repository", "reason", "MiB so far", "bytes read", "requests")
    shown = [(round(r[0], 2), r[1], r[2], round(r[3]), r[4], r[5]) for r in slowest[:SHOWN]]
    print_table(f"the slowest of {len(rows)}", columns, shown)
    figures = {
        "zoo_members": float(len(rows)),
        "zoo_median_s": slowest[len(rows) // 2][0],
        "zoo_worst_s": slowest[0][0],
        "zoo_worst_mib": max(row[3] for row in rows),
        "zoo_worst_bytes": float(max(row[4] for row in rows)),
        "zoo_worst_requests": float(max(row[5] for row in rows)),
    }
    figures = {name: round(value, 2) for name, value in figures.items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("huggingface_hub",))


if __name__ == "__main__":
    main()
