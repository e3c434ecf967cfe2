"""What the hub, its files and its rows can do to a reader: repeated, or reported; never a part."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.dataset import parquet_rows, sn1_hub_worker
from sn37.adapters.dataset.hub_repository import TRIES
from sn37.adapters.dataset.parquet_cells import Kind
from sn37.adapters.dataset.sn1_hub import HubQuestions
from sn37.adapters.dataset.sn1_hub_worker import MAX_BYTES, MAX_FILES
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset import macrobench
from tests.integration.dataset.macrobench import (
    parquet,
    publish,
    publish_rows,
    question,
    read,
    unpacking_to_gigabytes,
)
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub
from tests.support.processes import children_of

COMMITS, LISTING, FILE = "/commits/", "/revision/", "/resolve/"
ROWS = [question(n) for n in range(20)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        publish_rows(hub, ROWS)
        yield hub


def failure(hub: Hub, folder: Path) -> DatasetUnavailable:
    with pytest.raises(DatasetUnavailable) as caught:
        read(hub, folder)
    assert "\n" not in str(caught.value)
    return caught.value


def failure_of_a_process(dataset: HubQuestions) -> DatasetUnavailable:
    before = children_of(os.getpid())
    with pytest.raises(DatasetUnavailable) as caught:
        asyncio.run(dataset.collect(macrobench.request()))
    assert children_of(os.getpid()) == before
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        Fault(COMMITS, status=429),
        Fault(LISTING, status=429, headers={"Retry-After": "0"}),
        Fault(FILE, status=503, times=3),
        Fault(FILE, cut_after=500, times=2),
        Fault(LISTING, cut_after=20),
        Fault(COMMITS, drop=True, times=2),
        Fault(FILE, flip=True),
        Fault(LISTING, body=b"<html>try again</html>"),
    ],
    ids=lambda fault: fault.path,
)
@pytest.mark.fault("hub rows", "flapping")
def test_what_passes_is_asked_for_again_and_nothing_is_missing(
    hub: Hub, tmp_path: Path, fault: Fault
) -> None:
    hub.faults.append(replace(fault))
    assert len(read(hub, tmp_path).samples) == len(ROWS)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(COMMITS, status=500), "the hub answers 500"),
        (Fault(LISTING, status=429), "the hub answers 429"),
        (Fault(FILE, cut_after=500), "the hub does not answer: RemoteProtocolError"),
        (
            Fault(FILE, flip=True),
            "-00000-of-00001.parquet' does not match its listed size and hash",
        ),
        (Fault(FILE, resize=1), "-00000-of-00001.parquet' does not match its listed size and hash"),
        (Fault(COMMITS, body=b"{}"), "no list of commits"),
        (Fault(COMMITS, body=b'[{"id": 3, "date": 4}]'), "invalid commit entry: "),
        (Fault(COMMITS, body=b'[{"id": "main", "date": "2025-01-10"}]'), "invalid commit entry: "),
        (Fault(COMMITS, body=b"[" * 100_000), "answer of the hub is not JSON"),
        (Fault(LISTING, body=b"[]"), "no list of files"),
        (Fault(LISTING, body=b'{"siblings": [{"rfilename": 1}]}'), "invalid file entry: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.fault("hub rows", "down")
@pytest.mark.fault("hub rows", "wrong")
def test_what_does_not_pass_is_reported_in_a_line(
    hub: Hub, tmp_path: Path, fault: Fault, message: str
) -> None:
    hub.faults.append(replace(fault, times=TRIES))
    error = failure(hub, tmp_path)
    assert str(error).startswith(macrobench.REPO)
    assert message in str(error)
    assert error.__cause__ is not None
    assert hub.faults[0].times == 0


@pytest.mark.parametrize(
    ("fault", "retry_after_s"),
    [
        (Fault(COMMITS, status=429, headers={"Retry-After": "3600"}), 3600.0),
        (Fault(COMMITS, status=429, headers={"ratelimit": '"api";r=0;t=270'}), 270.0),
        (Fault(LISTING, status=404), None),
        (Fault(LISTING, status=401), None),
    ],
    ids=["retry-after", "ratelimit", "missing", "unauthorized"],
)
def test_what_is_no_use_is_not_repeated(
    hub: Hub, tmp_path: Path, fault: Fault, retry_after_s: float | None
) -> None:
    hub.faults.append(replace(fault, times=TRIES))
    assert failure(hub, tmp_path).retry_after_s == retry_after_s
    assert hub.faults[0].times == TRIES - 1


def test_the_operators_token_is_not_shown_to_a_hub_that_the_schedule_names(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.tokens["hf_operator"] = "macrocosm-os"  # may read everything there
    hub.repositories[macrobench.REPO].private = True
    monkeypatch.setenv("HF_TOKEN", "hf_operator")
    assert "the hub answers 401" in str(failure(hub, tmp_path))


@pytest.mark.fault("hub rows", "slow")
@pytest.mark.fault("hub rows reader", "will not die")
def test_a_mute_hub_is_given_up_in_time_and_nothing_is_left_running(hub: Hub) -> None:
    hub.faults.append(Fault("", times=None, delay_s=60))
    error = failure_of_a_process(macrobench.source(hub, timeout_s=1.5))
    assert "took more than 1.5 s" in str(error)


@pytest.mark.fault("hub rows", "down")
def test_a_hub_that_is_not_there_is_reported() -> None:
    nowhere = HubQuestions(macrobench.REPO, [], endpoint="http://127.0.0.1:9", pause_s=0.001)
    error = failure_of_a_process(nowhere)
    assert "the hub does not answer: ConnectError" in str(error)
    assert error.__cause__ is not None


def test_pages_of_the_history_are_not_followed_to_another_host(hub: Hub, tmp_path: Path) -> None:
    publish_rows(hub, ROWS, at="2025-01-10T22:00:00Z")
    hub.page_length = 1
    ours, hub.url = hub.url, hub.url.replace("127.0.0.1", "localhost")
    order = replace(macrobench.order(hub), endpoint=ours)
    with pytest.raises(DatasetUnavailable, match="is on another host"):
        sn1_hub_worker.read(order, tmp_path)


def test_a_history_without_a_revision_from_before_the_window_is_reported(
    hub: Hub, tmp_path: Path
) -> None:
    hub.repositories.clear()
    publish_rows(hub, ROWS, at="2025-01-10T21:00:00Z")
    assert "no revision older than 2025-01-10T21:00:00+00:00" in str(failure(hub, tmp_path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1 and nothing else", "2025-01-10-00000-of-00001.parquet'"),
        (parquet(ROWS)[:-2000] + bytes(2000), "2025-01-10-00000-of-00001.parquet'"),
        (
            parquet([{k: v for k, v in r.items() if k != "challenge"} for r in ROWS]),
            "column challenge is missing",
        ),
        (parquet([{"id": "x"}] * 100_001), "100001 rows exceed the limit of 100000"),
    ],
    ids=["damaged", "overwritten", "column", "rows"],
)
@pytest.mark.fault("hub rows", "wrong")
def test_a_file_that_is_not_the_table_it_should_be_is_reported(
    hub: Hub, tmp_path: Path, data: bytes, message: str
) -> None:
    publish(hub, {macrobench.path("2025-01-10"): HubFile(data, lfs=True)})
    assert message in str(failure(hub, tmp_path))


@pytest.mark.fault("hub rows reader", "out of memory")
def test_t17_a_file_that_unpacks_to_gigabytes_ends_the_reader_only(
    hub: Hub, tmp_path: Path
) -> None:
    data = unpacking_to_gigabytes()
    assert len(data) < 2**20
    publish(hub, {macrobench.path("2025-01-10"): HubFile(data, lfs=True)})
    error = failure_of_a_process(macrobench.source(hub))
    assert "unpacking exceeds the memory limit" in str(error)


def test_a_file_that_says_that_it_is_too_large_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parquet_rows, "MAX_UNPACKED_BYTES", 1000)
    path = tmp_path / "rows"
    path.write_bytes(parquet(ROWS))
    with pytest.raises(parquet_rows.UnreadableParquet, match="bytes unpacked exceed 1000"):
        list(parquet_rows.parquet_rows(path, required={"id": Kind.TEXT}))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("id", 1.5, "column id is of type double; it must be text"),
        ("hotkey", [1], "column hotkey is of type list<element: int64>; it must be text"),
        ("timestamp", True, "column timestamp is of type bool; it must be a time, or text that"),
        ("challenge", 7, "column challenge is of type int64; it must be text"),
        ("reference", {"a": "b"}, "column reference is of type struct<a: string>; it must be text"),
        ("topic", 1, "column topic is of type int64; it must be text"),
    ],
)
def test_a_column_of_a_wrong_type_is_named_with_its_type(
    hub: Hub, tmp_path: Path, column: str, value: object, message: str
) -> None:
    rows = [{**row, column: value} for row in ROWS]
    publish(hub, {macrobench.path("2025-01-10"): HubFile(parquet(rows), lfs=True)})
    assert message in str(failure(hub, tmp_path))


def test_bytes_that_are_no_text_leave_their_row_out(hub: Hub, tmp_path: Path) -> None:
    rows = [
        {**row, "challenge": b"\xff" if n == 3 else str(row["challenge"]).encode()}
        for n, row in enumerate(ROWS)
    ]
    publish(hub, {macrobench.path("2025-01-10"): HubFile(parquet(rows), lfs=True)})
    found = read(hub, tmp_path)
    assert len(found.samples) == len(ROWS) - 1


def test_more_or_larger_files_than_a_window_has_are_not_fetched(hub: Hub, tmp_path: Path) -> None:
    many = {f"2025-01-10/{n}.parquet": macrobench.file(ROWS) for n in range(MAX_FILES + 1)}
    publish(hub, many)
    assert f"{MAX_FILES + 1} files" in str(failure(hub, tmp_path))
    large = HubFile(b"", lfs=True, claimed_size=MAX_BYTES + 1)
    publish(hub, {macrobench.path("2025-01-10"): large})
    assert f"of {MAX_BYTES + 1} bytes" in str(failure(hub, tmp_path))
    assert not any(FILE in s.path for s in hub.served)


def test_a_repository_of_another_layout_is_reported(hub: Hub, tmp_path: Path) -> None:
    publish(hub, {"data/train-00000-of-00001.parquet": macrobench.file(ROWS)})
    assert "no Parquet files with a date" in str(failure(hub, tmp_path))


def test_two_readers_of_a_growing_history_read_the_same(hub: Hub) -> None:
    first = asyncio.run(macrobench.source(hub).collect(macrobench.request()))
    more = [*ROWS, *(question(n) for n in range(20, 40))]
    publish_rows(hub, more, at="2025-01-10T21:05:00Z")
    assert asyncio.run(macrobench.source(hub).collect(macrobench.request())) == first
