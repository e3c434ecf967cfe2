"""A program that fetches one model, to be killed: URL, cache folder, order as JSON."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sn37.adapters.hub.model_store import HubModelStore
from sn37.adapters.hub.transfer_messages import FetchOrder, decode_order


def main() -> None:
    cache, line = sys.argv[1:]
    connection, order = decode_order(line.encode())
    assert isinstance(order, FetchOrder)
    store = HubModelStore(Path(cache), connection=connection)
    asyncio.run(store.fetch(order.commitment, order.constraints))


if __name__ == "__main__":
    main()
