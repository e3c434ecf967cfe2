"""A schedule that is written out as a file is the same schedule when it is loaded."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.config.toml_tables import keys_of
from sn37.app.config.toml_writer import key_text, value_text
from sn37.app.schedule.competition_tables import MAX_SUMMARY
from sn37.app.schedule.load import PRESETS, ScheduleError, load_schedule, read_schedule
from sn37.app.schedule.tables import ScheduleTable
from sn37.app.schedule.toml_schedule import toml_of
from sn37.domain.ids import Block
from sn37.domain.schedule.mixture import BETWEEN
from tests.support.small_schedule import SMALL

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = TEXTS.filter(str.isprintable)
FINITE = st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
LISTS = st.recursive(FINITE, st.lists, max_leaves=5)


def written(text: str, folder: Path) -> tuple[str, str]:
    """The fingerprint of a schedule, and that of its written form."""
    (folder / "first.toml").write_text(text, encoding="utf-8")
    first = load_schedule(folder / "first.toml")
    (folder / "again.toml").write_text(toml_of(first), encoding="utf-8")
    again = load_schedule(folder / "again.toml")
    assert again.schedule == first.schedule
    assert again.summaries == first.summaries
    return first.fingerprint, again.fingerprint


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_back_to_the_same_fingerprint(preset: str, tmp_path: Path) -> None:
    first, again = written(read_schedule(preset)[1], tmp_path)
    assert first == again == load_schedule(preset).fingerprint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=NAMES,
    task=NAMES.filter(lambda text: BETWEEN not in text),
    source=NAMES,
    template=st.none() | TEXTS,
    parameters=st.dictionaries(TEXTS, LISTS, max_size=3),
    epsilon=st.floats(0, 0.5),
)
def test_whatever_texts_a_schedule_has_it_loads_back(
    name: str,
    task: str,
    source: str,
    template: str | None,
    parameters: dict[str, object],
    epsilon: float,
    tmp_path: Path,
) -> None:
    text = SMALL.replace('name = "WORDS"', f"name = {value_text(name)}")
    text = text.replace('name = "pairs"', f"name = {value_text(task)}")
    text = text.replace('source = "feed"', f"source = {value_text(source)}")
    text = text.replace("[sources.feed]", f"[sources.{key_text(source)}]")
    text = re.sub("(?m)^parameters = .*$", lambda _: f"parameters = {value_text(parameters)}", text)
    text = text.replace("epsilon = 0.01", f"epsilon = {value_text(epsilon)}")
    if template is not None:
        text = text.replace("timeout_s = 20", f"timeout_s = 20\ntemplate = {value_text(template)}")
    first, again = written(text, tmp_path)
    assert first == again


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    weight=st.floats(1e-9, 1 - 1e-9),
    parts=st.lists(st.floats(0.3, 3.0), min_size=2, max_size=5),
    count=st.integers(50, 400),
)
def test_a_mixture_of_any_weights_loads_back(
    weight: float, parts: list[float], count: int, tmp_path: Path
) -> None:
    sources = "".join(f'[sources.s{n}]\nfreshness = "none"\n' for n in range(len(parts)))
    mixture = ", ".join(f"s{n} = {part!r}" for n, part in enumerate(parts))
    tasks = f"""
[[competitions.words.tasks]]
name = "mixed"
mixture = {{ {mixture} }}
method = "text_loss"
weight = {weight!r}
num_samples = {count}
"""
    text = SMALL.replace("[sources.feed]", f"{sources}\n[sources.feed]")
    text = text.replace("weight = 1.0", f"weight = {1 - weight!r}")
    text = text.replace("[competitions.other]", f"{tasks}\n[competitions.other]")
    first, again = written(text, tmp_path)
    assert first == again


@pytest.mark.parametrize("weight", [1.0, 0.7])
@pytest.mark.parametrize("level", ["", "level = 0.3\n", "level = { quiz = 2, feed = 0.3 }\n"])
def test_a_mixture_is_written_with_the_counts_of_its_sources(
    weight: float, level: str, tmp_path: Path
) -> None:
    mixture = f"{level}mixture = {{ feed = 2, quiz = 1.1 }}"
    text = SMALL.replace('source = "feed"', mixture).replace("weight = 1.0", f"weight = {weight}")
    text = text.replace(
        "[competitions.words]", '[sources.quiz]\nfreshness = "none"\n\n[competitions.words]'
    )
    if weight < 1:
        task = f"name = 'more'\nsource = 'quiz'\nmethod = 'text_loss'\nweight = {1 - weight}\n"
        text = text.replace(
            "[competitions.other]",
            f"[[competitions.words.tasks]]\n{task}num_samples = 9\n\n[competitions.other]",
        )
    first, again = written(text, tmp_path)
    assert first == again
    assert "mixture = { feed = 21, quiz = 11 }" in (tmp_path / "again.toml").read_text()


def test_summaries_are_kept_for_each_stage_and_are_not_in_the_fingerprint(tmp_path: Path) -> None:
    said = SMALL.replace('name = "OTHER"', 'name = "OTHER"\nsummary = "For \\"others\\"."')
    first, again = written(said, tmp_path)
    assert first == again == written(SMALL, tmp_path)[0]
    (tmp_path / "said.toml").write_text(said)
    loaded = load_schedule(tmp_path / "said.toml")
    words, other = loaded.schedule.at(Block(100))
    assert loaded.summary_at(Block(5000), other) == 'For "others".'
    assert loaded.summary_at(Block(5000), words) is None
    assert loaded.summary_at(Block(0), other) is None


@pytest.mark.parametrize("summary", ["", "  ", "two\nlines", "bell \x07", "x" * (MAX_SUMMARY + 1)])
def test_a_summary_that_cannot_be_shown_is_refused_with_its_line(
    summary: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        SMALL.replace('name = "OTHER"', f'name = "OTHER"\nsummary = {value_text(summary)}')
    )
    with pytest.raises(ScheduleError, match=r"line \d+: competitions\.other\.summary: expected"):
        load_schedule(file)


@pytest.mark.parametrize(
    "edit",
    [
        ('name = "WORDS"', 'name = "a\\u001b[31mb"'),
        ('name = "pairs"', 'name = "pairs\\u202e"'),
        ("[sources.feed]", '[sources."feed\\u0007"]'),
        ("[competitions.other]", '[competitions."other\\u009b"]'),
    ],
)
def test_a_name_that_a_terminal_would_obey_is_refused_with_its_line(
    edit: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(SMALL.replace(*edit))
    assert run(root.app, ["schedule", "check", str(file)], prog_name="sn37") == 1
    said = capsys.readouterr().err
    assert re.search(r"line \d+: .*: the name '.*\\.*' has a character that cannot", said)
    assert said.strip().isprintable()


def test_a_file_with_an_odd_name_is_written_as_toml(tmp_path: Path) -> None:
    file = tmp_path / "a\x1bb.toml"
    file.write_text(SMALL)
    text = toml_of(load_schedule(file))
    assert text.splitlines()[0].isprintable()
    assert tomllib.loads(text)["competitions"]["words"]["name"] == "WORDS"


def test_the_file_explains_every_key_that_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root.app, ["schedule", "show", "finney", "--toml"], prog_name="sn37") == 0
    text = capsys.readouterr().out
    explained = re.findall(r"(?m)^(?:# )?([a-z_]+) = .* # \S", text)
    tables = {"timing", "sources", "competitions", "stages", "constraints", "tasks", "norms"}
    tables |= {"tokenizer", "base_model", "kind", "ceiling", "tensor_digest", "reserve"}
    assert keys_of(ScheduleTable.model_json_schema()) - set(explained) <= tables
    assert tomllib.loads(text)["netuid"] == 37


@pytest.mark.parametrize("other", [["--json"], ["--at", "4000000"]])
def test_a_file_is_printed_whole_and_as_toml(
    other: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["schedule", "show", "finney", "--toml", *other]
    assert run(root.app, words, prog_name="sn37") == 2
    assert "leave out --json and --at" in capsys.readouterr().err


def test_show_prints_the_summary_below_the_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(SMALL.replace('name = "OTHER"', 'name = "OTHER"\nsummary = "For others."'))
    assert run(root.app, ["schedule", "show", str(file)], prog_name="sn37") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 OTHER: " in lines[lines.index("    For others.") - 1]
    assert run(root.app, ["schedule", "show", str(file), "--json"], prog_name="sn37") == 0
    assert json.loads(capsys.readouterr().out)["schedule"]["netuid"] == 37
