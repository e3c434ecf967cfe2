"""Every command: its help page, its examples, its JSON, its completion."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from sn37.app.cli import miner, options, root, validator
from sn37.app.cli.run import LateCommand, run
from sn37.app.cli.terminal.help_pages import HelpCommand, HelpGroup, with_help_pages
from sn37.app.cli.terminal.help_text import examples_of
from sn37.app.config.settings import Settings

# Commands that print no report, and why.
WITHOUT_JSON = {
    "validator": "runs until it is stopped; its --json names a file for the finished rounds",
    "leaderboard": "serves pages until it is stopped; /api/v1 is their JSON",
}
DOORS = {
    "sn37": root.app,
    "python -m sn37.app.miner": miner.app,
    "python -m sn37.app.validator": validator.app,
}
WIDTHS = (60, 80, 200)


@cache
def commands() -> dict[str, TyperCommand | TyperGroup]:
    """All commands and groups of the program by the words that call them."""
    return dict(below("", get_command(with_help_pages(root.app))))


def below(words: str, found: object) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    command = found.loaded() if isinstance(found, LateCommand) else found
    assert isinstance(command, TyperCommand | TyperGroup)
    yield words, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from below(f"{words} {name}".strip(), inner)


def leaves() -> list[str]:
    """Commands that do something; groups only list them."""
    return [words for words, command in commands().items() if not isinstance(command, TyperGroup)]


def page(door: str, *words: str) -> None:
    """Print the help page that a door has for these words, in the width of ``COLUMNS``."""
    assert run(DOORS[door], [*words, "-h"], prog_name=door) == 0


@pytest.mark.parametrize("words", commands())
def test_a_help_page_is_whole_at_every_width(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = commands()[words]
    assert isinstance(command, HelpCommand | HelpGroup)
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        page("sn37", *words.split())
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= width
        assert "…" not in said
        assert f"Usage: {' '.join(['sn37', *words.split()])} [OPTIONS]" in " ".join(said.split())
        assert "-h --help" in said


@pytest.mark.parametrize("words", commands())
def test_a_help_page_says_all_that_an_option_is_for(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    page("sn37", *words.split())
    said = " ".join(capsys.readouterr().out.split())
    for parameter in commands()[words].params:
        if isinstance(parameter, TyperOption) and not parameter.hidden:
            assert " ".join(str(parameter.help).split()) in said
            assert all(name in said for name in parameter.opts)


@pytest.mark.parametrize("words", leaves())
def test_an_option_that_is_a_setting_shows_its_variable_and_its_default(words: str) -> None:
    for parameter in commands()[words].params:
        if not isinstance(parameter, TyperOption) or parameter.hidden:
            continue
        if (variable := options.variable_of(parameter)) is None:
            continue
        name = variable.removeprefix("SN37_").lower()
        assert name in Settings.model_fields, "not a setting: add it to options._OF_COMMANDS"
        field = Settings.model_fields[name]
        if field.default_factory is not None or field.default in (None, (), False):
            continue
        assert parameter.show_default == str(field.default), f"{words}: {parameter.opts}"


def test_a_setting_is_shown_with_variable_and_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    page("sn37", "validator")
    said = capsys.readouterr().out
    for expected in (
        "[SN37_NETWORK; default: finney]",
        "[SN37_NETUID; default: 37; 0 to 65535]",
        "[SN37_WALLET_PATH; default: ~/.bittensor/wallets]",
        "[SN37_STATE_DIR; default: ~/.local/state/sn37/NETWORK-NETUID]",
        "[SN37_JSON_FILE]",
    ):
        assert expected in said
    titles = {line.split()[1] for line in said.splitlines() if line.startswith("╭─")}
    assert titles >= {"Options", "Network", "Wallet", "Scoring", "Simnet", "Record", "Watching"}


def test_an_option_that_only_looks_like_a_setting_has_no_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page("sn37", "simulate", "power")
    assert "SN37_" not in capsys.readouterr().out


def test_the_commands_of_the_program_are_in_panels(capsys: pytest.CaptureFixture[str]) -> None:
    page("sn37")
    said = capsys.readouterr().out
    assert [t for t in dict.fromkeys(root.PANELS.values()) if f"╭─ {t} ─" not in said] == []
    assert set(root.COMMANDS) <= set(root.PANELS)


@pytest.mark.parametrize(
    ("door", "words", "usage"),
    [
        ("sn37", ["miner", "base"], "Usage: sn37 miner base [OPTIONS] [SOURCE]"),
        (
            "python -m sn37.app.miner",
            ["base"],
            "Usage: python -m sn37.app.miner base [OPTIONS] [SOURCE]",
        ),
        ("python -m sn37.app.validator", [], "Usage: python -m sn37.app.validator [OPTIONS]"),
    ],
)
def test_usage_and_examples_name_the_program_as_it_was_called(
    door: str, words: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page(door, *words)
    said = capsys.readouterr().out
    assert usage in said
    examples = said.split("Examples:\n")[1].splitlines()
    assert examples
    assert all(line.startswith((f"  {door}", "    ")) for line in examples if line)


@pytest.mark.parametrize("words", leaves())
def test_a_command_has_an_example_that_parses(words: str) -> None:
    examples = examples_of(commands()[words].help)
    assert examples, f"end the docstring with a line: sn37 {words} ..."
    called = words.removeprefix("miner ") if words == "miner check" else words  # the same command
    for example in examples:
        program, *rest = shlex.split(example)
        assert program == "sn37"
        assert rest[: len(called.split())] == called.split(), example
        commands()[words].make_context("sn37", rest[len(called.split()) :])


def test_the_examples_of_the_program_parse() -> None:
    for example in examples_of(commands()[""].help):
        words = shlex.split(example)[1:]
        command = next(c for c in (" ".join(words[:n]) for n in (2, 1)) if c in commands())
        commands()[command].make_context("sn37", words[len(command.split()) :])


def test_a_long_example_can_be_pasted_from_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    page("sn37", "release", "root")
    shown = capsys.readouterr().out.split("Examples:\n")[1]
    assert shown.count(" \\\n") == 1
    (example,) = examples_of(commands()["release root"].help)
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(example)


@pytest.mark.parametrize("words", leaves())
def test_a_command_that_reports_prints_json(words: str) -> None:
    flags = [p for p in commands()[words].params if isinstance(p, TyperOption) and p.is_flag]
    assert any("--json" in flag.opts for flag in flags) is (words not in WITHOUT_JSON)


@pytest.mark.parametrize("words", [w for w in leaves() if w not in WITHOUT_JSON])
def test_a_refusal_is_json_when_json_is_wanted(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root.app, [*words.split(), "--json", "--nope"], prog_name="sn37") == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["what"].startswith("no such option: --nope")
    assert error["what"].endswith(f"; see sn37 {words} --help")
    assert error["exit_code"] == 2
    assert err == f"error: {error['what']}\n"


@pytest.mark.parametrize(
    ("args", "code", "what"),
    [
        (["nope", "--json"], 2, "no such command 'nope'; see sn37 --help"),
        (["schedule", "check", "--json"], 2, "missing argument 'FILE'; see sn37 schedule check"),
        (["schedule", "check", "no.toml", "--json"], 1, "no.toml: No such file"),
        (["miner", "base", "--competition", "x", "--json"], 2, "invalid value for '--competition'"),
        (["docs", "nope", "--json"], 2, "nope: no such document"),
    ],
)
def test_every_kind_of_refusal_is_json(
    args: list[str], code: int, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root.app, args, prog_name="sn37") == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["what"].startswith(what)
    assert error["exit_code"] == code


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("schedule show simnet", "fingerprint"),
        ("schedule check simnet --structure-only", "warnings"),
        ("schedule new word_sorting --out new.toml", "next"),
        ("schedule diff simnet simnet", None),
        ("miner competitions --network simnet", "competitions"),
        ("simulate power --gain 0.05 --paths 2 --rounds 3", "figures"),
        ("docs winner", "text"),
    ],
)
def test_a_report_is_one_document_and_nothing_else(
    command: str,
    key: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(root.app, [*command.split(), "--json"], prog_name="sn37") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document[key] if key else document == []
    assert err == ""


def test_a_refusal_without_json_leaves_standard_output_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """So does one whose ``--json`` names a file, or stands behind ``--``."""
    for args in (["nope"], ["validator", "--json", "file", "--nope"], ["docs", "--", "--json"]):
        assert run(root.app, args, prog_name="sn37") == 2
        assert capsys.readouterr().out == ""


def complete(line: str, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """What the program answers to a shell whose line ends where the cursor is."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sn37.app.main"],
        env={**os.environ, **asked, "_SN37_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sn37 sched", {"schedule"}),
        ("sn37 schedule ", {"check", "pin", "new", "show", "levels", "diff"}),
        ("sn37 miner pub", {"publish"}),
        ("sn37 audit --sig", {"--signers"}),
        ("sn37 docs val", {"validator"}),
        ("sn37 validator --network ", {"finney", "test", "local", "simnet"}),
        ("sn37 validator --offline --log-level in", {"info"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_commands_options_and_documents(
    line: str, expected: set[str], shell: str
) -> None:
    done = complete(line, shell)
    assert all(name in done.stdout for name in expected)
    if shell == "bash":
        assert set(done.stdout.split()) == expected
    slow = ("pydantic", "torch", "transformers", "bittensor", "numpy", "sn37.adapters")
    imported = [row.rpartition("|")[2].strip() for row in done.stderr.splitlines()]
    assert [name for name in imported if name.startswith(slow)] == []
