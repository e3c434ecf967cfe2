"""A program in the place of a validator, to be killed while it reads: the host's URL."""

from __future__ import annotations

import asyncio
import sys

from sn37.adapters.dataset.sn18 import Sn18, Sn18Parameters
from tests.integration.dataset.sn18_runs import REQUEST

if __name__ == "__main__":
    asyncio.run(Sn18(Sn18Parameters(base_url=sys.argv[1])).collect(REQUEST))
