"""What the documents say exists, and what is generated is current."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from sn37.app.main import app
from sn37.domain.reasons import Blame, Reason

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def document(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str) -> list[list[str]]:
    """The command lines in a document's indented or fenced blocks, and in its code spans."""
    spans = re.findall(r"`([^`\n]+)`", text)
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    found = [
        c
        for c in (*spans, *lines)
        if re.match(
            r"(sn37|make|python -m sn37)\b ?[a-z.-]*$|(sn37|make|python -m sn37\S*) [a-z-]", c
        )
    ]
    return [shlex.split(c.replace("|", " "), comments=True) for c in found]


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_every_command_of_a_document_exists(path: Path) -> None:
    group = get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]
    for command in commands(path.read_text(encoding="utf-8")):
        if command[0] == "make" and len(command) > 1 and "=" not in command[1]:
            assert command[1] in TARGETS, command
        elif command[0] == "sn37" and len(command) > 1 and not command[1].startswith("-"):
            assert command[1] in known, command


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    broken = [
        target
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_the_table_of_reasons_is_the_program_s() -> None:
    blame = {Blame.MINER: "yours", Blame.OURS: "the validator's", Blame.NOBODY: "nobody's"}
    rows = [f"| `{r.value}` | {blame[r.blame]} | {r.meaning} |" for r in Reason]
    table = re.search(
        r"<!-- reasons -->\n.*\n.*\n((?:\|.*\n)+)<!-- end -->",
        (ROOT / "docs" / "miner.md").read_text(encoding="utf-8"),
    )
    assert table, "docs/miner.md has a table between <!-- reasons --> and <!-- end -->"
    assert table[1].splitlines() == rows


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
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.split(r"[<>=!\[]", requirement)[0].lower().replace("_", "-")
        for requirements in (project["dependencies"], *project["optional-dependencies"].values())
        for requirement in requirements
    } - {"sn37"}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert wanted - pinned == set()
