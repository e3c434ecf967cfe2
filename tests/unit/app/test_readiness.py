"""What a validator asks for at its start, in which order, and who else asks the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.cli.validator import main as start_validator
from sn37.app.config import requirements
from sn37.app.config.settings import Settings
from sn37.app.doctor.examination import Examination
from sn37.app.errors import CommandError
from sn37.app.samples import plugins
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import load_schedule, read_schedule
from sn37.app.schedule.readiness import require_ready, schedule_checks, sources_of
from sn37.app.wiring import doctor, validator_run
from sn37.app.wiring.start_checks import checks_of_network
from sn37.dataset_plugin import NoParameters, StaticPlugin
from sn37.domain.check_line import Check, Grade
from sn37.domain.schedule.competition import Freshness, Source
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.dataset import DatasetPlugin, Description
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.builders import a_competition, a_schedule, a_source, a_stage, a_task
from sn37.testing.fakes import FakeLiveDataset, FakePlugin, FakeStaticDataset

COMMIT = "c" * 40


async def checks(
    schedule: Schedule,
    plugin: DatasetPlugin | None = None,
    *,
    fault: Exception | None = None,
    simulated: Sequence[str] = (),
) -> list[Check]:
    async def open_source(source: Source) -> Description | None:
        if fault is not None:
            raise fault
        return await Sources(lambda _: plugin or FakePlugin()).open(source)

    found = schedule_checks(schedule, open_source, installed={"pages", "feed"}, simulated=simulated)
    return [check async for check in found]


def drawing_from(*sources: Source) -> Schedule:
    tasks = tuple(
        a_task(f"task{n}", source=source, weight=1 / len(sources))
        for n, source in enumerate(sources)
    )
    return a_schedule(a_stage(a_competition(tasks=tasks)))


async def test_every_source_is_opened_once_for_each_set_of_parameters() -> None:
    plugin, source = FakePlugin(known=frozenset({"size"})), a_source("pages")
    other = Source(name="pages", freshness=Freshness.NONE, parameters={"size": 3})
    found = await checks(drawing_from(source, source, other), plugin)
    assert len(plugin.opened) == 2
    assert [c.grade for c in found] == [Grade.OK] * 5  # two sources, three tasks


async def test_everything_that_is_missing_is_found_at_once_with_its_remedy() -> None:
    moving = Source(name="feed", freshness=Freshness.NONE, parameters={"revision": "main"})
    schedule = drawing_from(a_source("gone"), moving, a_source("lost"))
    found = await checks(schedule)
    assert [(c.name, c.grade) for c in found[:3]] == [
        ("data set gone", Grade.FAILED),
        ("data set feed", Grade.FAILED),
        ("data set lost", Grade.FAILED),
    ]
    assert found[0].detail == "not installed; installed: feed, pages"
    assert found[1].remedy.startswith("write today's commits with sn37 schedule pin FILE")
    with pytest.raises(CommandError) as caught:
        require_ready(found, "rules.toml")
    assert str(caught.value) == f"rules.toml: 3 of {len(found)} checks failed:"
    assert caught.value.lines == tuple(c.line for c in found[:3])


@pytest.mark.parametrize(
    ("install", "remedy"), [("sn37[data]", "sn37[data]"), ("", "no_such_one no_such_other")]
)
async def test_a_package_that_reading_needs_is_missed_before_the_first_round(
    install: str, remedy: str
) -> None:
    plugin = StaticPlugin(
        name="pages",
        parameters=NoParameters,
        connect=lambda _: FakeStaticDataset(),
        packages=("json", "no_such_one", "no_such_other"),
        install=install,
    )
    (found, _) = await checks(drawing_from(a_source("pages")), plugin)
    assert (found.grade, found.detail, found.remedy) == (
        Grade.FAILED,
        "needs no_such_one, no_such_other, which is not installed",
        f"run pip install '{remedy}'",
    )


async def test_a_commit_without_its_manifest_is_pinned_by_the_same_command() -> None:
    half = Source(name="feed", freshness=Freshness.NONE, parameters={"revision": COMMIT})
    fault = ValueError("source feed: parameter manifest is missing; it is manifest (string)")
    (found, _) = await checks(drawing_from(half), fault=fault)
    assert found.grade is Grade.FAILED
    assert found.remedy.startswith("write today's commits with sn37 schedule pin FILE")


@pytest.mark.parametrize(
    ("usual", "fitting"),
    [
        (Method.TEXT_LOSS, {Method.TEXT_LOSS, Method.REFERENCE_LOSS}),
        (Method.REFERENCE_LOSS, {Method.TEXT_LOSS, Method.REFERENCE_LOSS}),
        (Method.CHOICE_TEXT, set(Method) - {Method.INSTRUCTION_RULES}),
        (Method.INSTRUCTION_RULES, {Method.INSTRUCTION_RULES}),
    ],
)
async def test_a_method_that_needs_other_samples_than_the_source_has_is_warned_of(
    usual: Method, fitting: set[Method]
) -> None:
    plugin = StaticPlugin(
        name="pages", parameters=NoParameters, connect=lambda _: FakeStaticDataset(), method=usual
    )
    for method in Method:
        budget = 8 if method.traits.is_generated else None
        task = a_task("quiz", source=a_source("pages"))
        task = replace(task, method=method, max_new_tokens=budget)
        rules = a_schedule(a_stage(a_competition(tasks=(task,))))
        (_, found) = await checks(rules, plugin)
        if method in fitting:
            assert (found.grade, found.detail) == (Grade.OK, method.value)
        else:
            assert found.grade is Grade.WARNING
            assert f"{method.value}, but the plug-in pages says" in found.detail
            assert f"for {usual.value}:" in found.detail


async def test_a_pinned_revision_is_opened() -> None:
    plugin = FakePlugin(known=frozenset({"revision"}))
    pinned = Source(name="feed", freshness=Freshness.NONE, parameters={"revision": COMMIT})
    assert all(c.grade is Grade.OK for c in await checks(drawing_from(pinned), plugin))
    assert len(plugin.opened) == 1


async def test_the_source_of_a_simulated_network_is_not_looked_for() -> None:
    schedule = drawing_from(a_source("simnet"))
    assert (await checks(schedule))[0].grade is Grade.FAILED
    found = await checks(schedule, simulated=["simnet"])
    assert [c.grade for c in found] == [Grade.OK, Grade.OK]


@pytest.mark.parametrize("plugin", [FakePlugin(FakeLiveDataset()), FakePlugin(FakeStaticDataset())])
async def test_a_plugin_of_another_kind_than_the_schedule_says_is_refused(
    plugin: FakePlugin,
) -> None:
    other = Freshness.NONE if plugin.freshness is Freshness.LIVE else Freshness.LIVE
    (found, _) = await checks(drawing_from(a_source("feed", freshness=other)), plugin)
    assert found.grade is Grade.FAILED
    assert "feed is" in found.detail
    assert found.remedy == "correct sources.feed, or its plug-in"


@pytest.mark.parametrize(
    ("fault", "detail", "remedy"),
    [
        (LookupError("no module x"), "no module x", "repair the installation of its package"),
        (ValueError("source pages: size"), "size", "correct sources.pages, or its plug-in"),
        (
            DatasetUnavailable("data set pages: no answer"),
            "no answer",
            "find the cause with sn37 data check pages",
        ),
    ],
)
async def test_a_source_that_cannot_be_opened_is_one_failed_line(
    fault: Exception, detail: str, remedy: str
) -> None:
    (found, _) = await checks(drawing_from(a_source("pages")), fault=fault)
    assert (found.grade, found.detail, found.remedy) == (Grade.FAILED, detail, remedy)


async def test_a_single_fault_is_a_single_line() -> None:
    found = await checks(drawing_from(a_source("gone")))
    with pytest.raises(CommandError) as caught:
        require_ready(found, "rules.toml")
    assert str(caught.value).startswith("rules.toml: data set gone: not installed; installed: ")
    assert not caught.value.lines


def test_nothing_is_wrong_if_no_check_failed() -> None:
    warning = Check(name="a", grade=Grade.WARNING, detail="b", remedy="c")
    require_ready([warning], "rules.toml")
    with pytest.raises(CommandError, match=r"^rules\.toml: a: b"):
        require_ready([warning, replace(warning, grade=Grade.FAILED)], "rules.toml")


async def test_each_task_is_named_with_the_method_that_scores_it() -> None:
    schedule = load_schedule("finney").schedule
    told = {c.name: c for c in await checks(schedule) if c.name.startswith("task ")}
    for stage in schedule.stages:
        for competition in stage.competitions:
            for task in competition.tasks:
                check = told[f"task {task.name} of competition {competition.id} "
                             f"({competition.name})"]  # fmt: skip
                assert check.grade is Grade.OK
                assert task.method.value in check.detail


def test_a_tokenizer_at_a_branch_is_a_failed_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = read_schedule("simnet")[1]
    file = tmp_path / "moving.toml"
    file.write_text(text.replace("9438e11778afbce33a5ae90343843a0cb1f41a8c", "main"))
    assert run(root.app, ["schedule", "check", str(file)], prog_name="sn37") == 1
    assert "tokenizer simnet/base: revision 'main' is not a commit" in capsys.readouterr().err


@pytest.fixture
def few_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "dataset_names", lambda: frozenset({"word_sorting"}))


FAULTY = [source.name for source in sources_of(load_schedule("finney").schedule)
          if source.name != "word_sorting"]  # fmt: skip


@pytest.mark.usefixtures("few_data_sets")
def test_validator_doctor_and_check_print_the_same_lines_for_the_same_faults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start_validator(["--network", "finney"]) == 1
    head, *said = capsys.readouterr().err.splitlines()
    assert head.startswith(f"error: preset finney: {len(said)} of ")
    assert all(any(f"data set {name}: not installed" in line for line in said) for name in FAULTY)
    monkeypatch.setattr(doctor, "examinations_of_network", schedule_alone)
    run(root.app, ["doctor", "--network", "finney"], prog_name="sn37")
    by_doctor = [x for x in capsys.readouterr().out.splitlines() if x.startswith("failed ")]
    assert run(root.app, ["schedule", "check", "finney"], prog_name="sn37") == 1
    assert by_doctor == capsys.readouterr().err.splitlines()[1:] == said


@pytest.mark.usefixtures("few_data_sets")
def test_the_doctor_has_the_schedule_in_its_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examinations_of_network", schedule_alone)
    assert run(root.app, ["doctor", "--network", "finney", "--json"], prog_name="sn37") == 1
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["data set word_sorting"]["grade"] == "ok"
    gone = found["data set sn18"]
    assert gone["grade"] == "failed"
    assert gone["remedy"] == "install the package that offers it; see docs/datasets.md"


def schedule_alone(settings: Settings) -> Sequence[Examination]:
    """The first examination of a network; those after it would ask other hosts."""
    return [Examination(name="schedule", run=lambda: checks_of_network(settings), remedy="")]


@pytest.mark.usefixtures("few_data_sets")
def test_the_schedule_is_asked_for_first_then_the_device_then_the_wallet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_order(*_: object, **__: object) -> None:
        """All checks of the schedule pass."""

    monkeypatch.setattr(requirements, "DRIVERS", ())
    monkeypatch.setattr(requirements, "version", lambda _: "2.13.0")  # a build for CUDA
    monkeypatch.setattr(validator_run, "require_packages", lambda _: None)
    steps: list[tuple[str, Callable[[], None]]] = [
        ("preset finney: ", lambda: monkeypatch.setattr(validator_run, "require_checks", in_order)),
        ("--device cuda: ", lambda: monkeypatch.setattr(requirements, "DRIVERS", (Path("/"),))),
        ("network finney needs a wallet: ", lambda: None),
    ]
    for expected, fix in steps:
        assert start_validator(["--network", "finney", "--device", "cuda"]) == 1
        assert capsys.readouterr().err.startswith(f"error: {expected}")
        fix()
