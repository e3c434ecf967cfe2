"""``sn37 champions``: list the champions of each competition, as a validator recorded them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import typer

from sn37.app.cli import options

if TYPE_CHECKING:
    from sn37.domain.ids import CompetitionId
    from sn37.domain.round.crown_history import Reign
    from sn37.domain.round.state import ValidatorState

Lineage = Mapping["CompetitionId", tuple["Reign", ...]]


def champions(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """List all champions with their reigns and predecessors; a validator may be running."""
    flags = {k: v for k, v in locals().items() if k != "as_json"}
    from sn37.app.config.settings import load_settings  # slow to import
    from sn37.app.wiring.machine import Machine
    from sn37.domain.round.crown_history import reigns

    state = Machine(load_settings(flags)).recorded_state()
    lineage = {c: reigns(rounds) for c, rounds in sorted(state.rounds.items())}
    if as_json:
        typer.echo(json.dumps(_as_json(lineage, state), indent=2))
        return
    for line in _lines(lineage, state):
        typer.echo(line)


def _lines(lineage: Lineage, state: ValidatorState) -> Iterator[str]:
    if not any(lineage.values()):
        yield "no champion yet"
    for competition, held in lineage.items():
        for reign in held:
            model = state.submissions[reign.champion].commitment.model
            until = "now" if reign.until is None else f"{reign.until}"
            rounds = "1 round" if reign.num_rounds == 1 else f"{reign.num_rounds:,} rounds"
            lost = f"  lost by {reign.lost_by}" if reign.lost_by else ""
            yield (
                f"competition {competition}  blocks {reign.since} to {until}  {rounds}  "
                f"{reign.champion.hotkey}  {model.repo}@{model.revision[:12]}{lost}"
            )


def _as_json(lineage: Lineage, state: ValidatorState) -> list[dict[str, object]]:
    return [
        {
            "competition": competition,
            "hotkey": reign.champion.hotkey,
            "committed_at": reign.champion.block,
            "repo": state.submissions[reign.champion].commitment.model.repo,
            "commit": state.submissions[reign.champion].commitment.model.revision,
            "since": reign.since,
            "until": reign.until,
            "rounds": reign.num_rounds,
            "predecessor": reign.predecessor and reign.predecessor.hotkey,
            "lost_by": reign.lost_by,
        }
        for competition, held in lineage.items()
        for reign in held
    ]
