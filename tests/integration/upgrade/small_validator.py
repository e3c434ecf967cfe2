"""A program of a release: holds the state, follows a chain of one block, says how it is.

    python small_validator.py STATE-FILE PORT

Everything it does comes from the release whose environment runs it. It prints a line when it is
up, as a service of systemd says READY, and ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.system.clock import SystemClock
from sn37.adapters.system.health_server import HealthServer
from sn37.adapters.system.service_manager import ServiceManager
from sn37.adapters.system.watchdog import Watchdog
from sn37.app.supervision.deadlines import Steps
from sn37.app.supervision.health import HealthBoard
from sn37.app.supervision.heartbeat import Pulse
from sn37.domain.events import HeadAdvanced
from sn37.domain.ids import Block, BlockRef


async def main(state_file: Path, port: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    store = SqliteStateStore(state_file)
    await store.load()
    clock = SystemClock()
    board = HealthBoard(clock=clock)
    watchdog = Watchdog(deadline_s=600.0, on_stuck=lambda: None)
    pulse = Pulse(
        clock=clock,
        watchdog=watchdog,
        manager=ServiceManager(None),
        board=board,
        steps=Steps(clock),
        sink=board,
        end=sys.exit,
    )
    server = HealthServer("127.0.0.1", port, pulse.pages())
    board.emit(HeadAdvanced(head=BlockRef(Block(1), "0x00"), next_sync=Block(360)))
    sys.stdout.write("up\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
