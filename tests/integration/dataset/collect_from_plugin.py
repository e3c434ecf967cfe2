"""A program in the place of a validator, to be killed while a plug-in hangs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sn37.app.samples.sources import Sources
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.domain.schedule.competition import Freshness
from sn37.testing.builders import a_source

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def main() -> None:
    source = a_source(
        "t_live", freshness=Freshness.LIVE, max_age_s=3600, parameters={"mood": "hanging"}
    )
    request = PoolRequest(window=TimeWindow(since=NOON, until=NOON.replace(hour=13)))
    await Sources(installed_plugin).collect(source, request)


if __name__ == "__main__":
    asyncio.run(main())
