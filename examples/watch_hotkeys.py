"""Look at several hotkeys at once, from an event loop.

python examples/watch_hotkeys.py 5F... 5G... --network finney
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from sn37.app import api


async def watch(settings: api.Settings, hotkeys: Sequence[str]) -> list[str]:
    """A line for each hotkey: how far its model has come."""
    found = await asyncio.gather(*(api.status(settings, hotkey) for hotkey in hotkeys))
    return [f"{status.hotkey}  {status.stage}" for status in found]


def main(args: Sequence[str] | None = None) -> int:
    """Print them; 0 unless the network does not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hotkeys", nargs="+")
    parser.add_argument("--network", default="simnet")
    parser.add_argument("--state-dir", type=Path)
    asked = parser.parse_args(args)
    try:
        settings = api.settings(network=asked.network, state_dir=asked.state_dir)
        lines = asyncio.run(watch(settings, asked.hotkeys))
    except (api.CommandError, api.PortError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
