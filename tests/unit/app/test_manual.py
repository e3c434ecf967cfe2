"""The documents that are installed with the program, and ``sn37 docs``."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

from sn37.app.cli import root
from sn37.app.cli.run import run
from sn37.app.errors import CommandError, UsageError
from sn37.app.manual import library
from sn37.app.manual.library import Page, decisions, page_named, pages, project_url

ROOT = Path(__file__).parents[3]
PACKAGE = Path(library.__file__).parents[2]


def docs(*args: str) -> int:
    return run(root.app, ["docs", *args], prog_name="sn37")


def test_all_documents_are_installed_as_they_are() -> None:
    """In CI these tests run on the built wheel, which has copies of them."""
    for folder, found in (("docs", pages()), ("docs/decisions", decisions())):
        written = {path.name: path.read_bytes() for path in (ROOT / folder).glob("*.md")}
        assert {page.path.name: page.path.read_bytes() for page in found} == written
        assert all(PACKAGE in page.path.parents for page in found)


def test_the_list_has_a_line_for_each_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [page.name for page in pages()]
    assert ["validator", "For validators: running a validator"] in [
        line.split(maxsplit=1) for line in lines
    ]
    assert docs("decisions") == 0
    assert "70  70. Pages from the record alone" in capsys.readouterr().out


@pytest.mark.parametrize("page", [*pages(), *decisions()], ids=lambda page: page.name)
def test_every_command_in_the_place_of_a_link_shows_a_document(page: Page) -> None:
    text = page.text()
    for name in re.findall(r"sn37 docs ([a-z0-9]+)", text):
        assert name == "decisions" or page_named(name).title
    assert re.findall(r"\]\([\w/.-]+\.md", text) == []


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("see [validator.md](validator.md#health)", "see `sn37 docs validator`"),
        ("[decision 7](decisions/0007-one-sqlite-database.md)", "decision 7 [`sn37 docs 7`]"),
        ("([0007](0007-one-sqlite-database.md))", "(`sn37 docs 7`)"),
        ("[the rule](../winner.md)", "the rule [`sn37 docs winner`]"),
        ("[the changelog](../CHANGELOG.md)", "the changelog"),
        ("[above](#the-rule)", "above"),
        ("[TUF](https://theupdateframework.io)", "TUF (https://theupdateframework.io)"),
        ("![a chart](chart.svg)", "(picture: a chart)"),
        ("<!-- generated -->\nrows", "rows"),
    ],
)
def test_a_link_is_shown_as_text(source: str, shown: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(source)
    assert Page(name="page", title="", path=file).text() == shown


def test_a_document_is_printed_as_text_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert docs("validator") == 0
    assert capsys.readouterr().out == page_named("validator").text()


@pytest.mark.parametrize("name", ["70", "0070"])
def test_a_decision_is_named_by_its_number(name: str) -> None:
    assert page_named(name).title == "70. Pages from the record alone"


@pytest.mark.parametrize("name", ["validator", "validator.md", "docs/validator.md", "Validator"])
def test_a_document_is_found_as_people_name_it(name: str) -> None:
    assert page_named(name).name == "validator"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("valdator", "valdator: no such document; did you mean validator?; sn37 docs lists all"),
        ("9999", "9999: no such document; sn37 docs lists all"),
        ("../../errors", "no such document"),
    ],
)
def test_an_unknown_document_is_refused_with_the_closest(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        page_named(name)


def test_a_package_without_documents_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    for args in ((), ("validator",)):
        assert docs(*args) == 1
        assert capsys.readouterr().err.startswith(f"error: {tmp_path}: no documents; ")


def test_an_image_is_built_with_the_documents() -> None:
    steps = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    (install,) = [n for n, step in enumerate(steps) if "[validator]" in step]
    assert steps.index("COPY docs docs") < install


def test_the_path_of_a_document_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs("validator", "--path") == 0
    assert Path(capsys.readouterr().out.strip()).read_text().startswith("# For validators")
    assert docs("--path") == 0
    assert (Path(capsys.readouterr().out.strip()) / "validator.md").is_file()
    assert docs("decisions", "--path") == 2


def test_documents_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs("--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [page["name"] for page in listed] == [page.name for page in pages()]
    assert docs("validator", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["text"] == page_named("validator").text()
    assert docs("--path", "--json") == 0
    assert Path(json.loads(capsys.readouterr().out)["path"]).is_dir()


def test_on_a_terminal_a_document_is_formatted_and_in_the_pager() -> None:
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", "sn37.app.main", "docs", "70"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PAGER": "sed s/^/paged:/", "TERM": "xterm", "COLUMNS": "70"},
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            said += chunk
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert command.wait() == 0
    text = said.decode()
    assert all(line.startswith("paged:") for line in text.splitlines())
    assert "# 70." not in text
    assert "70. Pages from the record alone" in text


def an_error(
    page: str | None, capsys: pytest.CaptureFixture[str], *, lines: tuple[str, ...] = ()
) -> str:
    import typer

    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise CommandError("no wallet", page=page, lines=lines)

    assert run(failing, ["--"], prog_name="fail") == 1
    return capsys.readouterr().err


def test_an_error_names_the_document_that_explains_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert an_error("validator", capsys) == "error: no wallet; see sn37 docs validator\n"
    several = an_error("validator", capsys, lines=("first", "second"))
    assert several == "error: no wallet\nfirst\nsecond\nsee sn37 docs validator\n"
    assert an_error(None, capsys) == "error: no wallet\n"


def test_an_error_names_the_address_that_the_package_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Message()
    named["Project-URL"] = "Issues, https://example.org/issues"
    named["Project-URL"] = "Repository, https://example.org/sn37"
    monkeypatch.setattr(library, "metadata", lambda name: named)
    assert project_url() == "https://example.org/sn37"
    said = an_error("validator", capsys)
    assert said.endswith("see sn37 docs validator or https://example.org/sn37\n")


def test_every_document_that_an_error_names_is_there() -> None:
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    named = {name for text in sources for name in re.findall(r'page="([^"]+)"', text)}
    assert named >= {"schedules", "validator", "verification", "miner"}
    assert named <= {page.name for page in pages()}
