"""The report of a command: lines for people, or one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping

import typer


def report(document: Mapping[str, object], *lines: str, as_json: bool) -> None:
    """Print the lines, or with ``as_json`` the document and nothing else."""
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    for line in lines:
        typer.echo(line)
