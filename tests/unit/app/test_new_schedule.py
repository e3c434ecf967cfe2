"""``sn37 schedule new``: a schedule around one source that can be checked and run."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.data_tools.new_source import described_source, require_opens
from sn37.app.errors import UsageError
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import load_schedule
from sn37.app.schedule.new_schedule import NewSource, method_for, new_schedule
from sn37.dataset_plugin import LivePlugin, Parameters, StaticPlugin
from sn37.domain.ids import Block
from sn37.domain.round.leverage import undecided
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import DatasetPlugin, Description, ParameterDescription
from sn37.testing.fakes import FakeLiveDataset, FakePlugin, FakeStaticDataset

OURS = ("word_sorting", "brackets", "arithmetic", "list_reasoning")  # without a client


class Wanted(Parameters):
    url: str
    words: tuple[str, ...] = ("a", "b")
    limit: int | None = None


LIVE = LivePlugin(name="feed", parameters=Wanted, connect=lambda _: FakeLiveDataset())
CHOICES = StaticPlugin(
    name="quiz",
    parameters=Wanted,
    connect=lambda _: FakeStaticDataset(),
    method=Method.MULTIPLE_CHOICE,
)


class AtRevision(Parameters):
    repo: str
    revision: str
    manifest: str


PINNED = StaticPlugin(name="table", parameters=AtRevision, connect=lambda _: FakeStaticDataset())


async def described(plugin: DatasetPlugin, **parameters: ParameterValue) -> NewSource:
    sources = Sources(lambda _: plugin)
    found = await described_source("any", parameters, sources)
    await require_opens(found, sources)
    return found


def sn37(*words: str) -> int:
    return run(root.app, ["schedule", *words], prog_name="sn37")


@pytest.mark.parametrize("name", OURS)
def test_a_schedule_around_each_source_that_ships_passes_its_check(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert sn37("new", name, "--out", str(file)) == 0
    assert f"next: sn37 schedule check {file}" in capsys.readouterr().out
    assert sn37("check", str(file)) == 0
    (competition,) = load_schedule(file).schedule.at(Block(1800))
    (task,) = competition.tasks
    assert task.source.name == name


def test_a_source_at_a_branch_is_to_be_pinned_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert sn37("new", "fineweb", "--out", str(file)) == 0
    assert f"scored by text_loss; next: sn37 schedule pin {file}" in capsys.readouterr().out
    assert tomllib.loads(file.read_text())["sources"]["fineweb"]["parameters"] == {
        "revision": "main"
    }
    assert sn37("check", str(file)) == 1
    assert "write today's commits with sn37 schedule pin FILE" in capsys.readouterr().err


async def test_the_parameters_are_those_given_and_the_others_are_comments() -> None:
    source = await described(LIVE, url="https://example.org")
    text = new_schedule(source, Method.REFERENCE_LOSS, num_samples=50, file="mine.toml")
    written = tomllib.loads(text)
    assert written["sources"]["any"] == {
        "freshness": "live",
        "max_age_s": 14400,
        "parameters": {"url": "https://example.org"},
    }
    assert written["competitions"]["trial"]["tasks"][0]["num_samples"] == 50
    assert '\n# words = ["a", "b"] # array, default ["a", "b"]\n' in text
    assert "\n# limit = ... # " in text
    assert "--start-time now" in text


@pytest.mark.parametrize(
    ("method", "unit"),
    [
        (Method.REFERENCE_LOSS, "# A loss is in bits per byte.\n"),
        (Method.CHOICE_TEXT, "# A loss of 1 is guessing among the options.\n"),
        (Method.INSTRUCTION_RULES, "# A loss is the share of what is wrong in an answer.\n"),
    ],
)
async def test_the_unit_in_the_comment_is_that_of_the_method(method: Method, unit: str) -> None:
    source = await described(CHOICES, url="x")
    text = new_schedule(source, method, num_samples=9, file="mine.toml")
    assert unit in text
    assert text.count("# A loss") == 1


async def test_a_comment_can_be_made_a_parameter() -> None:
    source = await described(LIVE, url="https://example.org")
    text = new_schedule(source, Method.REFERENCE_LOSS, num_samples=50, file="mine.toml")
    parameters = tomllib.loads(text.replace("# words =", "words ="))["sources"]["any"]["parameters"]
    assert parameters["words"] == ["a", "b"]


async def test_a_source_of_choices_is_scored_by_its_usual_method_or_the_wanted_one() -> None:
    source = await described(CHOICES, url="x")
    assert method_for(source, None) is Method.MULTIPLE_CHOICE
    assert method_for(source, Method.TEXT_LOSS) is Method.TEXT_LOSS


async def test_a_plug_in_that_says_nothing_of_itself_is_scored_by_reference_loss() -> None:
    source = await described(FakePlugin())
    assert method_for(source, None) is Method.REFERENCE_LOSS
    text = new_schedule(source, Method.REFERENCE_LOSS, num_samples=9, file="mine.toml")
    assert "parameters" not in tomllib.loads(text)["sources"]["any"]


async def test_a_missing_parameter_is_named_with_what_it_takes() -> None:
    with pytest.raises(UsageError, match=r"data set any needs --parameter url=VALUE \(string\)$"):
        await described(LIVE)
    with pytest.raises(UsageError, match=r"needs --parameter repo=VALUE \(string\)$"):
        await described(PINNED)


async def test_what_pinning_writes_need_not_be_given() -> None:
    source = await described(PINNED, repo="a/b")
    assert source.parameters == {"revision": "main", "repo": "a/b"}
    assert source.is_open


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nope"], 2, "no data set is installed as 'nope'; installed: "),
        (["simnet"], 2, "simnet comes from the simulation, not from a plug-in"),
        (["word_sorting", "--method", "guess"], 2, "--method guess: expected one of "),
        (["word_sorting", "--parameter", "least_words=1"], 2, "expected at least 5"),
        (["word_sorting", "--parameter", "mood"], 2, "--parameter mood: expected key=value"),
        (["word_sorting", "--samples", "0"], 2, "expected at least 1, not '0'"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    words: list[str], code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert sn37("new", *words, "--out", str(file)) == code
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not file.exists()


def test_a_file_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")
    assert sn37("new", "word_sorting", "--out", str(file)) == 2
    assert "exists; name another file" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert sn37("new", "word_sorting", "--out", str(tmp_path / "no" / "x")) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("method", Method)
def test_a_schedule_for_every_method_can_be_read(method: Method, tmp_path: Path) -> None:
    source = NewSource(
        name="quiz",
        freshness=Freshness.NONE,
        description=Description(method=method),
        parameters={},
    )
    file = tmp_path / "mine.toml"
    file.write_text(new_schedule(source, method, num_samples=100, file=str(file)))
    (competition,) = load_schedule(file).schedule.at(Block(1800))
    assert [task.method for task in competition.tasks] == [method]
    assert undecided(competition) == ()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(name=TEXTS, key=TEXTS, value=TEXTS, takes=TEXTS, file=TEXTS)
def test_no_name_or_text_of_a_plug_in_breaks_out_of_its_place(
    name: str, key: str, value: str, takes: str, file: str
) -> None:
    other = ParameterDescription(name=f"{key}2", takes=takes, is_required=False, default=value)
    source = NewSource(
        name=name,
        freshness=Freshness.LIVE,
        description=Description(method=Method.TEXT_LOSS, parameters=(other,)),
        parameters={key: value},
    )
    text = new_schedule(source, Method.TEXT_LOSS, num_samples=7, file=file)
    written = tomllib.loads(text)
    assert written["sources"] == {
        name: {"freshness": "live", "max_age_s": 14400, "parameters": {key: value}}
    }
    (task,) = written["competitions"]["trial"]["tasks"]
    assert (task["name"], task["source"]) == (name, name)
