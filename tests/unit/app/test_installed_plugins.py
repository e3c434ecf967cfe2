"""Whatever a plug-in's process writes, its reader gets checked rows or one line."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.samples import installed, plugin_messages
from sn37.app.samples.installed import Answer, InstalledPlugin
from sn37.app.samples.plugin_calls import PluginCalls
from sn37.app.samples.plugin_messages import (
    MAX_IDS,
    Complete,
    Failure,
    Kind,
    Line,
    Logged,
    Order,
    decode_line,
    decode_order,
    encode_line,
    encode_order,
    in_parts,
)
from sn37.domain.data.samples import PoolRequest, Provenance, Sample
from sn37.domain.data.vetting import ContractBroken, SetAside
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import Description, ParameterDescription, Pin
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.builders import a_pool_request, a_sample, a_source, some_samples, time_of

REQUEST = a_pool_request()
SOURCE = a_source("feed", freshness=Freshness.LIVE, max_age_s=3600)
COLLECT = Order(name="feed", source=SOURCE, request=REQUEST)
COMPLETE = Complete(freshness=Freshness.LIVE, opened="Feed")
ROWS = some_samples(3, since=time_of(0))
TEXTS = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs, too
MOMENTS = st.datetimes(timezones=st.timezones())
SAMPLES = st.builds(
    Sample,
    prompt=TEXTS,
    reference=TEXTS,
    provenance=st.builds(
        Provenance,
        row_id=TEXTS,
        produced_at=st.none() | MOMENTS,
        signer=st.none() | TEXTS.map(Hotkey),
        stratum=st.none() | TEXTS,
    ),
)


def ask(lines: Iterable[bytes], order: Order = COLLECT) -> Answer:
    """Ask a plug-in whose process answers ``lines``, and then dies."""

    @asynccontextmanager
    async def run(
        module: str, order: bytes, environment: Mapping[str, str], *, max_line_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        yield answered()

    async def answered() -> AsyncIterator[bytes]:
        for line in lines:
            yield line
        raise DatasetUnavailable("died: it left no message")

    plugin = InstalledPlugin(name="feed", run=run)
    return asyncio.run(plugin.ask(order, PluginCalls(deadline_s=20)))


def written(*lines: Line) -> list[bytes]:
    return [encode_line(line) for line in lines]


@given(SAMPLES)
def test_a_row_is_read_as_it_was_written(sample: Sample) -> None:
    read = decode_line(encode_line(sample))
    assert isinstance(read, Sample)
    assert without_time(read) == without_time(sample)
    ours, theirs = sample.provenance.produced_at, read.provenance.produced_at
    assert (ours and ours.isoformat()) == (theirs and theirs.isoformat())


def without_time(sample: Sample) -> Sample:
    """Times that a zone has twice are unequal to themselves in another zone."""
    return replace(sample, provenance=replace(sample.provenance, produced_at=None))


def test_choices_are_read_as_they_were_written() -> None:
    sample = a_sample("r", reference="b", choices=("a", "b"))
    assert decode_line(encode_line(sample)) == sample


@pytest.mark.parametrize(
    "line",
    [
        COMPLETE,
        SetAside(why="odd", row_ids=("r1", "\ud800")),
        Logged(level=logging.INFO, text="seven"),
        Failure(kind=Kind.EXHAUSTED, message="few", requested=9, available=2),
        Failure(kind=Kind.UNAVAILABLE, message="mute", retry_after_s=7.5),
    ],
)
def test_other_lines_are_read_as_they_were_written(line: Line) -> None:
    assert decode_line(encode_line(line)) == line


@pytest.mark.parametrize(
    "order",
    [
        Order(name="feed"),
        COLLECT,
        replace(
            COLLECT,
            request=PoolRequest(
                window=REQUEST.window, trusted=frozenset(map(Hotkey, "ab")), salt="0x1"
            ),
            is_vetted=False,
            log_level=logging.INFO,
        ),
        Order(
            name="rows",
            source=a_source(
                "rows", parameters={"a": (1, (2.5, "x")), "b": math.inf, "c": True, "d": "inf"}
            ),
            count=3,
            seed=Seed(2**256 - 1),
        ),
    ],
)
def test_an_order_is_read_as_it_was_written(order: Order) -> None:
    assert decode_order(encode_order(order)) == order
    assert b"\n" not in encode_order(order)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"rows",
        b"[",
        b"[" * 100_000,
        b"{}",
        b"3",
        b"null",
        b"[]",
        b'["r", null, null, null, "p", "x"]',
        b'["r", null, null, null, 3, "x", []]',
        b'["r", null, null, null, "p", "x", [3]]',
        b'["r", null, null, null, "p", "x", ["a"]]',
        b'["r", null, 3, null, "p", "x", []]',
        b'["r", 3, null, null, "p", "x", []]',
        b'["r", "noon", null, null, "p", "x", []]',
        b'["r", "2026-01-02T12:00:00", null, null, "p", "x", []]',
        b'{"aside": ["odd", [3]]}',
        b'{"aside": ["odd", "r"]}',
        b'{"aside": ["odd", []]}',
        b'{"aside": ["odd", ["r"' + b', "r"' * MAX_IDS + b"]]}",
        b'{"aside": ["odd", ["' + b"r" * 501 + b'"]]}',
        b'{"aside": ["' + b"w" * 501 + b'", ["r"]]}',
        b'{"log": ["20", "text"]}',
        b'{"complete": {}}',
        b'{"complete": {"freshness": "old", "opened": "", "left_random_alone": true}}',
        b'{"error": {"kind": "odd", "message": "m"}}',
        b'{"error": {"kind": "defect", "message": "m"}}',
        b'{"error": {"kind": "defect", "message": "m", "retry_after_s": 1'
        + b"0" * 400
        + b', "requested": 0, "available": 0}}',
    ],
)
@pytest.mark.fault("data plug-in", "wrong")
def test_anything_else_in_an_answer_is_a_defect(line: bytes) -> None:
    with pytest.raises(ContractBroken, match="its process sent an invalid line: "):
        decode_line(line)
    with pytest.raises(
        DatasetUnavailable, match=r"feed: a defect of the plug-in: its process sent"
    ):
        ask([*written(*ROWS), line])


@pytest.mark.parametrize("after", ["NaN", "Infinity"])
def test_a_wait_without_end_is_no_hint(after: str) -> None:
    told = f'{{"error": {{"kind": "unavailable", "message": "m", "retry_after_s": {after}, '
    line = told + '"requested": 0, "available": 0}}'
    assert decode_line(line.encode()) == Failure(kind=Kind.UNAVAILABLE, message="m")


def test_rows_are_put_in_order_and_counted_with_those_set_aside() -> None:
    aside = SetAside(why="odd", row_ids=tuple(map(str, range(2 * MAX_IDS + 1))))
    parts = list(in_parts(aside))
    assert [len(part.row_ids) for part in parts] == [MAX_IDS, MAX_IDS, 1]
    late = SetAside(why="long", row_ids=("x",))
    answer = ask(written(*reversed(ROWS), *parts, late, COMPLETE))
    assert answer.collected.pool.samples == ROWS
    assert answer.samples == ROWS[::-1]
    assert answer.collected.set_aside == (aside, late)
    assert answer.complete == COMPLETE


def test_names_of_rows_set_aside_are_cut() -> None:
    line = SetAside(why="w" * 600, row_ids=("r" * 600,))
    assert decode_line(encode_line(line)) == SetAside(why="w" * 300, row_ids=("r" * 500,))


FORGED = "so\n2026-01-01 CRITICAL sn37: \x1b[2J\ud800"
SHOWN = "so 2026-01-01 CRITICAL sn37: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (Logged(level=10**9, text=FORGED), Logged(level=logging.CRITICAL, text=SHOWN)),
        (Logged(level=-1, text="x" * 10_001), Logged(level=logging.NOTSET, text="x" * 10_000)),
        (SetAside(why=FORGED, row_ids=("r",)), SetAside(why=SHOWN, row_ids=("r",))),
        (replace(COMPLETE, opened=FORGED), replace(COMPLETE, opened=SHOWN)),
        *((Failure(kind=kind, message=FORGED), Failure(kind=kind, message=SHOWN)) for kind in Kind),
    ],
)
@pytest.mark.fault("data plug-in", "wrong")
def test_a_plug_in_forges_no_line_of_the_log(line: Line, read: Line) -> None:
    assert decode_line(encode_line(line)) == read


@pytest.mark.fault("data plug-in", "wrong")
def test_a_message_that_its_process_did_not_cut_is_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = json.dumps({"log": [logging.WARNING, "x" * 1_000_000]}).encode()
    ask([told, *written(COMPLETE)])
    assert [len(r.getMessage()) for r in caplog.records] == [len("data set feed: ") + 10_000]


def test_t17_rows_are_checked_again_here() -> None:
    nul = a_sample("nul", reference="\0", produced_at=time_of(1))
    answer = ask(written(*ROWS, nul, COMPLETE))
    assert answer.collected.pool.samples == ROWS
    assert answer.collected.set_aside == (SetAside(why="a NUL in the text", row_ids=("nul",)),)
    for wrong in (a_sample("late", produced_at=time_of(99_999)), ROWS[0]):
        with pytest.raises(DatasetUnavailable, match="data set feed: a defect of the plug-in: "):
            ask(written(*ROWS, wrong, COMPLETE))
    draw = Order(name="feed", source=a_source("feed"), count=2)
    with pytest.raises(DatasetUnavailable, match="3 samples, not 2 distinct ones"):
        ask(written(*ROWS, COMPLETE), draw)


@pytest.mark.fault("data plug-in", "wrong")
def test_an_answer_without_its_last_line_is_unavailable() -> None:
    with pytest.raises(DatasetUnavailable, match=r"^data set feed: its process died: it left no"):
        ask(written(*ROWS))


@pytest.mark.fault("data plug-in", "wrong")
def test_an_answer_that_is_too_large_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(*ROWS, COMPLETE)
    monkeypatch.setattr(installed, "MAX_ANSWER_BYTES", sum(map(len, lines)))
    assert len(ask(lines).samples) == 3
    monkeypatch.setattr(installed, "MAX_ANSWER_BYTES", sum(map(len, lines)) - 1)
    with pytest.raises(DatasetUnavailable, match="a defect of the plug-in: an answer of more than"):
        ask(lines)


@pytest.mark.fault("data plug-in", "wrong")
def test_t17_an_answer_of_too_many_rows_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(*ROWS, SetAside(why="odd", row_ids=("a", "b")), COMPLETE)
    monkeypatch.setattr(installed, "MAX_ROWS", 5)
    assert len(ask(lines).samples) == 3
    monkeypatch.setattr(installed, "MAX_ROWS", 4)
    with pytest.raises(DatasetUnavailable, match="a defect of the plug-in: more than 4 rows, with"):
        ask(lines)


@pytest.mark.fault("data plug-in", "wrong")
def test_t17_a_repeated_row_is_refused_where_it_is_read() -> None:
    with pytest.raises(DatasetUnavailable, match="a defect of the plug-in: row 'row-00000' twice"):
        ask([*written(*ROWS, ROWS[0]), b"a line that is not read"])


@pytest.mark.fault("data plug-in", "slow")
def test_t17_an_answer_without_end_is_ended_at_the_deadline() -> None:
    ended = Event()

    @asynccontextmanager
    async def run(
        module: str, order: bytes, environment: Mapping[str, str], *, max_line_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            yield endless()
        finally:
            ended.set()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b'{"log":[0,""]}\n'

    plugin = InstalledPlugin(name="feed", run=run)
    with pytest.raises(DatasetUnavailable, match=r"no answer within 0\.05 s; the call was"):
        asyncio.run(plugin.ask(COLLECT, PluginCalls(deadline_s=0.05)))
    assert ended.wait(20)


def test_a_plug_in_cannot_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(installed, "MAX_LOGGED", 2)
    monkeypatch.setattr(plugin_messages, "MAX_LOG_CHARACTERS", 5)
    shown = [Logged(level=logging.WARNING, text=f"{n} is a number") for n in range(9)]
    ask(written(*shown, COMPLETE))
    assert [r.getMessage() for r in caplog.records] == [
        "data set feed: 0 is",
        "data set feed: 1 is",
    ]


PARAMETER = ParameterDescription(
    name="size", takes="integer, default 3", is_required=False, default=(1, (2.5, "x"), True)
)


@pytest.mark.parametrize(
    "line",
    [
        Complete(freshness=Freshness.LIVE, description=Description(method=Method.TEXT_LOSS)),
        Complete(
            freshness=Freshness.NONE,
            description=Description(
                method=Method.MULTIPLE_CHOICE,
                parameters=(PARAMETER, replace(PARAMETER, default=None, is_required=True)),
                packages=("wandb", "pyarrow"),
                install="sn37[data]",
            ),
        ),
        Complete(freshness=Freshness.NONE, pin=Pin(parameters={"revision": "c"}, told="2 files")),
    ],
)
def test_what_a_plug_in_says_of_itself_crosses_the_process(line: Complete) -> None:
    assert decode_line(encode_line(line)) == line


def spoilt(**changes: object) -> bytes:
    whole = Complete(
        freshness=Freshness.NONE,
        description=Description(method=Method.TEXT_LOSS, parameters=(PARAMETER,)),
        pin=Pin(parameters={"revision": "c"}, told="2 files"),
    )
    told = json.loads(encode_line(whole))
    told["complete"].update(changes)
    return json.dumps(told).encode()


def described(**changes: object) -> dict[str, object]:
    usual = {"method": "text_loss", "parameters": [], "packages": [], "install": ""}
    return usual | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"description": 3},
        {"description": described(method="guess")},
        {"description": described(parameters=[{"name": "size"}])},
        {"description": described(parameters=[{}] * 1001)},
        {"description": described(packages=["os.path"])},
        {"description": described(packages=[3])},
        {"description": described(install=None)},
        {
            "description": described(
                parameters=[{"name": "a", "takes": "b", "is_required": False, "default": {"c": 1}}]
            )
        },
        {"pin": "c"},
        {"pin": {"parameters": {"revision": 3}, "told": "x"}},
        {"pin": {"parameters": {}, "told": 3}},
    ],
)
def test_t17_a_description_or_pin_of_another_form_is_a_broken_contract(
    changes: dict[str, object],
) -> None:
    assert isinstance(decode_line(spoilt()), Complete)
    with pytest.raises(ContractBroken, match="its process sent an invalid line"):
        decode_line(spoilt(**changes))


def test_t17_a_description_is_printable_and_on_one_line() -> None:
    parameter = replace(PARAMETER, name="a\nb", takes="\x1b[2J")
    described = Description(method=Method.TEXT_LOSS, parameters=(parameter,))
    line = decode_line(encode_line(Complete(freshness=Freshness.NONE, description=described)))
    assert isinstance(line, Complete)
    assert line.description is not None
    (read,) = line.description.parameters
    assert (read.name, read.takes) == ("a b", "\N{REPLACEMENT CHARACTER}[2J")
