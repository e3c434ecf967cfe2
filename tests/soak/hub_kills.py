"""Kill 200 downloads and 200 uploads at random moments; each is then completed."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.killing import kill_downloads, kill_uploads

KILLS = 200


def main() -> int:
    for kill in (kill_downloads, kill_uploads):
        with tempfile.TemporaryDirectory() as folder, running_hub() as hub:
            asyncio.run(kill(hub, Path(folder), KILLS))
        sys.stdout.write(f"{kill.__name__}: {KILLS} kills survived{os.linesep}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
