"""The leaderboard of the record in the state folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from sn37.adapters.leaderboards.documents import HttpDocuments
from sn37.adapters.receipts.folder import FolderRounds
from sn37.adapters.signatures import is_signed_by
from sn37.adapters.simnet.chain.schema import genesis_time_of
from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.telemetry.head_times import HeadTimes
from sn37.adapters.telemetry.subnet_file import NAME as SUBNET_FILE
from sn37.adapters.telemetry.subnet_file import SubnetFile
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.leaderboard.others import Others
from sn37.app.leaderboard.published_record import PublishedRecord
from sn37.app.leaderboard.remote import RemoteLeaderboard
from sn37.app.receipts.signing import VerifySignature
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.wiring.container import container_for
from sn37.app.wiring.recorded_network import require_same_network
from sn37.domain.ids import Block
from sn37.ports.errors import LeaderboardRefused


def open_leaderboard(settings: Settings, others: Sequence[Path] = ()) -> Leaderboard:
    """Return the leaderboard of the state folder, before its history is read.

    Args:
        others: Folders of rounds that other validators exported, to compare with.

    Raises:
        CommandError: The record is of another network.
        StateUnreadable, StateUnavailable: The record cannot be read.
    """
    require_same_network(container_for(settings))
    schedule = rules_of_network(settings).schedule
    return Leaderboard(
        SqliteRecordReader(settings.state_file),
        schedule=schedule,
        times=block_times(settings),
        network=settings.network_name,
        subnet=SubnetFile(settings.state_dir / SUBNET_FILE),
        others=Others(
            [FolderRounds(folder) for folder in others], schedule=schedule, verify=_verify()
        ),
    )


def open_published(settings: Settings, folder: Path) -> Leaderboard:
    """Return the leaderboard of exported rounds, before they are read.

    Raises:
        CommandError: The package that checks signatures is missing, or the folder has no rounds.
        ReceiptsUnavailable, OfferRefused: The folder cannot be read.
    """
    schedule = rules_of_network(settings).schedule
    verify = _verify()
    if verify is None:
        raise CommandError(
            "signatures of published rounds are checked with bittensor: "
            "run pip install 'sn37[chain]'"
        )
    record = PublishedRecord(FolderRounds(folder), schedule=schedule, verify=verify)
    if not any(record.rows()):
        raise CommandError(
            f"--receipts {folder}: no rounds of {settings.network_name}; name a folder that "
            "sn37 receipts export has written, and its --network"
        )
    return Leaderboard(
        record,
        schedule=schedule,
        times=block_times(settings),
        network=settings.network_name,
    )


def open_remote(address: str) -> RemoteLeaderboard:
    """Return the leaderboard at an address; nothing is read yet.

    Raises:
        UsageError: It is not an address.
    """
    try:
        return RemoteLeaderboard(HttpDocuments(address))
    except LeaderboardRefused as error:
        raise UsageError(f"--from {error}") from error


def _verify() -> VerifySignature | None:
    """Return the check of signatures, if its package is installed."""
    return None if find_spec("bittensor") is None else is_signed_by


def block_times(settings: Settings) -> Callable[[], BlockTimes]:
    """Return the function for block times: exact on simnet, else from the validator's events."""
    if settings.is_simnet:
        return partial(_times_of_simnet, settings.simnet_chain_file)
    seen = HeadTimes(settings.state_dir / "events.jsonl")
    return lambda: BlockTimes(seen().items())


def _times_of_simnet(chain: Path) -> BlockTimes:
    genesis = genesis_time_of(chain)  # the chain may be founded after the leaderboard has started
    return BlockTimes() if genesis is None else BlockTimes([(Block(0), genesis)])
