"""Tables for people, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import RenderableType

from sn37.adapters.telemetry.console import LastingConsole
from sn37.adapters.telemetry.sample_tables import render_samples
from sn37.adapters.telemetry.tables import render_report
from sn37.app.cli_errors import CommandError, abandon
from sn37.domain.collected import Collected
from sn37.domain.emission import WeightVector
from sn37.domain.ids import CompetitionId, Hotkey
from sn37.domain.samples import Sample
from sn37.domain.state import RoundResult

REPORT_WIDTH = 160  # columns where there is no terminal to ask


def print_report(
    results: Sequence[RoundResult],
    standings: Mapping[CompetitionId, Mapping[Hotkey, float]],
    weights: WeightVector | None,
    labels: Mapping[Hotkey, str],
) -> None:
    """Print a run's tables on standard output."""
    _print(render_report(results, standings, weights, labels))


def print_samples(title: str, samples: Sequence[Sample], collected: Collected | None) -> None:
    """Print the samples of a draw on standard output."""
    _print(render_samples(title, samples, collected))


def _print(shown: RenderableType) -> None:
    """If anybody reads it."""
    console = LastingConsole()
    if not console.is_terminal:
        console.width = REPORT_WIDTH
    try:
        console.print(shown)
    except BrokenPipeError:  # the reader has seen enough
        abandon(sys.stdout)
    except OSError as error:
        abandon(sys.stdout)
        raise CommandError(
            f"standard output: {error.strerror or error}; the same command prints the tables again"
        ) from error
