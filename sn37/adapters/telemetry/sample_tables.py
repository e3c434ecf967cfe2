"""Samples as a table; untrusted texts are made printable before they reach the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from rich.console import Group, RenderableType
from rich.text import Text

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.fitted_table import FittedTable
from sn37.domain.data.samples import Sample
from sn37.domain.data.vetting import Collected
from sn37.domain.printable import printable

SHOWN_CHARACTERS = 60  # of a text


def render_samples(
    title: str, samples: Sequence[Sample], collected: Collected | None
) -> RenderableType:
    """Return a table with one row for each sample, and the counts of the pool below it."""
    table = FittedTable(Text(printable(title)))
    for column, rank in (("row", 2), ("time", 3), ("signer", 4), ("prompt", 0), ("reference", 1)):
        table.add_column(column, rank=rank, is_text=column not in ("time", "signer"))
    for sample in samples:
        origin = sample.provenance
        when = origin.produced_at
        table.add_row(
            _cell(origin.row_id),
            f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if when else "",
            Text(wording.miner(origin.signer, {}) if origin.signer else ""),
            _cell(sample.prompt),
            _cell(sample.reference),
        )
    if collected is None:
        return table
    lines = [f"{len(collected.pool.samples):,} rows in the pool"]
    lines += [f"{len(r.row_ids):,} set aside: {r.why}" for r in collected.set_aside]
    return Group(table, Text("\n".join(map(printable, lines))))


def _cell(text: str) -> Text:
    line = " ".join(text[: 4 * SHOWN_CHARACTERS].split())
    short = line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 3]}..."
    return Text(printable(short))
