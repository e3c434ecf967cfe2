"""Subnet 1's signed questions, over wandb's own client."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from sn37.adapters.dataset.sn1 import RunQuestions, Sn1Parameters, build
from sn37.adapters.dataset.sn1_hub import HubQuestions
from sn37.adapters.dataset.wandb_messages import Query, RowFound, RunFound
from sn37.adapters.dataset.wandb_rows import ChooseRuns, TakeRow, read_rows
from sn37.domain.canonical import JsonValue
from sn37.domain.data.repeats import held_elsewhere
from sn37.domain.data.samples import Pool, PoolRequest
from sn37.domain.data.sampling import draw
from sn37.domain.ids import Seed, TaskName
from sn37.domain.schedule.competition import ParameterValue
from sn37.ports.dataset import DatasetPlugin
from sn37.testing.dataset_contract import DatasetPluginContract, LiveDatasetContract
from tests.integration.dataset.sn1_runs import PROJECT, RecordedRuns, a_row, a_run, rows
from tests.integration.dataset.sn18_runs import ALICE, BOB, CAROL, MINUTE, REQUEST, SINCE, WINDOW
from tests.integration.dataset.wandb_server import API_KEY, Fault, WandbHost, running_wandb

NOBODY = "http://127.0.0.1:9"  # the discard port
TOPICS = ("Physics", "physics ", "films", "films", "films", None, 7)
UNFIT: tuple[dict[str, JsonValue], ...] = (
    {"task": "qa"},
    {"task": None},
    {"challenge": "What is it?"},
    {"challenge": 5},
    {"challenge": "Which?\nA. one\nB. one", "reference": "A"},
    {"reference": "E"},
    {"reference": None},
    {"reference": "C. something else"},
)


def signed_by_others() -> dict[str, dict[str, JsonValue]]:
    """Configs that prove nothing, by the run that has them."""
    return {
        "stolen-name": {"HOTKEY_SS58": ALICE.hotkey, "SIGNATURE": CAROL.sign(b"stolen-name").hex()},
        "copied": {"HOTKEY_SS58": ALICE.hotkey, "SIGNATURE": ALICE.sign(b"alice").hex()},
        "stranger": {"HOTKEY_SS58": CAROL.hotkey, "SIGNATURE": CAROL.sign(b"stranger").hex()},
        "unsigned": {"HOTKEY_SS58": ALICE.hotkey},
        "of-subnet-18": {"hotkey": ALICE.hotkey, "signature": ALICE.sign(b"of-subnet-18").hex()},
    }


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[WandbHost, WandbHost]]:
    """One that is well, and one that hangs up in the middle of a history."""
    topics = [a_row(step, SINCE + step * MINUTE, topic=topic) for step, topic in enumerate(TOPICS)]
    unfit = [a_row(step, SINCE + step * MINUTE, **cells) for step, cells in enumerate(UNFIT, 100)]
    with running_wandb() as well, running_wandb() as ill:
        well.projects[PROJECT] = [
            a_run("alice", ALICE, rows("alice", 20, since=SINCE - 5 * MINUTE)),
            a_run("topics", BOB, topics),
            a_run("unfit", BOB, unfit),
            a_run("replayed", BOB, rows("alice", 20, since=SINCE + MINUTE)),
            a_run("late", BOB, rows("late", 9, since=SINCE), created_at=SINCE + 4 * MINUTE),
            *(
                a_run(run, ALICE, rows(run, 3, since=SINCE), config=config)
                for run, config in signed_by_others().items()
            ),
        ]
        ill.projects[PROJECT] = well.projects[PROJECT]
        ill.faults.append(Fault(operation="HistoryPage", skip=1, times=None, cut=True))
        yield well, ill


@pytest.fixture(scope="module")
def recording(hosts: tuple[WandbHost, WandbHost]) -> Iterator[tuple[Pool, RecordedRuns]]:
    """What one read through wandb's client gave, and everything that it saw."""
    runs: list[RunFound] = []
    rows: list[RowFound] = []

    async def read(
        query: Query, *, choose: ChooseRuns, take: TakeRow, timeout_s: float
    ) -> Mapping[str, int]:
        def choose_recorded(found: tuple[RunFound, ...]) -> Collection[str]:
            runs.extend(found)
            return choose(found)

        def take_recorded(row: RowFound) -> None:
            rows.append(row)
            take(row)

        return await read_rows(
            query, choose=choose_recorded, take=take_recorded, timeout_s=timeout_s
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", API_KEY)
        source = RunQuestions(Sn1Parameters(base_url=hosts[0].url), read=read)
        pool = asyncio.run(source.collect(REQUEST))
        yield pool, RecordedRuns(runs, rows)


@pytest.fixture
def pool(recording: tuple[Pool, RecordedRuns]) -> Pool:
    return recording[0]


class TestRunQuestions(LiveDatasetContract):
    """Over the recording; a host that fails is asked through wandb's client."""

    @pytest.fixture(autouse=True)
    def connect(
        self,
        hosts: tuple[WandbHost, WandbHost],
        recording: tuple[Pool, RecordedRuns],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("WANDB_API_KEY", API_KEY)
        self.recorded = recording[1]
        self.ill = hosts[1].url

    def dataset(self) -> RunQuestions:
        return RunQuestions(Sn1Parameters(), read=self.recorded)

    def silent_dataset(self) -> RunQuestions:
        return RunQuestions(Sn1Parameters(base_url=NOBODY), retries=1)

    def partial_dataset(self) -> RunQuestions:
        return RunQuestions(Sn1Parameters(base_url=self.ill))

    def request(self) -> PoolRequest:
        return REQUEST


class TestSn1Plugin(DatasetPluginContract):
    def plugin(self) -> DatasetPlugin:
        return build()

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {"origin": "hub", "tasks": ("multi_choice", "qa"), "repo": "owner/questions"}

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        return {
            "origin": {"origin": "both"},
            "tasks": {"tasks": ()},
            "entity": {"entity": "../other"},
            "project": {"origin": "hub", "project": "of-the-other-origin"},
            "base_url": {"base_url": "file:///etc/passwd"},
            "repo": {"origin": "hub", "repo": "questions"},
            "endpoint": {"endpoint": "https://hub.example"},
        }


def test_it_is_registered_under_its_name() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, factory = project["entry-points"]["sn37.datasets"]["sn1"].partition(":")
    assert getattr(import_module(module), factory) is build


def test_the_origin_decides_where_rows_are_read() -> None:
    assert isinstance(build().open({}), RunQuestions)
    assert isinstance(build().open({"origin": "hub"}), HubQuestions)


def test_a_row_becomes_a_question_with_its_options_and_its_signer(pool: Pool) -> None:
    sample = next(s for s in pool.samples if s.provenance.row_id == "topics/000003")
    assert sample.prompt == "Which is number 3?"
    assert sample.choices == ("4", "none of them", "3", "0.5")
    assert sample.reference == "3"
    assert sample.provenance.signer == BOB.hotkey
    assert sample.provenance.produced_at == SINCE + 3 * MINUTE


def test_t18_rows_from_outside_the_window_or_their_run_and_replayed_ones_do_not_count(
    pool: Pool,
) -> None:
    steps = {run: set[int]() for run in ("alice", "replayed", "late")}
    for sample in pool.samples:
        run, _, step = sample.provenance.row_id.partition("/")
        steps.setdefault(run, set()).add(int(step))
    assert steps["alice"] == set(range(5, 20))
    # They are drawn once, for the signer with fewer rows.
    assert steps["replayed"] == set(range(20))
    elsewhere = held_elsewhere(pool.samples, key="")
    assert elsewhere in (
        {f"alice/{step:06d}" for step in range(5, 20)},
        {f"replayed/{step:06d}" for step in range(5, 20)},
    )
    assert steps["late"] == set(range(4, 9))


def test_t17_runs_that_no_trusted_hotkey_signed_do_not_count(pool: Pool) -> None:
    runs = {s.provenance.row_id.partition("/")[0] for s in pool.samples}
    assert runs == {"alice", "topics", "replayed", "late"}


def test_strata_are_tasks_and_topics_and_a_draw_is_spread_over_them(pool: Pool) -> None:
    topics = [s for s in pool.samples if s.provenance.row_id.startswith("topics/")]
    assert [s.provenance.stratum for s in topics] == [
        "multi_choice/physics",
        "multi_choice/physics",
        "multi_choice/films",
        "multi_choice/films",
        "multi_choice/films",
        "multi_choice",
        "multi_choice",
    ]
    of_topics = replace(pool, samples=tuple(topics))
    for seed in range(5):
        drawn = draw(of_topics, task=TaskName("x"), count=6, seed=Seed(seed))
        assert set(Counter(s.provenance.stratum for s in drawn).values()) == {2}


def test_other_tasks_are_taken_when_the_parameters_say_so(
    recording: tuple[Pool, RecordedRuns],
) -> None:
    source = RunQuestions(Sn1Parameters(tasks=("qa",)), read=recording[1])
    (sample,) = asyncio.run(source.collect(REQUEST)).samples
    assert sample.prompt == a_row(100, SINCE)["challenge"]
    assert (sample.reference, sample.choices) == ("C", ())
    assert sample.provenance.stratum == "qa"


def test_a_request_without_signers_is_a_mistake_of_the_schedule() -> None:
    with pytest.raises(ValueError, match="set signers_netuid in the schedule"):
        asyncio.run(RunQuestions(Sn1Parameters()).collect(PoolRequest(window=WINDOW)))


def test_t26_no_prompt_has_a_beginning_that_its_source_did_not_write(pool: Pool) -> None:
    asked = {
        f"What did {run} say at {step}?" for run in ("alice", "late") for step in range(20)
    } | {f"Which is number {step}?" for step in range(len(TOPICS))}
    assert {s.prompt for s in pool.samples} <= asked
