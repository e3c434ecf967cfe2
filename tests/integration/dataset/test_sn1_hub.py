"""Subnet 1's data set, read through huggingface_hub's client from a hub on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.dataset.sn1_hub import HubQuestions
from sn37.domain.data.samples import Pool, PoolRequest
from sn37.testing.builders import a_window
from sn37.testing.dataset_contract import LiveDatasetContract
from tests.integration.dataset import macrobench
from tests.integration.dataset.macrobench import (
    START,
    STRANGER,
    publish,
    publish_rows,
    question,
    read,
)
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_repositories import HubFile
from tests.integration.hub.hub_server import running_hub
from tests.integration.hub.hub_state import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


def collect(hub: Hub, request: PoolRequest | None = None, **options: float) -> Pool:
    dataset = macrobench.source(hub, **options)
    return asyncio.run(dataset.collect(request or macrobench.request()))


def ids(pool: Pool) -> list[str]:
    return [s.provenance.row_id for s in pool.samples]


class TestHubQuestions(LiveDatasetContract):
    @pytest.fixture(autouse=True)
    def _hub(self, hub: Hub) -> None:
        self.hub = hub
        rows = [question(n) for n in range(-5, 70)]
        rows += [question(n, id=f"other-{n}", hotkey=STRANGER) for n in range(5)]
        publish_rows(hub, rows, at="2025-01-10T19:00:00Z")

    def dataset(self) -> HubQuestions:
        return macrobench.source(self.hub)

    def silent_dataset(self) -> HubQuestions:
        self.hub.faults.append(Fault(path="", times=None, drop=True))
        return self.dataset()

    def partial_dataset(self) -> HubQuestions:
        self.hub.faults.append(Fault(path="resolve", times=None, cut_after=1000))
        return self.dataset()

    def request(self) -> PoolRequest:
        return macrobench.request()


def test_a_row_becomes_a_question_with_its_options(hub: Hub, tmp_path: Path) -> None:
    publish_rows(hub, [question(7)])
    (sample,) = read(hub, tmp_path).samples
    assert sample.prompt == "What is 7 + 7?"
    assert sample.choices == ("15", "14", "21", "None")
    assert sample.reference == "14"
    assert sample.provenance.row_id == "q-007"
    assert sample.provenance.signer == "5Bob"
    assert sample.provenance.stratum == "multi_choice"
    assert sample.provenance.produced_at == START + timedelta(minutes=7)


def test_nobody_trusted_gives_no_row_and_no_question_of_trust_gives_all_unsigned(hub: Hub) -> None:
    publish_rows(hub, [question(1), question(2, hotkey=STRANGER)])
    window = macrobench.request().window
    assert ids(collect(hub, PoolRequest(window=window, trusted=frozenset()))) == []
    unsigned = collect(hub, PoolRequest(window=window))
    assert ids(unsigned) == ["q-001", "q-002"]
    assert {s.provenance.signer for s in unsigned.samples} == {None}


def test_the_newest_revision_from_before_the_windows_end_is_read(hub: Hub, tmp_path: Path) -> None:
    publish_rows(hub, [question(1)], at="2025-01-10T20:10:00Z")
    publish_rows(hub, [question(1), question(2)], at="2025-01-10T20:59:59.999Z")
    publish_rows(hub, [question(3)], at="2025-01-10T21:00:00Z")
    publish_rows(hub, [question(4)], at="2025-01-10T21:30:00+00:00")
    assert ids(read(hub, tmp_path)) == ["q-001", "q-002"]


def test_a_history_of_several_pages_is_followed_as_far_as_needed(hub: Hub) -> None:
    hub.page_length = 3
    for n in range(20):
        publish_rows(hub, [question(n)], at=f"2025-01-10T20:{40 + n}:00Z")
    assert ids(collect(hub, macrobench.request(minutes=52))) == ["q-011"]
    assert sum("commits" in s.path for s in hub.served) == 3


def test_t42_a_revision_that_appears_meanwhile_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    first = publish_rows(hub, [question(1)])

    def push() -> None:
        if len(hub.repositories[macrobench.REPO].revisions) == 1 and hub.served:
            publish_rows(hub, [question(2)], at="2025-01-10T20:31:00Z")

    hub.on_event = push
    assert ids(read(hub, tmp_path)) == ["q-001"]
    assert hub.repositories[macrobench.REPO].head != first


def test_only_files_of_the_windows_dates_are_read(hub: Hub, tmp_path: Path) -> None:
    files = {
        "README.md": HubFile(b"# Questions"),
        macrobench.path("2025-01-09"): HubFile(b"never read"),
        macrobench.path("2025-01-11"): HubFile(b"never read"),
        "20250110/part-20259999.parquet": macrobench.file([question(1)]),
        "2025_01_10/train.parquet": macrobench.file([question(2)]),
        "2025-01-10.csv": HubFile(b"never read"),
    }
    publish(hub, files)
    assert ids(read(hub, tmp_path)) == ["q-001", "q-002"]


def test_a_window_over_midnight_reads_two_dates(hub: Hub) -> None:
    late = [question(1, timestamp=datetime(2025, 1, 10, 23, 59))]
    early = [question(2, timestamp=datetime(2025, 1, 11, 0, 1))]
    files = {
        macrobench.path("2025-01-10"): macrobench.file(late),
        macrobench.path("2025-01-11"): macrobench.file(early),
    }
    publish(hub, files)
    midnight = datetime.fromisoformat("2025-01-11T08:00:00+00:00")
    hour = timedelta(hours=1)
    window = a_window(since=midnight - hour, until=midnight + hour)
    pool = collect(hub, PoolRequest(window=window))
    assert [s.provenance.produced_at for s in pool.samples] == [
        midnight - timedelta(minutes=1),
        midnight + timedelta(minutes=1),
    ]


def test_a_date_without_a_file_has_no_rows(hub: Hub, tmp_path: Path) -> None:
    publish(hub, {macrobench.path("2025-01-09"): macrobench.file([question(1)])})
    assert read(hub, tmp_path) == Pool(())


def test_t15_rows_outside_the_window_are_left_out(hub: Hub, tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    rows = [
        question(0, id="first"),
        question(0, id="older", timestamp=macrobench.NOON - second),
        question(1, id="last", timestamp=macrobench.NOON + timedelta(hours=1) - second),
        question(1, id="newer", timestamp=macrobench.NOON + timedelta(hours=1)),
    ]
    publish_rows(hub, rows)
    assert ids(read(hub, tmp_path)) == ["first", "last"]


def test_t26_a_prompt_is_its_rows_question_with_nothing_before_it(hub: Hub, tmp_path: Path) -> None:
    rows = [question(n) for n in range(20)]
    publish_rows(hub, rows)
    prompts = {s.provenance.row_id: s.prompt for s in read(hub, tmp_path).samples}
    assert prompts == {r["id"]: str(r["challenge"]).partition("\n")[0] for r in rows}


def test_rows_that_do_not_fit_are_left_out(hub: Hub, tmp_path: Path) -> None:
    rows = [
        question(1),
        question(2, reference="E"),
        question(3, challenge="What is 3?"),
        question(4, challenge=None),
        question(5, timestamp=None),
        question(6, id=None),
        question(7, id=""),
        question(8, id="x\0"),
        question(9, hotkey=None),
        question(10, reference="\0"),
        question(11, challenge="x" * 200_000),
    ]
    publish_rows(hub, rows)
    assert ids(read(hub, tmp_path)) == ["q-001"]


def test_equal_questions_and_equal_ids_count_once(hub: Hub, tmp_path: Path) -> None:
    twice = question(1)
    rows = [twice, {**twice, "id": "a-copy"}, {**twice, "challenge": question(2)["challenge"]}]
    publish_rows(hub, rows)
    (left,) = ids(read(hub, tmp_path))
    assert left in ("q-001", "a-copy")


def test_times_may_be_texts_and_numbers_of_nanoseconds(hub: Hub, tmp_path: Path) -> None:
    texts = [question(1, timestamp="2025-01-10 12:01:00"), question(2, timestamp="yesterday")]
    texts += [question(3, timestamp="2025-01-10T12:03:00+00:00")]  # of noon in Greenwich
    publish_rows(hub, texts)
    assert ids(read(hub, tmp_path)) == ["q-001"]


def test_tasks_and_topics_are_read_where_rows_name_them(hub: Hub, tmp_path: Path) -> None:
    rows = [
        question(1, task="multi_choice", topic=" Particle  Physics"),
        question(2, task="summarization", topic=None, challenge="A long text.", reference="Short."),
        question(3, task="coding", topic="x"),
    ]
    publish_rows(hub, rows)
    pool = read(hub, tmp_path, tasks=("multi_choice", "summarization"))
    assert [(s.prompt, s.reference, s.provenance.stratum) for s in pool.samples] == [
        ("What is 1 + 1?", "2", "multi_choice/particle physics"),
        ("A long text.", "Short.", "summarization"),
    ]
