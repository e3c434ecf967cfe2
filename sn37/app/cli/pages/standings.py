"""``sn37 standings``: print who leads each competition and what share of it each miner has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from sn37.app.cli import options
from sn37.app.cli.pages import boards
from sn37.app.cli.terminal.source import tell_source

if TYPE_CHECKING:
    from sn37.app.leaderboard.views import CompetitionView


def standings(
    receipts: boards.Receipts = None,
    address: boards.From = None,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print each competition's champion, score, gain and standings.

    The record is that of the state folder, where a validator may be running, of exported rounds,
    or of a leaderboard elsewhere.

    sn37 standings --network simnet
    sn37 standings --from https://HOST --json
    """
    flags = {k: v for k, v in locals().items() if k not in ("receipts", "address", "as_json")}
    from sn37.app.leaderboard.board import competitions  # slow to import

    pages = list(competitions(boards.open_board(flags, receipts, address)))
    if as_json:
        typer.echo(json.dumps([_as_json(page) for page in pages], indent=2))
        return
    for line in _lines(pages):
        typer.echo(line)
    tell_source(address)


def _lines(pages: Sequence[CompetitionView]) -> Iterator[str]:
    if not any(page.standings for page in pages):
        yield "no finished round yet"
    for page in pages:
        if not page.standings:
            continue
        card, newest = page.card, page.standings[-1]
        share = "" if card.reward_share is None else f", {card.reward_share:.0%} of the emission"
        yield f"competition {card.id}  {card.name}{share}, after {boards.when(newest.round)}"
        if card.champion is not None and card.since is not None:
            yield (
                f"  champion  {card.champion.hotkey}  {card.champion.repo}  since "
                f"{boards.when(card.since)}  score {boards.score(card.score)}  "
                f"{boards.gain(card.advance)}"
            )
        for held in newest.shares:
            yield f"  {held.share:8.2%}  {held.hotkey}"


def _as_json(page: CompetitionView) -> dict[str, object]:
    card = page.card
    newest = page.standings[-1] if page.standings else None
    return {
        "competition": card.id,
        "name": card.name,
        "reward_share": card.reward_share,
        "round": newest and newest.round.block,
        "round_time": boards.time_as_json(None if newest is None else newest.round),
        "standings": [{"hotkey": s.hotkey, "share": s.share} for s in newest.shares]
        if newest
        else [],
        "champion": card.champion and card.champion.hotkey,
        "repo": card.champion and card.champion.repo,
        "since": card.since and card.since.block,
        "since_time": boards.time_as_json(card.since),
        "score": card.score,
        **boards.gain_as_json(card.advance),
    }
