"""``sn37 champions``: list the champions of each competition, as a validator recorded them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from sn37.app.cli import options
from sn37.app.cli.pages import boards
from sn37.app.cli.terminal.source import tell_source

if TYPE_CHECKING:
    from sn37.app.leaderboard.views import ReignLine


def champions(
    receipts: boards.Receipts = None,
    address: boards.From = None,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """List all champions with dates, scores and gains; a validator may be running.

    The record is that of the state folder, of exported rounds, or of a leaderboard elsewhere.

    sn37 champions --network simnet
    sn37 champions --from https://HOST --json
    """
    flags = {k: v for k, v in locals().items() if k not in ("receipts", "address", "as_json")}
    from sn37.app.leaderboard.board import all_reigns, competitions  # slow to import

    board = boards.open_board(flags, receipts, address)
    lineage = [reign for page in competitions(board) for reign in all_reigns(board, page)]
    if as_json:
        typer.echo(json.dumps([_as_json(reign) for reign in lineage], indent=2))
        return
    for line in _lines(lineage):
        typer.echo(line)
    tell_source(address)


def _lines(lineage: Sequence[ReignLine]) -> Iterator[str]:
    if not lineage:
        yield "no champion yet"
    for reign in lineage:
        model = reign.champion
        until = "now" if reign.until is None else boards.when(reign.until)
        rounds = "1 round" if reign.num_rounds == 1 else f"{reign.num_rounds:,} rounds"
        commit = "" if model.revision is None else f"@{model.revision[:12]}"
        lost = f"  lost by: {reign.lost_by}" if reign.lost_by else ""
        yield (
            f"competition {model.competition}  {boards.when(reign.since)} to {until}  {rounds}  "
            f"score {boards.score(reign.score)}  {_gain(reign)}  "
            f"{model.hotkey}  {model.repo}{commit}{lost}"
        )


def _gain(reign: ReignLine) -> str:
    return "first champion" if reign.predecessor is None else boards.gain(reign.advance)


def _as_json(reign: ReignLine) -> dict[str, object]:
    model = reign.champion
    return {
        "competition": model.competition,
        "hotkey": model.hotkey,
        "uid": model.uid,
        "committed_at": model.committed.block,
        "repo": model.repo,
        "commit": model.revision,
        "since": reign.since.block,
        "since_time": boards.time_as_json(reign.since),
        "until": reign.until and reign.until.block,
        "until_time": boards.time_as_json(reign.until),
        "rounds": reign.num_rounds,
        "score": reign.score,
        **boards.gain_as_json(reign.advance),
        "predecessor": reign.predecessor and reign.predecessor.hotkey,
        "lost_by": reign.lost_code or None,
    }
