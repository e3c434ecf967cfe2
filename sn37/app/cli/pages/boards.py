"""Options and words of the commands that print parts of a leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn37.app.errors import UsageError

if TYPE_CHECKING:
    from sn37.app.leaderboard.board import Board
    from sn37.app.leaderboard.views import Advance, Moment

From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="URL", help="Read the leaderboard at this address; no validator needed."
    ),
]
Receipts = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Read rounds that a validator exported; no validator needed.",
    ),
]


def open_board(flags: dict[str, Any], receipts: Path | None, address: str | None) -> Board:
    """Open the leaderboard that the options name: by default that of the state folder.

    Raises:
        UsageError: They name two, a folder that does not exist, or something else than an address.
        CommandError, PortError: It cannot be read.
    """
    from sn37.app.wiring import leaderboard as opening  # slow to import

    if address is not None:
        if receipts is not None:
            raise UsageError("--receipts and --from: give one of them")
        return opening.open_remote(address)
    from sn37.app.config.path_checks import require_folders
    from sn37.app.config.settings import load_settings

    settings = load_settings(flags)
    if receipts is None:
        board = opening.open_leaderboard(settings)
    else:
        require_folders([receipts], "--receipts")
        board = opening.open_published(settings, receipts)
    board.read_history()
    return board


def when(moment: Moment) -> str:
    """Return the time of a block to the minute, if it is known, and its number."""
    block = f"block {moment.block}"
    return block if moment.at is None else f"{moment.at:%Y-%m-%d %H:%M} UTC ({block})"


def gain(advance: Advance | None) -> str:
    """Return a gain over the champion before with one standard error, and its evidence."""
    if advance is None:
        return "gain -"
    error = "" if advance.error is None else f" ± {100 * advance.error:.2f}"
    evidence = "-" if advance.evidence is None else f"{advance.evidence:.1f}"
    return (
        f"gain {100 * advance.gain:+.2f}%{error}  evidence {evidence}, needed {advance.needed:.1f}"
    )


def score(value: float | None) -> str:
    """Return a score as pages show it."""
    return "-" if value is None else f"{value:.4f}"


def gain_as_json(advance: Advance | None) -> dict[str, object]:
    """Return the keys of a gain, which are null if it is not known."""
    return {
        "gain": advance and advance.gain,
        "gain_error": advance and advance.error,
        "evidence": advance and advance.evidence,
        "needed_evidence": advance and advance.needed,
        "samples": advance and advance.num_samples,
    }


def time_as_json(moment: Moment | None) -> str | None:
    """Return the time of a block, if it is known."""
    return None if moment is None or moment.at is None else moment.at.isoformat()
