"""What the documents say exists, runs and is complete."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import sn37
from sn37.app.cli import root as main
from sn37.app.cli import validator
from sn37.app.cli.run import LateCommand, run
from sn37.app.config.settings import FLAGS, Settings, load_settings
from sn37.app.config.toml_tables import keys_of
from sn37.app.rounds.report import report
from sn37.app.schedule.advice import unburnt_lines, undecided_lines, warnings
from sn37.app.schedule.load import PRESETS, load_schedule
from sn37.app.schedule.tables import ScheduleTable
from sn37.domain.canonical import JsonValue
from sn37.domain.round.state import ValidatorState
from sn37.domain.submission.submission import Verdict
from sn37.testing.builders import a_round_key, a_round_result, a_schedule
from tests.support import competitions_document, generated_tables

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
WITHOUT_FLAG = {"webhook", "webhook_format", "webhook_kinds"}  # settings that are secret, or of one
PLACEHOLDERS = {
    "HOTKEY": "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty",
    "NAME": "sn18",
    "FOLDER": ".",
    "FILE": "simnet",
    "OLD": "simnet",
    "NEW": "simnet",
    "BLOCK": "0",
    "NETUID": "37",
}


def document(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def in_blocks(text: str) -> Iterator[list[str]]:
    """Command lines of a document's indented blocks; nothing else there starts like them."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for line in outside.splitlines():
        if re.match(r"    (\./|make|sn37|python|pip|btcli|git|pytest)\b", line):
            words = shlex.split(line, comments=True)
            yield words[: words.index(">")] if ">" in words else words


def in_spans(text: str) -> Iterator[list[str]]:
    """Those of its code spans; what is left to the reader has a value that parses."""
    for span in re.findall(r"`([^`\n]+)`", text):
        if re.match(r"(make|sn37|python -m sn37\S*) [a-z-]", span) and "..." not in span:
            for part in alternatives(span):
                yield [PLACEHOLDERS.get(word, word) for word in shlex.split(part, comments=True)]


def alternatives(span: str) -> list[str]:
    """``sn37 schedule check | show`` as two commands."""
    first, *others = span.split(" | ")
    return [first, *(f"{first.rpartition(' ')[0]} {other}" for other in others)]


def find(words: list[str]) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """The command or group that the words name, and its arguments."""
    if words[:2] == ["python", "-m"]:
        door = words[2].removeprefix("sn37.app.")
        assert door in ("validator", "miner"), words
        words = ["sn37", door, *words[3:]]
    found = get_command(main.app)
    rest = words[1:]
    while isinstance(found, TyperGroup) and rest and not rest[0].startswith("-"):
        assert rest[0] in found.commands, words
        found, rest = loaded(found.commands[rest[0]]), rest[1:]
    if found.name == "validator":
        found = get_command(validator.app)
    assert isinstance(found, TyperCommand | TyperGroup)
    return found, rest


def loaded(command: object) -> TyperCommand | TyperGroup:
    found = command.loaded() if isinstance(command, LateCommand) else command
    assert isinstance(found, TyperCommand | TyperGroup)
    return found


def parse(words: list[str]) -> dict[str, object]:
    """The arguments that a command would get; fails as the program would."""
    command, rest = find(words)
    return command.make_context("sn37", rest).params


def commands() -> list[tuple[str, list[str]]]:
    return [(document(p), words) for p in DOCUMENTS for words in in_blocks(read(p))]


@pytest.mark.parametrize(
    ("where", "words"), commands(), ids=lambda value: value if isinstance(value, str) else "-"
)
def test_every_command_of_a_block_works(
    where: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Cheap ones are run here, ``make`` ones by .ci/run; of long ones the arguments are read."""
    monkeypatch.chdir(tmp_path)
    match words:
        case ["make", target]:
            assert target in TARGETS
            assert f"make {target}" in (ROOT / ".ci" / "run").read_text()
        case ["pip", "install", *options]:
            assert_installs(options)
        case ["python", "-m", module, *options] if not module.startswith("sn37."):
            assert_takes(ROOT / f"{module.replace('.', '/')}.py", options)
        case ["python", script, *options] if script != "-m":
            assert_takes(ROOT / script, options)
        case ["sn37", "schedule" | "docs", *_] | ["sn37", "--help"] | ["sn37", "--version"]:
            assert run(main.app, words[1:], prog_name="sn37") == 0
            assert capsys.readouterr().out
        case ["sn37", "simulate" | "doctor" | "audit", *_]:
            parse(words)
        case [
            "sn37",
            "chain"
            | "champions"
            | "check"
            | "leaderboard"
            | "models"
            | "receipts"
            | "release"
            | "replay"
            | "standings"
            | "state"
            | "status"
            | "upgrade"
            | "wandb",
            *_,
        ]:
            parse([PLACEHOLDERS.get(word, word) for word in words])
        case ["sn37", "miner", *_]:  # tests/integration/simnet runs them in their order
            parse([PLACEHOLDERS.get(word, word) for word in words])
        case ["btcli", *_]:
            pass  # Bittensor's own: tests/integration/subtensor compares names and options
        case ["sn37", "validator", *_]:
            load_settings(parse([PLACEHOLDERS.get(word, word) for word in words]))
        case _:
            pytest.fail(f"{where}: no test knows {words}")


def assert_takes(script: Path, options: list[str]) -> None:
    """A program names every flag that it is given; tests of their own run them in a small size."""
    text = script.read_text()
    assert [o for o in options if o.startswith("--") and f'"{o}"' not in text] == []


def assert_installs(options: list[str]) -> None:
    """Every extra that a ``pip install`` asks for exists, and its constraints file."""
    *before, requirement = options
    assert before in ([], ["-c", "constraints.txt"])
    assert (ROOT / "constraints.txt").is_file()
    match = re.fullmatch(r"(?:\.|sn37)\[([a-z,]+)\]", requirement)
    assert match, requirement
    assert set(match[1].split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_every_command_in_a_sentence_exists(path: Path) -> None:
    for words in in_spans(read(path)):
        if words[0] == "make":
            assert words[1] in TARGETS, words
        elif find(words)[1]:
            parse(words)


def test_the_measurements_of_the_winner_rule_can_be_repeated() -> None:
    group = get_command(main.app)
    assert isinstance(group, TyperGroup)
    simulate = loaded(group.commands["simulate"])
    assert isinstance(simulate, TyperGroup)
    spans = re.findall(r"`([a-z][^`\n]+)`", read(ROOT / "docs" / "winner.md"))
    measured = [shlex.split(span) for span in spans if span.split()[0] in simulate.commands]
    assert {words[0] for words in measured} == set(simulate.commands)
    for words in measured:
        parse(["sn37", "simulate", *words])


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=document)
def test_the_title_of_a_document_says_for_whom_it_is(path: Path) -> None:
    title = read(path).partition("\n")[0]
    assert re.match(
        r"# For (miners|validators|contributors|journalists)( and contributors)?: [a-z]", title
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    broken = [target for target in LINK.findall(read(path)) if not (path.parent / target).exists()]
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_every_file_that_a_document_names_is_there(path: Path) -> None:
    named = re.findall(r"`((?:sn37|tests|docs|\.ci)/[\w./-]+)`", read(path))
    roots = (ROOT, Path(sn37.__file__).parents[1])  # the package may be installed elsewhere
    assert [n for n in named if not any((root / n).exists() for root in roots)] == []


def test_decisions_have_numbers_of_their_own_and_say_them() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").iterdir())
    numbers = [int(path.name[:4]) for path in decisions]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, decisions, strict=True):
        assert path.name.startswith(f"{number:04}-")
        assert read(path).startswith(f"# {number}. ")


@pytest.mark.parametrize("path", generated_tables.DOCUMENTS, ids=document)
def test_the_tables_of_reasons_checks_and_methods_are_the_program_s(path: Path) -> None:
    text, run = read(path), "run python -m tests.support.generated_tables"
    assert text == generated_tables.generated(path, text), run


def test_the_competitions_are_those_of_the_schedules_that_ship() -> None:
    run = "run python -m tests.support.competitions_document"
    assert read(competitions_document.DOCUMENT) == competitions_document.text(), run


def test_every_competition_that_ships_says_what_it_is_for() -> None:
    for preset in PRESETS:
        loaded = load_schedule(preset)
        for stage in loaded.schedule.stages:
            for competition in stage.competitions:
                said = loaded.summary_at(stage.from_block, competition)
                assert said is not None, competition.name
                assert said.endswith(".")


def test_the_example_of_a_schedule_can_be_loaded_and_decides(tmp_path: Path) -> None:
    text = read(ROOT / "docs" / "schedules.md")
    (example,) = re.findall(r"<!-- example -->\n```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "example.toml"
    file.write_text(example)
    loaded = load_schedule(file)
    assert [c.name for s in loaded.schedule.stages for c in s.competitions] == ["CHAT", "CHAT"]
    assert not undecided_lines(loaded.schedule)
    assert not unburnt_lines(loaded.schedule)
    assert [line for line in warnings(loaded.schedule) if "digest" not in line] == []


def test_every_key_of_a_schedule_is_explained() -> None:
    keys_ = keys_of(ScheduleTable.model_json_schema()) - {"kind"}
    rows = re.findall(r"(?m)^\| `([a-z_]+)` \|.*\| (.*) \|$", read(generated_tables.SCHEDULES))
    assert {key for key, meaning in rows if len(meaning) > 5} >= keys_


def table(first: str) -> list[list[str]]:
    """What stands in backquotes in the first column of a table of docs/validator.md."""
    text = read(ROOT / "docs" / "validator.md")
    rows = text.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows]


def keys(value: JsonValue) -> set[str]:
    assert isinstance(value, dict)
    return set(value)


def test_the_report_has_the_fields_that_are_described() -> None:
    key = a_round_key()
    state = ValidatorState(rounds={key.competition: (a_round_result(key),)})
    (round_,) = report(state, a_schedule(), {})
    assert isinstance(round_, dict)
    assert isinstance(round_["entries"], list)
    assert {name for row in table("field of a round") for name in row} == keys(round_)
    described = {name for row in table("field of an entry") for name in row}
    assert described == keys(round_["entries"][0])


def test_every_setting_and_every_verdict_is_described() -> None:
    names = Settings.model_fields.keys() - {"config"} - WITHOUT_FLAG
    flags = {FLAGS.get(name, f"--{name.replace('_', '-')}") for name in names}
    described = {flag for row in table("flag") for flag in row if flag.startswith("--")}
    assert described == flags
    document = read(ROOT / "docs" / "validator.md")
    for name in WITHOUT_FLAG:
        assert f"| `SN37_{name.upper()}` | `{name}` |" in document
    assert [row[0] for row in table("verdict")] == [v.value for v in Verdict]


def test_what_a_stranger_looks_for_is_there() -> None:
    wanted = (
        "LICENSE",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "constraints.txt",
        "Makefile",
        ".ci/run",
    )
    assert [w for w in wanted if not (ROOT / w).is_file()] == []


def test_every_dependency_has_a_tested_version() -> None:
    wanted = {
        re.split(r"[<>=!\[]", requirement)[0].lower().replace("_", "-")
        for requirements in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
        for requirement in requirements
    } - {"sn37"}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert wanted - pinned == set()
