"""Output of a benchmark: a table for people, figures for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on standard output; every column but the first is right-aligned."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_shown(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


def write_figures(
    file: Path | None, figures: Mapping[str, float], *, libraries: Sequence[str] = ()
) -> None:
    """Write ``{"figures", "machine", "versions"}`` as JSON, unless ``file`` is ``None``.

    Args:
        libraries: Distributions whose versions the figures depend on.
    """
    if file is None:
        return
    document = {
        "figures": dict(figures),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions(libraries)},
    }
    file.write_text(json.dumps(document, indent=1) + "\n")


def machine() -> dict[str, str | int]:
    """Describe this machine, on which the figures were measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    found = {}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "missing"
    return found


def _shown(cell: object) -> str:
    return f"{cell:,.4g}" if isinstance(cell, float) else str(cell)
