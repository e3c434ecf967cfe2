"""What the hub and its files can do to a reader of tables: repeated or reported, never replaced."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from sn37.adapters.dataset import hub_repository
from sn37.adapters.dataset.hub_repository import TRIES
from sn37.adapters.dataset.hub_rows import manifest, parquet_groups, table
from sn37.adapters.dataset.hub_rows.source import HubRows
from sn37.domain.ids import Seed
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset.hub_tables import (
    NUM_SHARDS,
    REPO,
    RESOLVE,
    count_requests,
    draw,
    hub_with_pages,
    page,
    pages,
    parameters,
    parquet,
    path,
    pin,
    pinned_parameters,
    publish,
)
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_state import Hub
from tests.support.processes import children_of

LISTING = "/revision/"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_with_pages() as hub:
        yield hub


def refused(hub: Hub, folder: Path, **others: object) -> str:
    """Pin a table that cannot be; return why."""
    with pytest.raises(DatasetUnavailable) as caught:
        pin(hub, folder, **others)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(REPO)
    return str(caught.value)


PASSING = [
    Fault(RESOLVE, status=429),
    Fault(RESOLVE, status=429, headers={"Retry-After": "0"}),
    Fault(RESOLVE, status=503, times=3),
    Fault(RESOLVE, cut_after=100, times=2),
    Fault(RESOLVE, drop=True, times=2),
    Fault(RESOLVE, body=b"<html>try again</html>"),
    Fault(RESOLVE, ignore_range=True, times=None),
]


@pytest.mark.parametrize("skip", [0, 3])
@pytest.mark.parametrize("fault", [*PASSING, Fault(RESOLVE, flip=True)], ids=str)
@pytest.mark.fault("hub tables", "flapping")
def test_a_read_that_fails_is_repeated_and_the_draw_is_the_same(
    hub: Hub, tmp_path: Path, fault: Fault, skip: int
) -> None:
    chosen = pinned_parameters(hub, tmp_path / "calm")
    calm = draw(chosen, tmp_path / "calm", count=60)
    pin(hub, tmp_path / "stormy")
    hub.faults.append(replace(fault, skip=skip))
    assert draw(chosen, tmp_path / "stormy", count=60) == calm
    assert hub.faults[0].times in (0, None)


@pytest.mark.parametrize("fault", [Fault(LISTING, status=429), Fault(LISTING, body=b"<"), *PASSING])
def test_a_manifest_is_made_despite_what_passes(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    calm = pin(hub, tmp_path / "calm")
    hub.faults.append(replace(fault))
    assert pin(hub, tmp_path / "stormy") == calm


def test_a_manifest_that_was_interrupted_goes_on_with_the_files_that_are_missing(
    hub: Hub, tmp_path: Path
) -> None:
    calm = pin(hub, tmp_path / "calm")
    hub.faults.append(Fault(RESOLVE, status=403, skip=2))
    assert "the hub answers 403" in refused(hub, tmp_path)
    requests = count_requests(hub)
    assert pin(hub, tmp_path) == calm
    assert requests() == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(RESOLVE, status=500), "the hub answers 500"),
        (Fault(RESOLVE, status=429), "the hub answers 429"),
        (Fault(RESOLVE, status=404), "the hub answers 404: is it public?"),
        (Fault(RESOLVE, cut_after=10), "the hub does not answer: RemoteProtocolError"),
        (Fault(RESOLVE, flip=True), "/"),
        (Fault(RESOLVE, resize=1), "the hub answers with other bytes"),
        (Fault(RESOLVE, body=b"x"), "the hub's answer is too short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.fault("hub tables", "down")
@pytest.mark.fault("hub tables", "wrong")
def test_a_read_that_always_fails_is_reported_and_nothing_else_is_drawn(
    hub: Hub, tmp_path: Path, fault: Fault, message: str
) -> None:
    chosen = pinned_parameters(hub, tmp_path)
    hub.faults.append(replace(fault, skip=4, times=None))
    with pytest.raises(DatasetUnavailable) as caught:
        draw(chosen, tmp_path, count=60)
    assert message in str(caught.value)
    assert str(caught.value).startswith(REPO)
    assert caught.value.__cause__ is not None
    places = {(s.path, s.offset) for s in hub.served if s.status == 206}
    assert len(places) <= NUM_SHARDS + 5  # footers, four row groups, and the one that failed


@pytest.mark.fault("hub tables", "wrong")
def test_a_hub_that_ignores_ranges_of_large_files_is_refused_before_it_sends_them(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_repository, "MAX_SKIPPED_BYTES", 1000)
    hub.faults.append(Fault(RESOLVE, ignore_range=True, times=None))
    requests = count_requests(hub)
    assert "the hub ignores the range of a request" in refused(hub, tmp_path)
    assert requests() == TRIES


def test_a_long_wait_that_the_hub_asks_for_is_passed_on(hub: Hub, tmp_path: Path) -> None:
    chosen = pinned_parameters(hub, tmp_path)
    hub.faults.append(Fault(RESOLVE, status=429, headers={"Retry-After": "3600"}, times=None))
    with pytest.raises(DatasetUnavailable) as caught:
        draw(chosen, tmp_path)
    assert caught.value.retry_after_s == 3600


def test_a_revision_that_is_gone_is_reported(hub: Hub, tmp_path: Path) -> None:
    chosen = pinned_parameters(hub, tmp_path / "before")
    hub.repositories.clear()
    publish(hub, {path(0): parquet(pages(1))})
    with pytest.raises(DatasetUnavailable, match="the hub answers 404"):
        draw(chosen, tmp_path / "after")


def with_another_footer_length() -> bytes:
    """A footer that states another length."""
    data = parquet(pages(0))
    return data[:-8] + (2**31).to_bytes(4, "little") + data[-4:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not a Parquet file, or it is truncated"),
        (b"PAR1", "it is not a Parquet file, or it is truncated"),
        (parquet(pages(0))[:-1], "it is not a Parquet file, or it is truncated"),
        (b"PAR1" + b"\xff" * 200 + (200).to_bytes(4, "little") + b"PAR1", "'data/"),
        (with_another_footer_length(), "a footer of 2147483656 bytes is too long"),
        (parquet([{"title": "x"}]), "column text is missing"),
        (parquet([{"text": 7}]), "column text is of type int64; it must be text"),
        (parquet([{"text": [{"a": "b"}]}]), "column text is of type list<"),
    ],
)
@pytest.mark.fault("hub tables", "wrong")
def test_a_file_that_is_not_the_table_it_should_be_is_reported(
    hub: Hub, tmp_path: Path, data: bytes, message: str
) -> None:
    publish(hub, {path(0): parquet(pages(0)), path(1): data})
    assert message in refused(hub, tmp_path)


def test_messages_without_roles_are_named_with_their_type(hub: Hub, tmp_path: Path) -> None:
    publish(hub, {path(0): parquet([{"messages": [{"from": "user", "value": "?"}]}])})
    said = refused(hub, tmp_path, messages="messages")
    assert "it must be a list of messages with role and content" in said


def test_a_truncated_file_is_reported_though_its_end_was_read(hub: Hub, tmp_path: Path) -> None:
    rows = [{**page(n), "text": os.urandom(4000).hex()} for n in range(60)]
    data = parquet(rows)
    chosen_of = {path(0): HubFile(data, lfs=True)}
    hub.publish(REPO, chosen_of)
    chosen = pinned_parameters(hub, tmp_path)
    head = hub.repositories[REPO].head
    cut = HubFile(data[: len(data) // 2], lfs=True, claimed_size=len(data))
    hub.repositories[REPO].revisions[head] = {path(0): cut}
    with pytest.raises(DatasetUnavailable, match="the hub answers"):
        draw(chosen, tmp_path, count=60)


def test_other_data_under_the_same_footer_are_reported(hub: Hub, tmp_path: Path) -> None:
    data = parquet(pages(0))
    publish(hub, {path(0): data})
    chosen = pinned_parameters(hub, tmp_path)
    head = hub.repositories[REPO].head
    overwritten = HubFile(b"PAR1" + bytes(len(data) // 2) + data[len(data) // 2 + 4 :], lfs=True)
    hub.repositories[REPO].revisions[head] = {path(0): overwritten}
    with pytest.raises(DatasetUnavailable, match="'data/train-00000"):
        draw(chosen, tmp_path, count=120)


@pytest.mark.parametrize(
    ("module", "limit", "value", "message"),
    [
        (parquet_groups, "MAX_GROUP_BYTES", 100, "bytes exceed 100"),
        (parquet_groups, "MAX_UNPACKED_BYTES", 100, "bytes unpacked exceed 100"),
        (parquet_groups, "MAX_GROUP_ROWS", 10, "20 rows exceed 10"),
        (parquet_groups, "MAX_FOOTER_BYTES", 100, "bytes is too long"),
        (manifest, "MAX_FILES", 3, "4 files exceed the limit of 3"),
        (manifest, "MAX_PATH_CHARACTERS", 9, "is too long"),
        (table, "MAX_GROUPS", 10, "more than 10 row groups"),
    ],
)
def test_a_table_beyond_a_limit_is_refused_when_it_is_pinned(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    limit: str,
    value: int,
    message: str,
) -> None:
    monkeypatch.setattr(module, limit, value)
    assert message in refused(hub, tmp_path)


def test_a_draw_reads_no_more_than_its_limit(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = pinned_parameters(hub, tmp_path)
    monkeypatch.setattr(table, "MAX_DRAW_BYTES", 1000)
    requests = count_requests(hub)
    with pytest.raises(DatasetUnavailable, match="would read more than 1000 bytes"):
        draw(chosen, tmp_path, count=120)
    assert 0 < requests() < 10


def test_a_pattern_without_a_file_is_named(hub: Hub, tmp_path: Path) -> None:
    said = refused(hub, tmp_path, files=("data/*.parquet", "test/*.parquet"))
    assert "has no Parquet file 'test/*.parquet' at this revision" in said


@pytest.mark.fault("hub tables", "slow")
def test_a_mute_hub_is_given_up_in_time_and_nothing_is_left_running(
    hub: Hub, tmp_path: Path
) -> None:
    hub.faults.append(Fault("", times=None, delay_s=60))
    before = children_of(os.getpid())
    dataset = HubRows(parameters(hub), folder=tmp_path, timeout_s=1.5)
    with pytest.raises(DatasetUnavailable, match=r"took more than 1\.5 s"):
        asyncio.run(dataset.draw(count=10, seed=Seed(1)))
    assert children_of(os.getpid()) == before


@pytest.mark.fault("hub rows reader", "out of memory")
def test_t17_a_row_group_that_unpacks_to_gigabytes_ends_the_reader_only(
    hub: Hub, tmp_path: Path
) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 256), pa.array(["x" * 2**23]))
    target = io.BytesIO()
    pq.write_table(pa.table({"text": text}), target, store_schema=False)
    publish(hub, {path(0): target.getvalue()})
    dataset = HubRows(pinned_parameters(hub, tmp_path), folder=tmp_path)
    with pytest.raises(DatasetUnavailable, match="unpacking exceeds the memory limit"):
        asyncio.run(dataset.draw(count=10, seed=Seed(1)))


def test_the_operators_token_is_not_shown_to_a_hub_that_the_schedule_names(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.tokens["hf_operator"] = REPO.split("/")[0]
    hub.repositories[REPO].private = True
    monkeypatch.setenv("HF_TOKEN", "hf_operator")
    assert "the hub answers 401" in refused(hub, tmp_path)
