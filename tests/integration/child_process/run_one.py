"""A program in the place of a validator, to be killed while its child process works."""

from __future__ import annotations

import asyncio
import sys

from sn37.adapters.child_process.running import child_environment, running


async def main() -> None:
    async with running(
        "tests.integration.child_process.one_with_a_child", child_environment({})
    ) as c:
        c.send(b"wait\n")
        async for line in c.lines():
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
