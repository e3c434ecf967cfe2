"""``sn37 docs``: the documents that are installed with the program."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sn37.app.manual.library import Page


def _names(incomplete: str) -> list[tuple[str, str]]:
    from sn37.app.manual.library import pages

    return [(page.name, page.title) for page in pages() if page.name.startswith(incomplete)]


def docs(
    page: Annotated[
        str | None,
        typer.Argument(
            metavar="PAGE",
            help="Name of a document, number of a decision, or decisions to list those.",
            autocompletion=_names,
        ),
    ] = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print where its file is instead of the document.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """List the installed documents, or show one.

    On a terminal the program that PAGER names shows it; elsewhere it is printed as text.

    sn37 docs
    sn37 docs validator
    sn37 docs validator --path
    sn37 docs decisions
    """
    from sn37.app.manual.library import DECISIONS, FOLDER, decisions, page_named, pages

    if page is None and path:
        typer.echo(json.dumps({"path": str(FOLDER)}, indent=2) if as_json else FOLDER)
    elif page is None or page == DECISIONS:
        if path:
            raise UsageError(f"--path: name one decision by its number, not {DECISIONS}")
        _list(pages() if page is None else decisions(), as_json=as_json)
    elif as_json:
        typer.echo(json.dumps(_document(found := page_named(page)) | {"text": found.text()}))
    elif path:
        typer.echo(page_named(page).path)
    else:
        _show(page_named(page).text())


def _document(page: Page) -> dict[str, str]:
    return {"name": page.name, "title": page.title, "path": str(page.path)}


def _list(found: Sequence[Page], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_document(page) for page in found], indent=2))
        return
    width = max(len(page.name) for page in found)
    for page in found:
        typer.echo(f"{page.name:<{width}}  {page.title}")


def _show(text: str) -> None:
    """Print a document; on a terminal formatted and in a pager."""
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    os.environ.setdefault("LESS", "FRX")  # as git does: colours, and no pager for a short text
    console = Console()
    with console.pager(styles=True):
        console.print(Markdown(text))
