"""Whose word a command prints."""

from __future__ import annotations

import typer

from sn37.domain.printable import printable


def tell_source(address: str | None) -> None:
    """Say on standard error whose word a command has printed, if it is another machine's."""
    if address is not None:
        typer.echo(f"{printable(address)} says so; nothing of it was checked here", err=True)
