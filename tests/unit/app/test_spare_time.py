"""Whatever is done in spare time gives way to a round, at once."""

from __future__ import annotations

import asyncio

import pytest

from sn37.app.actors.spare_time import GaveWay, SpareTime


def test_work_is_done_while_no_round_comes() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert asyncio.run(SpareTime().run(work())) == 7


def test_a_round_begins_once_the_work_has_let_go() -> None:
    steps = list[str]()

    async def work() -> None:
        try:
            steps.append("working")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a worker takes a moment to end
            steps.append("let go")

    async def both() -> None:
        spare = SpareTime()
        working = asyncio.create_task(spare.run(work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        async with spare.withheld():
            steps.append("round")
            with pytest.raises(GaveWay):
                await working
            with pytest.raises(GaveWay):
                await spare.run(work())  # is not begun
        steps.append(str(await spare.run(asyncio.sleep(0, "again"))))

    asyncio.run(both())
    assert steps == ["working", "let go", "round", "again"]


def test_two_rounds_keep_it_from_working_until_both_are_over() -> None:
    async def rounds() -> None:
        spare = SpareTime()
        async with spare.withheld():
            async with spare.withheld():
                pass
            with pytest.raises(GaveWay):
                await spare.run(asyncio.sleep(0))
        await spare.run(asyncio.sleep(0))

    asyncio.run(rounds())


def test_what_fails_in_it_fails() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(SpareTime().run(work()))


def test_an_actor_that_is_ended_ends_its_work() -> None:
    ended = list[bool]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def stop() -> None:
        running = asyncio.create_task(SpareTime().run(work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(stop())
    assert ended == [True]
