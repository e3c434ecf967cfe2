"""The warning of a competition that ends, for the commands that prepare a model for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sn37.app.schedule.load import LoadedSchedule


def warn_of_ending(loaded: LoadedSchedule, competition: int) -> None:
    """Print a warning if the newest stage of the schedule no longer has the competition."""
    from sn37.app.schedule.lookup import ending  # slow to import

    if (note := ending(loaded, competition)) is not None:
        typer.echo(f"warning: {note}", err=True)
