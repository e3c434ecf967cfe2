"""Finds the installed documents, and turns their links into commands.

``documents`` is a link to the folder docs/ of the repository; a wheel has copies of its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from sn37.app.errors import CommandError, UsageError

FOLDER = Path(__file__).with_name("documents")
DECISIONS = "decisions"  # the name that lists them
# The name under [project.urls] of pyproject.toml, the only place that knows the address.
URL_NAME = "Repository"

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]+\)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document: the name to ask for it, its title, its file."""

    name: str
    title: str
    path: Path

    def text(self) -> str:
        """Return the document in Markdown, with a command in the place of each link to another."""
        text = _COMMENT.sub("", self.path.read_text(encoding="utf-8"))
        text = _PICTURE.sub(r"(picture: \1)", text)
        return _LINK.sub(lambda link: _shown(link[1], link[2]), text)


def pages() -> tuple[Page, ...]:
    """Return the documents by name; decisions are apart.

    Raises:
        CommandError: The package was built without them.
    """
    if not (found := sorted(FOLDER.glob("*.md"))):
        raise CommandError(f"{FOLDER}: no documents; install a package built with docs/ beside it")
    return tuple(_page(path, path.stem) for path in found)


def decisions() -> tuple[Page, ...]:
    """Return the recorded decisions; the name of each is its number."""
    return tuple(
        _page(path, str(int(path.name[:4]))) for path in sorted((FOLDER / DECISIONS).glob("*.md"))
    )


def page_named(name: str) -> Page:
    """Return the document of this name; for a number, the decision.

    Raises:
        UsageError: There is none; names the closest.
        CommandError: The package was built without documents.
    """
    wanted = name.removesuffix(".md").removeprefix("docs/").lower()
    wanted = str(int(wanted)) if wanted.isascii() and wanted.isdigit() else wanted
    found = {page.name: page for page in (*pages(), *decisions())}
    if wanted not in found:
        close = get_close_matches(wanted, found, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"{name}: no such document{hint}; sn37 docs lists all of them")
    return found[wanted]


def project_url() -> str | None:
    """Return the address of the project that the installed package names, if it names one."""
    try:
        named = metadata("sn37").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    return next((url for key, _, url in _parted(named) if key == URL_NAME), None)


def _parted(named: list[str]) -> Iterator[tuple[str, str, str]]:
    return (line.partition(", ") for line in named)


def _page(path: Path, name: str) -> Page:
    with path.open(encoding="utf-8") as file:
        return Page(name=name, title=file.readline().lstrip("# ").strip(), path=path)


def _shown(text: str, target: str) -> str:
    """Return a link as text: with the command that shows the document, or with its address."""
    path = target.partition("#")[0]
    if "://" in target or not path:
        return f"{text} ({target})" if path else text
    file = path.rpartition("/")[2]
    number = re.match(r"(\d{4})-.*\.md", file)
    name = str(int(number[1])) if number else file.removesuffix(".md")
    if not number and not (FOLDER / f"{name}.md").is_file():
        return text
    command = f"`sn37 docs {name}`"
    return command if text in (file, file[:4]) else f"{text} [{command}]"
