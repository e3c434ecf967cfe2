"""Poll a chain in memory 100,000 times, two weeks of blocks: memory stays flat."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
from pathlib import Path

from sn37.adapters.subtensor.endpoints import keep_caches_in
from tests.integration.subtensor.polling import grown_bytes

NUM_POLLS = 100_000
MAX_GROWN_BYTES = 10_000
MAX_GROWN_KIB = 20_000  # of the resident set, over all polls


def main() -> int:
    """Report what was measured; 1 when memory grew."""
    with tempfile.TemporaryDirectory() as folder:
        keep_caches_in(Path(folder))
        asyncio.run(grown_bytes(2_000))  # what is loaded once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown = asyncio.run(grown_bytes(NUM_POLLS))
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(
        f"{NUM_POLLS:,} polls: {grown:,} bytes more over the last 200, "
        f"{resident:,} KiB more resident over all{os.linesep}"
    )
    return int(grown > MAX_GROWN_BYTES or resident > MAX_GROWN_KIB)


if __name__ == "__main__":
    sys.exit(main())
