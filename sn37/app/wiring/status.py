"""The status of the validator whose state folder the settings name."""

from __future__ import annotations

from datetime import UTC, datetime

from sn37.adapters.sqlite.holder import is_held
from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.system.disk import free_bytes
from sn37.app.config.path_checks import is_there
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.status.run_report import RunReport, read_report
from sn37.app.status.validator_status import (
    Recorded,
    Seen,
    ValidatorStatus,
    read_record,
    validator_status,
)
from sn37.app.wiring.container import container_for
from sn37.app.wiring.leaderboard import block_times
from sn37.app.wiring.recorded_network import require_same_network
from sn37.domain.printable import one_line
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.errors import PortError


def look_at_validator(settings: Settings) -> ValidatorStatus:
    """Return the status of a validator, which may be running. Takes none of its locks.

    Raises:
        UsageError: The record is of another network.
        CommandError: No validator has run in the state folder, or its report cannot be read.
    """
    folder, schedule = settings.state_dir, rules_of_network(settings).schedule
    report = _report(settings)
    if report is None and not is_there(settings.state_file):
        raise CommandError(f"no validator has run in {folder}; name its folder with --state-dir")
    record, fault = _record(settings, schedule)
    return validator_status(
        Seen(
            state_dir=str(folder),
            network=settings.network_name,
            is_held=is_held(settings.state_file),
            report=report,
            record=record,
            fault=fault,
            schedule=schedule,
            times=block_times(settings)(),
            now=datetime.now(UTC),
            free_bytes=free_bytes(folder, folder / "models"),
        )
    )


def _report(settings: Settings) -> RunReport | None:
    try:
        return read_report(settings.state_dir)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror or error}") from error


def _record(settings: Settings, schedule: Schedule) -> tuple[Recorded, str]:
    """Return what the record has, or why it cannot be read: the report may say why it is so."""
    if not is_there(settings.state_file):
        return Recorded(), ""
    try:
        require_same_network(container_for(settings))
        with SqliteRecordReader(settings.state_file).snapshot() as snapshot:
            return read_record(snapshot, schedule), ""
    except PortError as error:
        return Recorded(), one_line(str(error))
