"""An installed plug-in runs in a process of its own, which takes all it started with it."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sn37.app.data_tools.reader import ENVIRONMENTS, Reader
from sn37.app.samples.plugin_reads import OpeningFailed
from sn37.app.samples.sources import Sources
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample, TimeWindow
from sn37.domain.data.vetting import SetAside
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.schedule.competition import Freshness, Source
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import LiveDataset, Pin
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable
from sn37.testing.builders import a_source
from sn37.testing.dataset_contract import LiveDatasetContract

DEADLINE_S = 120.0  # of calls that answer; the machine may be busy
EXAMPLE = Path(__file__).parents[3] / "examples" / "sn1_style_dataset"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
REQUEST = PoolRequest(window=TimeWindow(since=NOON, until=NOON.replace(hour=13)))
ODD = "half a pair: \ud800, two: \U0001f600, a line\nbreak, \x00"
PLUGIN = '''
import asyncio, logging, os, random, subprocess, sys, threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from sn37.dataset_plugin import LivePlugin, Parameters, StaticPlugin
from sn37.domain.data.samples import Pool, Provenance, Sample
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import Pin
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

HERE = Path(__file__)
HERE.with_name("imported by").write_text(str(os.getpid()))
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DEAF = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print(os.getpid(), flush=True)
signal.pause()
"""

class Settings(Parameters):
    mood: str = "good"

def sample(n, text="question"):
    return Sample(prompt=f"{text} {n}", reference=f"answer {n}",
        provenance=Provenance(row_id=f"r{n:03}", produced_at=NOON + timedelta(minutes=n)))

def start_children():
    child = subprocess.Popen(
        [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True)
    deaf = child.stdout.readline().decode()
    forked = os.fork()
    if forked == 0:
        threading.Event().wait()
    HERE.with_name("pids").write_text(f"{os.getpid()} {deaf} {forked}")  # a FIFO that a test reads

def act(mood):
    if mood == "hanging":
        start_children()
        threading.Event().wait()
    if mood == "forking":
        start_children()
    if mood == "leaving":
        sys.exit(3)
    if mood == "vanishing":
        print("gone")
        sys.stdout.flush()
        os._exit(0)
    if mood == "printing":
        print("[" * 100_000)
        os.write(1, b"[]\\n")
        subprocess.run(["echo", "{}"], check=True)
        assert sys.stdin.read() == ""
    if mood == "logging":
        logging.getLogger("mine").warning("left out %d", 7)
    if mood == "eating":
        bytearray(1 << 34)
    if mood == "lying":
        for number in range(3, 100):
            try:
                if os.readlink(f"/proc/self/fd/{number}").startswith("pipe:"):
                    os.write(number, b'["not a row"]\\n')
            except OSError:
                pass
    if mood == "unavailable":
        raise DatasetUnavailable("the feed is mute", retry_after_s=7.5)
    if mood == "exhausted":
        raise DatasetExhausted(requested=9, available=2)
    if mood == "wrong":
        raise KeyError("rows")
    if mood == "cancelled":
        raise asyncio.CancelledError

class Live:
    def __init__(self, settings):
        if settings.mood == "closed":
            raise KeyError("url")
        if settings.mood == "choosy":
            raise ValueError("mood choosy is not for sale")
        self.mood = settings.mood
    async def collect(self, request):
        if self.mood == "leaving later":
            asyncio.get_running_loop().call_soon(sys.exit, 4)
            await asyncio.sleep(3600)
        act(self.mood)
        rows = [sample(n) for n in range(40)]
        if self.mood == "odd":
            odd = "half a pair: \\ud800, two: \\U0001f600, a line\\nbreak, \\x00"
            at = datetime(2026, 1, 2, 22, 30, 0, 1, tzinfo=timezone(timedelta(hours=10)))
            rows = [Sample(prompt=odd, reference="b", choices=("a" * 150_000, "b", "c"),
                provenance=Provenance(row_id=odd, produced_at=at, signer="5F", stratum=odd))]
        if self.mood == "long":
            rows.append(Sample(prompt="", reference="x" * 20_000_000,
                provenance=Provenance(row_id="long", produced_at=NOON)))
        if self.mood == "untyped":
            rows = [Sample(prompt=3, reference="x", provenance=rows[0].provenance)]
        if self.mood == "late":
            rows.append(sample(60))
        if self.mood == "nothing":
            return None
        if self.mood == "keyed":
            rows = [Sample(prompt="", reference=os.environ["WANDB_API_KEY"] + os.getcwd(),
                provenance=rows[0].provenance)]
        if self.mood == "zone":
            rows = [Sample(prompt="", reference=os.environ["TZ"], provenance=rows[0].provenance)]
        return Pool(tuple(rows))

class Judging(Live):
    def quarantine(self, samples):
        return {"r003": "odd", samples[-1].provenance.row_id: "last"}

class Static:
    def __init__(self, settings):
        self.mood = settings.mood
    async def draw(self, *, count, seed):
        act(self.mood)
        return tuple(sample(n) for n in random.Random(str(seed)).sample(range(100), count))

def live():
    return LivePlugin(name="t_live", parameters=Settings,
        connect=lambda s: Judging(s) if s.mood == "judging" else Live(s))

def static():
    return StaticPlugin(name="t_static", parameters=Settings, connect=Static)

class Pinning(StaticPlugin):
    async def pin(self, parameters):
        act(parameters["mood"])
        if parameters["mood"] == "refusing":
            raise ValueError("source t_pinned: parameter mood is wrong")
        if parameters["mood"] == "odd":
            return Pin(parameters={"revision": 3}, told="x")
        return Pin(parameters={"revision": "c" * 40}, told="two\\nlines")

def pinned():
    return Pinning(
        name="t_pinned", parameters=Settings, connect=Static, method=Method.MULTIPLE_CHOICE
    )
'''


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    (tmp_path / "sn37_test_moods.py").write_text(PLUGIN)
    info = tmp_path / "moods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sn37.datasets]\nt_live = sn37_test_moods:live\nt_static = sn37_test_moods:static\n"
        "t_pinned = sn37_test_moods:pinned\n"
        "t_absent = sn37_test_moods:absent\nt_example = sn1_style_dataset:build\n"
    )


SOURCES = Sources(installed_plugin, deadline_s=DEADLINE_S)


def live(mood: str) -> Source:
    return a_source("t_live", freshness=Freshness.LIVE, max_age_s=3600, parameters={"mood": mood})


def static(mood: str) -> Source:
    return a_source("t_static", parameters={"mood": mood})


@dataclass(frozen=True)
class Family:
    """The processes of a plug-in, held so that no pid is taken for another."""

    handles: tuple[int, ...]

    @classmethod
    def of(cls, fifo: Path) -> Family:
        """Wait for the processes that a plug-in starts."""
        return cls(tuple(os.pidfd_open(int(pid)) for pid in fifo.read_text().split()))

    def assert_gone(self, *, within_s: float = 0) -> None:
        for handle in self.handles:
            assert select.select([handle], [], [], within_s)[0], "a process is still there"
            os.close(handle)


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pids")
    return tmp_path / "pids"


async def test_a_plug_in_is_not_imported_here(tmp_path: Path) -> None:
    assert len(await SOURCES.draw(static("good"), count=3, seed=Seed(1))) == 3
    assert int((tmp_path / "imported by").read_text()) != os.getpid()
    assert "sn37_test_moods" not in sys.modules


async def test_t17_rows_cross_the_process_unchanged() -> None:
    reader = Reader(plugin=installed_plugin("t_live"), source=live("odd"), deadline_s=DEADLINE_S)
    (row,) = (await reader.collect(REQUEST)).samples
    at = datetime(2026, 1, 2, 22, 30, 0, 1, tzinfo=timezone(timedelta(hours=10)))
    assert row == Sample(
        prompt=ODD,
        reference="b",
        choices=("a" * 150_000, "b", "c"),
        provenance=Provenance(row_id=ODD, produced_at=at, signer=Hotkey("5F"), stratum=ODD),
    )
    assert row.provenance.produced_at is not None
    assert row.provenance.produced_at.isoformat() == at.isoformat()


async def test_a_row_that_is_far_too_long_is_set_aside_and_the_others_count() -> None:
    found = await SOURCES.collect(live("long"), REQUEST)
    assert len(found.pool.samples) == 40
    assert found.set_aside == (SetAside(why="more than 200,000 characters", row_ids=("long",)),)


async def test_a_plug_in_judges_its_rows_in_its_process() -> None:
    found = await SOURCES.collect(live("judging"), REQUEST)
    assert len(found.pool.samples) == 38
    assert found.set_aside == (
        SetAside(why="last", row_ids=("r039",)),
        SetAside(why="odd", row_ids=("r003",)),
    )


async def test_what_a_plug_in_prints_reaches_no_answer_and_what_it_logs_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len((await SOURCES.collect(live("printing"), REQUEST)).pool.samples) == 40
    await SOURCES.collect(live("logging"), REQUEST)
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "data set t_live: mine: left out 7"
    ]


async def test_a_plug_in_has_the_variables_and_the_folder_of_this_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "a key in ")
    monkeypatch.chdir(tmp_path)
    (row,) = (await SOURCES.collect(live("keyed"), REQUEST)).pool.samples
    assert row.reference == f"a key in {tmp_path}"


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        (
            "leaving",
            "data set t_live: a defect of the plug-in: RuntimeError: it called sys.exit(3)",
        ),
        (
            "leaving later",
            "data set t_live: a defect of the plug-in: CancelledError",
        ),
        ("vanishing", "data set t_live: its process died: gone"),
        ("lying", "data set t_live: a defect of the plug-in: its process sent an invalid line: "),
        ("unavailable", "the feed is mute"),
        ("exhausted", "data set t_live: a defect of the plug-in: DatasetExhausted: asked for 9"),
        ("wrong", "data set t_live: a defect of the plug-in: KeyError: 'rows'"),
        ("cancelled", "data set t_live: a defect of the plug-in: CancelledError"),
        ("untyped", "data set t_live: a defect of the plug-in: "),
        ("nothing", "data set t_live: a defect of the plug-in: AttributeError: "),
        ("late", "data set t_live: a defect of the plug-in: row 'r060' of 2026-01-02T13:00:00+00"),
    ],
)
@pytest.mark.fault("data plug-in", "wrong")
async def test_whatever_a_plug_in_does_is_one_line(mood: str, told: str) -> None:
    with pytest.raises(DatasetUnavailable) as caught:
        await SOURCES.collect(live(mood), REQUEST)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert caught.value.retry_after_s == (7.5 if mood == "unavailable" else None)


@pytest.mark.fault("plug-in call", "out of memory")
async def test_a_plug_in_that_eats_memory_ends_by_itself() -> None:
    with pytest.raises(DatasetUnavailable, match="t_live: a defect of the plug-in: MemoryError"):
        await SOURCES.collect(live("eating"), REQUEST)


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        (live("choosy"), ValueError, "mood choosy is not for sale"),
        (
            live("closed"),
            OpeningFailed,
            "data set t_live: a defect of the plug-in: KeyError: 'url'",
        ),
        (
            replace(live("good"), parameters={"mood": 3}),
            ValueError,
            "source t_live: parameter mood",
        ),
        (
            replace(live("good"), name="t_static"),
            ValueError,
            "source t_static is none, but the sch",
        ),
        (
            replace(live("good"), name="t_absent"),
            LookupError,
            "data set 't_absent' of moods cannot",
        ),
        (replace(live("good"), name="t_nobody"), LookupError, "no data set is installed as 't_nob"),
    ],
)
async def test_a_plug_in_that_cannot_be_opened_is_told_before_it_is_read(
    source: Source, error: type[Exception], told: str
) -> None:
    for attempt in (SOURCES.collect(source, REQUEST), SOURCES.open(source)):
        with pytest.raises(error) as caught:
            await attempt
        assert str(caught.value).startswith(told)


def pinnable(mood: str) -> Source:
    return a_source("t_pinned", parameters={"mood": mood})


async def test_a_revision_is_pinned_in_a_process(tmp_path: Path) -> None:
    pin = await SOURCES.pin(pinnable("good"))
    assert pin == Pin(parameters={"revision": "c" * 40}, told="two lines")
    assert int((tmp_path / "imported by").read_text()) != os.getpid()
    assert await SOURCES.pin(static("good")) is None


@pytest.mark.parametrize(
    ("mood", "error", "told"),
    [
        ("refusing", ValueError, "source t_pinned: parameter mood is wrong"),
        ("lying", DatasetUnavailable, "data set t_pinned: a defect of the plug-in: its process"),
        ("odd", DatasetUnavailable, "data set t_pinned: a defect of the plug-in: its process sent"),
        ("leaving", DatasetUnavailable, "data set t_pinned: a defect of the plug-in: Runtime"),
        ("unavailable", DatasetUnavailable, "the feed is mute"),
    ],
)
async def test_whatever_a_plug_in_does_when_it_pins_is_one_line(
    mood: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        await SOURCES.pin(pinnable(mood))
    assert str(caught.value).startswith(told)


async def test_a_plug_in_describes_itself() -> None:
    freshness, description = await SOURCES.describe("t_pinned")
    assert freshness is Freshness.NONE
    assert description is not None
    assert description.method is Method.MULTIPLE_CHOICE
    assert [p.name for p in description.parameters] == ["mood"]
    assert await SOURCES.describe("t_live") == (
        Freshness.LIVE,
        replace(description, method=Method.REFERENCE_LOSS),
    )


async def test_a_draw_from_too_few_rows_says_how_many_there_are() -> None:
    with pytest.raises(DatasetExhausted) as caught:
        await SOURCES.draw(static("exhausted"), count=9, seed=Seed(1))
    assert (caught.value.requested, caught.value.available) == (9, 2)


@pytest.mark.fault("data plug-in", "slow")
@pytest.mark.fault("plug-in call", "will not die")
async def test_a_plug_in_that_hangs_is_ended_at_the_deadline_and_asked_again() -> None:
    sources = Sources(installed_plugin, deadline_s=0.05)
    for _ in range(2):
        with pytest.raises(DatasetUnavailable, match=r"data set t_live: no answer within 0\.05 s"):
            await sources.collect(live("hanging"), REQUEST)


async def test_a_cancelled_read_leaves_no_process(pids: Path) -> None:
    reading = asyncio.create_task(SOURCES.collect(live("hanging"), REQUEST))
    family = await asyncio.to_thread(Family.of, pids)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    family.assert_gone()


async def test_a_plug_in_that_answers_leaves_no_process(pids: Path) -> None:
    reading = asyncio.create_task(SOURCES.collect(live("forking"), REQUEST))
    family = await asyncio.to_thread(Family.of, pids)
    assert len((await reading).pool.samples) == 40
    family.assert_gone()


@pytest.mark.fault("plug-in call", "orphaned")
def test_a_program_that_is_killed_leaves_no_process_of_a_plug_in(pids: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.dataset.collect_from_plugin"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    family = Family.of(pids)
    program.kill()
    program.wait()
    family.assert_gone(within_s=DEADLINE_S)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
async def test_another_environment_reaches_the_process(environment: dict[str, str]) -> None:
    reader = Reader(plugin=installed_plugin("t_live"), source=live("zone"), deadline_s=DEADLINE_S)
    (row,) = (await reader.within(environment).collect(REQUEST)).samples
    assert row.reference == environment["TZ"]


@dataclass(frozen=True)
class InAProcess:
    """A source of an installed plug-in, read as a validator reads it."""

    url: str

    async def collect(self, request: PoolRequest) -> Pool:
        source = a_source(
            "t_example", freshness=Freshness.LIVE, max_age_s=3600, parameters={"url": self.url}
        )
        return (await SOURCES.collect(source, request)).pool


class TestExample(LiveDatasetContract):
    """The plug-in of the documents keeps its contract through the process."""

    @pytest.fixture(autouse=True)
    def feed(self, tmp_path: Path) -> None:
        self.broken = tmp_path / "1.json"
        self.broken.write_bytes((EXAMPLE / "feed" / "1.json").read_bytes())  # and no second page

    def dataset(self) -> LiveDataset:
        return InAProcess((EXAMPLE / "feed" / "1.json").as_uri())

    def silent_dataset(self) -> LiveDataset:
        return InAProcess(self.broken.with_name("absent.json").as_uri())

    def partial_dataset(self) -> LiveDataset:
        return InAProcess(self.broken.as_uri())

    def request(self) -> PoolRequest:
        return PoolRequest(window=TimeWindow(since=NOON, until=NOON.replace(minute=50)))
