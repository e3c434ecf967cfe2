"""The leaderboard of the record in the state folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sn37.adapters.simnet.chain.schema import genesis_time_of
from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.telemetry.head_times import HeadTimes
from sn37.app.config.settings import Settings
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.wiring.container import container_for
from sn37.app.wiring.leaderboard_process import require_leaderboard
from sn37.app.wiring.recorded_network import require_same_network
from sn37.domain.ids import Block


def open_leaderboard(settings: Settings) -> Leaderboard:
    """Return the leaderboard of the state folder, before its history is read.

    Raises:
        CommandError: A package is missing, or the record is of another network.
        StateUnreadable, StateUnavailable: The record cannot be read.
    """
    require_leaderboard()
    require_same_network(container_for(settings))
    return Leaderboard(
        SqliteRecordReader(settings.state_file),
        schedule=rules_of_network(settings).schedule,
        times=times_of(settings),
        network=settings.network,
    )


def times_of(settings: Settings) -> Callable[[], BlockTimes]:
    """Return the function for times: exact on simnet, else from the validator's events."""
    if settings.is_simnet:
        return partial(_times_of_simnet, settings.simnet_chain_file)
    seen = HeadTimes(settings.state_dir / "events.jsonl")
    return lambda: BlockTimes(seen().items())


def _times_of_simnet(chain: Path) -> BlockTimes:
    genesis = genesis_time_of(chain)  # the chain may be founded after the leaderboard has started
    return BlockTimes() if genesis is None else BlockTimes([(Block(0), genesis)])
