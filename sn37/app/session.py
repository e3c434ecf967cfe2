"""One run of the validator, from settings to exit code."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from dependency_injector import providers

from sn37.app.cli_errors import CommandError
from sn37.app.competitions import LoadedSchedule, ScheduleError, load_schedule, preset_of
from sn37.app.container import Container, open_network
from sn37.app.plugins import SIMNET_SOURCE, dataset_names
from sn37.app.report import report, write_report
from sn37.app.settings import Settings, require_wallet
from sn37.domain.standings import standings
from sn37.ports.errors import PortError

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_validator(settings: Settings) -> int:
    """Run until the goal, a signal or an error; 0 unless something failed.

    Raises:
        CommandError: Something that the operator can mend; says how.
        PortError: The state cannot be used, or the simulated network not be set up.
    """
    require_wallet(settings)
    container = Container(
        settings=providers.Object(settings), loaded=providers.Object(_schedule(settings))
    )
    _prepare_folder(settings.state_dir)
    _configure_logging(settings)
    try:
        asyncio.run(_run(container))
    except* PortError as group:
        first = _first(group)
        log.error("stopped by %s", first, exc_info=first)
        raise first from None
    return 0


async def _run(container: Container) -> None:
    settings, sink = container.settings(), container.sink()
    store, keeper = container.store(), container.keeper()
    try:
        await keeper.load()  # first: it also keeps a second validator off this folder
        network = await open_network(container)
        container.network.override(providers.Object(network))
        actors = dict(container.actors())
        if settings.rounds is not None:
            actors["goal"] = container.goal(rounds=settings.rounds).run
        await container.supervisor().run(actors)
    finally:
        await container.scorer().aclose()
        await store.close()
        sink.close()
    _show(container)


def _show(container: Container) -> None:
    """The tables for people, and the JSON for programs if it was asked for."""
    settings, schedule = container.settings(), container.loaded().schedule
    state, labels = container.keeper().state, container.labels()
    results = [r for rounds in state.rounds.values() for r in rounds]
    placed = {c: standings(r, timing=schedule.timing) for c, r in state.rounds.items()}
    sent = [w.weights for w in state.weights if w.extrinsic is not None]
    container.tables()(results, placed, sent[-1] if sent else None, labels)
    if settings.json_file is not None:
        write_report(settings.json_file, report(state, schedule, labels))


def _schedule(settings: Settings) -> LoadedSchedule:
    source = settings.schedule or preset_of(settings.network)
    known = {*dataset_names(), SIMNET_SOURCE} if settings.is_simnet else dataset_names()
    try:
        return load_schedule(source, known_sources=known)
    except ScheduleError as error:
        raise CommandError(str(error)) from error


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CommandError(
            f"state directory {folder}: {error.strerror or error}; choose another with --state-dir"
        ) from error


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(
        filename=settings.state_dir / "validator.log",
        level=settings.log_level.upper(),
        format=LOG_FORMAT,
    )


def _first(group: BaseExceptionGroup[PortError]) -> PortError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, PortError):
        raise TypeError(f"no port error in {group!r}")
    return found
