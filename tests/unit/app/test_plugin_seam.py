"""Whatever a plug-in does, the validator gets checked rows or one line that names it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest

from sn37.app.samples.sources import Sources
from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.domain.data.vetting import Collected, SetAside
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.ports.dataset import LiveDataset
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable
from sn37.testing.builders import a_pool_request, a_sample, a_source, some_samples, time_of
from sn37.testing.fakes import FakeLiveDataset, FakePlugin, FakeStaticDataset

REQUEST = a_pool_request()
LIVE = a_source("feed", freshness=Freshness.LIVE, max_age_s=3600)
STATIC = a_source("rows", freshness=Freshness.NONE)


@dataclass(frozen=True)
class Misbehaving:
    """A live source that does what it is told to."""

    act: Callable[[], Awaitable[Pool]]
    freshness: Freshness = Freshness.LIVE

    async def collect(self, request: PoolRequest) -> Pool:
        return await self.act()

    def open(self, parameters: Mapping[str, ParameterValue]) -> LiveDataset:
        return self


@dataclass
class Judging(FakeLiveDataset):
    """A live source with an opinion on its rows."""

    verdicts: dict[str, str] = field(default_factory=dict)

    def quarantine(self, samples: tuple[Sample, ...]) -> Mapping[str, str]:
        return self.verdicts


def sources(plugin: FakePlugin | Misbehaving, deadline_s: float = 20) -> Sources:
    return Sources(lambda _: plugin, deadline_s=deadline_s)


def collect(act: Callable[[], Awaitable[Pool]], deadline_s: float = 20) -> Collected:
    return asyncio.run(sources(Misbehaving(act), deadline_s).collect(LIVE, REQUEST))


def raising(error: BaseException) -> Callable[[], Awaitable[Pool]]:
    async def act() -> Pool:
        raise error

    return act


def returning(pool: object) -> Callable[[], Awaitable[Pool]]:
    async def act() -> Pool:
        return pool  # type: ignore[return-value]  # what a plug-in without types may do

    return act


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("rows"), "data set feed: a defect of the plug-in: KeyError: 'rows'"),
        (
            RuntimeError("a\nb \ud800"),
            "data set feed: a defect of the plug-in: RuntimeError: a b \N{REPLACEMENT CHARACTER}",
        ),
        (ArithmeticError(), "data set feed: a defect of the plug-in: ArithmeticError"),
        (
            SystemExit(3),
            "data set feed: a defect of the plug-in: RuntimeError: it called sys.exit(3)",
        ),
        (asyncio.CancelledError(), "data set feed: a defect of the plug-in: CancelledError"),
        (TimeoutError("mute"), "data set feed: a defect of the plug-in: TimeoutError: mute"),
        (DatasetUnavailable("the feed is mute"), "the feed is mute"),
    ],
)
@pytest.mark.fault("data plug-in", "wrong")
def test_whatever_a_plugin_raises_is_one_line_about_it(error: BaseException, told: str) -> None:
    with pytest.raises(DatasetUnavailable) as caught:
        collect(raising(error))
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        (None, "data set feed: a defect of the plug-in: AttributeError: .*NoneType"),
        (Pool((a_sample("r", produced_at=time_of(99_999)),)), "row 'r' of .* outside the window"),
        (Pool((a_sample("r"),)), "data set feed: a defect of the plug-in: row 'r' has no time"),
    ],
)
@pytest.mark.fault("data plug-in", "wrong")
def test_what_was_not_asked_for_is_a_defect(pool: object, told: str) -> None:
    with pytest.raises(DatasetUnavailable, match=told):
        collect(returning(pool))


@pytest.mark.fault("data plug-in", "slow")
@pytest.mark.fault("plug-in call", "will not die")
def test_a_plugin_that_never_answers_is_ended_and_may_be_asked_again() -> None:
    ended: list[str] = []

    async def act() -> Pool:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")
        raise AssertionError

    feed = sources(Misbehaving(act), deadline_s=0.05)
    for _ in range(2):
        with pytest.raises(DatasetUnavailable, match=r"data set feed: no answer within 0\.05 s"):
            asyncio.run(feed.collect(LIVE, REQUEST))
    assert ended == ["cleaned up"] * 2


@pytest.mark.fault("data plug-in", "slow")
@pytest.mark.fault("plug-in call", "will not die")
def test_a_plugin_that_blocks_its_thread_holds_up_nobody_and_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sn37.app.samples.plugin_calls.GRACE_S", 0.0)
    release = threading.Event()

    async def act() -> Pool:
        release.wait()
        return Pool(())

    async def twice() -> None:
        feed = sources(Misbehaving(act), deadline_s=0.05)
        with pytest.raises(DatasetUnavailable, match="no answer within"):
            await feed.collect(LIVE, REQUEST)
        with pytest.raises(DatasetUnavailable, match="feed: an earlier call still hangs"):
            await feed.collect(LIVE, REQUEST)
        release.set()
        while True:  # the thread ends by and by
            try:
                assert await feed.collect(LIVE, REQUEST) == Collected(pool=Pool(()))
            except DatasetUnavailable:
                await asyncio.sleep(0)
            else:
                return

    asyncio.run(twice())


def test_a_cancelled_read_cleans_up_before_the_validator_goes_on() -> None:
    started, ended = threading.Event(), list[str]()

    async def act() -> Pool:
        started.set()
        try:
            await asyncio.to_thread(threading.Event().wait, 60)  # which nobody waits for
        finally:
            ended.append("cleaned up")
        raise AssertionError

    async def cancel() -> None:
        reading = asyncio.create_task(sources(Misbehaving(act)).collect(LIVE, REQUEST))
        await asyncio.to_thread(started.wait)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(cancel())
    assert ended == ["cleaned up"]


def test_t17_rows_that_are_set_aside_are_told_with_the_pool() -> None:
    rows = list(some_samples(30, since=time_of(0)))
    rows.append(
        a_sample("endless", reference="".join(map(str, range(30_000))), produced_at=time_of(1))
    )
    rows.append(a_sample("nul", reference="\0", produced_at=time_of(1)))
    feed = Judging(rows=rows, verdicts={"row-00003": "odd", "nul": "gone before it is judged"})
    source = a_source("feed", freshness=Freshness.LIVE, max_age_s=3600, max_deviations=8.0)
    found = asyncio.run(sources(FakePlugin(feed)).collect(source, REQUEST))
    assert found.set_aside == (
        SetAside(why="a NUL in the text", row_ids=("nul",)),
        SetAside(why="outlier by length", row_ids=("endless",)),
        SetAside(why="odd", row_ids=("row-00003",)),
    )
    assert len(found.pool.samples) == 29


def test_a_quarantine_that_fails_is_a_defect() -> None:
    feed = Judging(verdicts=None)  # type: ignore[arg-type]  # what a plug-in without types may do
    with pytest.raises(DatasetUnavailable, match="data set feed: a defect of the plug-in: TypeE"):
        asyncio.run(sources(FakePlugin(feed)).collect(LIVE, REQUEST))


def test_a_static_source_is_asked_in_the_same_way() -> None:
    plugin = FakePlugin(FakeStaticDataset(failures=[ZeroDivisionError("oh")]))
    rows = sources(plugin)
    with pytest.raises(DatasetUnavailable, match=r"data set rows: .*ZeroDivisionError: oh"):
        asyncio.run(rows.draw(STATIC, count=3, seed=Seed(1)))
    assert len(asyncio.run(rows.draw(STATIC, count=3, seed=Seed(1)))) == 3
    with pytest.raises(DatasetExhausted):
        asyncio.run(rows.draw(STATIC, count=3_000, seed=Seed(1)))


def test_a_live_source_that_says_it_is_exhausted_is_a_defect() -> None:
    feed = FakeLiveDataset(failures=[DatasetExhausted(requested=300, available=2)])
    with pytest.raises(DatasetUnavailable, match=r"data set feed: a defect .* 2 qualify"):
        asyncio.run(sources(FakePlugin(feed)).collect(LIVE, REQUEST))


def test_a_plugin_that_cannot_be_opened_is_told_in_one_line() -> None:
    class Broken(FakePlugin):
        def open(self, parameters: Mapping[str, ParameterValue]) -> FakeStaticDataset:
            raise KeyError("url")

    with pytest.raises(ValueError, match="data set rows: a defect of the plug-in: KeyError: 'url'"):
        asyncio.run(sources(Broken()).draw(STATIC, count=3, seed=Seed(1)))
