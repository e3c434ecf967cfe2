"""Schedules whose revisions can move: refused where it counts, and pinned by a command."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.errors import CommandError
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import load_schedule, read_schedule
from sn37.app.schedule.pins import pin, require_pinned, unpinned
from sn37.domain.schedule.competition import ParameterValue
from sn37.ports.dataset import DatasetPlugin, Pin
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.fakes import FakePlugin

COMMIT, DIGEST = "c" * 40, "d" * 64
FINNEY = read_schedule("finney")[1]


class PinnablePlugin(FakePlugin):
    """A static plug-in that pins whatever it is asked for."""

    async def pin(self, parameters: Mapping[str, ParameterValue]) -> Pin:
        return Pin(parameters={"revision": COMMIT, "manifest": DIGEST}, told="2 files")


class SilentPlugin(FakePlugin):
    async def pin(self, parameters: Mapping[str, ParameterValue]) -> Pin:
        raise DatasetUnavailable("no answer")


PINNABLE = Sources(lambda _: PinnablePlugin()).pin


async def model_commit(repo: str, branch: str) -> str:
    assert (repo, branch) == ("Xenova/gpt-4", "main")
    return COMMIT


def test_the_shipped_preset_names_each_open_revision_once() -> None:
    schedule = load_schedule("finney").schedule
    assert unpinned(schedule) == (
        "source codeforces at 'main'",
        "source fineweb at 'main'",
        "source synthetic_1 at 'main'",
        "tokenizer Xenova/gpt-4 at 'main'",
    )
    assert FINNEY.count('revision = "main"') == 4


async def test_the_base_of_a_schedule_is_pinned_and_not_what_differs_from_it() -> None:
    with pytest.raises(CommandError, match=r"pin finney, which this schedule changes"):
        await pin('base = "finney"\n', PINNABLE, model_commit)


def test_a_schedule_that_is_pinned_is_not_refused() -> None:
    schedule = load_schedule("simnet").schedule
    assert unpinned(schedule) == ()
    require_pinned(schedule, "preset simnet")


def test_check_refuses_an_open_revision_in_one_line_that_says_what_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(root.app, ["schedule", "check", "finney", "--structure-only"], prog_name="sn37")
    assert code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: preset finney: source codeforces at 'main', ")
    assert said.endswith("sn37 schedule pin writes today's commits\n")
    assert said.count("\n") == 1


async def test_pinning_changes_the_revisions_and_nothing_else() -> None:
    text, found = await pin(FINNEY, PINNABLE, model_commit)
    assert {p.where for p in found} == {
        "competitions.sn9_model",
        "sources.codeforces",
        "sources.fineweb",
        "sources.synthetic_1",
    }
    before, after = tomllib.loads(FINNEY), tomllib.loads(text)
    for name in ("codeforces", "fineweb", "synthetic_1"):
        parameters = {"revision": COMMIT, "manifest": DIGEST}
        assert after["sources"][name].pop("parameters") == parameters
        assert before["sources"][name].pop("parameters") == {"revision": "main"}
    assert after["competitions"]["sn9_model"]["tokenizer"].pop("revision") == COMMIT
    del before["competitions"]["sn9_model"]["tokenizer"]["revision"]
    assert after == before
    comments = [line for line in FINNEY.splitlines() if line.startswith("#")]
    assert [line for line in text.splitlines() if line.startswith("#")] == comments


async def test_what_is_pinned_stays(tmp_path: Path) -> None:
    text, _ = await pin(FINNEY, PINNABLE, model_commit)
    assert await pin(text, PINNABLE, model_commit) == (text, ())
    file = tmp_path / "pinned.toml"
    file.write_text(text)
    require_pinned(load_schedule(file).schedule, str(file))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "parameters = { repo = 'a/b', revision = 'main' } # a set",
            f"parameters = {{ repo = 'a/b', "
            f'revision = "{COMMIT}", manifest = "{DIGEST}" }} # a set',
        ),
        (
            'parameters = { manifest = "", revision = "main" }',
            f'parameters = {{ manifest = "{DIGEST}", revision = "{COMMIT}" }}',
        ),
        (
            '[sources.fineweb.parameters]\nrevision = "main" # open\nrepo = "a/b"',
            f'[sources.fineweb.parameters]\nrevision = "{COMMIT}"\nmanifest = "{DIGEST}" # open\n'
            'repo = "a/b"',
        ),
    ],
)
async def test_a_source_may_be_written_in_several_ways(written: str, expected: str) -> None:
    text = FINNEY.replace('parameters = { revision = "main" }', written, 1)
    changed, _ = await pin(text, PINNABLE, model_commit)
    assert expected in changed


async def test_a_way_that_is_not_known_is_left_to_the_reader() -> None:
    written = 'parameters.revision = """main"""'
    text = FINNEY.replace('parameters = { revision = "main" }', written, 1)
    with pytest.raises(CommandError, match=f'cannot be changed here: write revision = "{COMMIT}"'):
        await pin(text, PINNABLE, model_commit)


async def test_a_commit_without_a_manifest_gets_one() -> None:
    text = FINNEY.replace('{ revision = "main" }', f'{{ revision = "{COMMIT}" }}')
    changed, found = await pin(text, PINNABLE, model_commit)
    assert len(found) == 4
    assert changed.count(f'manifest = "{DIGEST}"') == 3


async def test_a_data_set_that_cannot_be_pinned_is_named() -> None:
    def missing(name: str) -> DatasetPlugin:
        raise LookupError(f"no data set is installed as {name!r}")

    with pytest.raises(CommandError, match="no data set is installed as 'fineweb'"):
        await pin(FINNEY, Sources(missing).pin, model_commit)
    with pytest.raises(CommandError, match="data set fineweb cannot pin its revision"):
        await pin(FINNEY, Sources(lambda _: FakePlugin()).pin, model_commit)
    with pytest.raises(DatasetUnavailable, match="no answer"):
        await pin(FINNEY, Sources(lambda _: SilentPlugin()).pin, model_commit)


def test_a_preset_is_not_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root.app, ["schedule", "pin", "finney"], prog_name="sn37") == 2
    assert "name the file to write with --output" in capsys.readouterr().err


def test_a_pinned_file_is_written_and_its_fingerprint_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mine.toml"
    arguments = ["schedule", "pin", "simnet", "--output", str(target)]
    assert run(root.app, arguments, prog_name="sn37") == 0
    assert target.read_text() == read_schedule("simnet")[1]
    fingerprint = load_schedule("simnet").fingerprint
    said = f"{target}: 0 revisions pinned, fingerprint {fingerprint}\n"
    assert capsys.readouterr().out == said
