"""One run of the validator, from settings to exit code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from dependency_injector import providers

import sn37
from sn37.app.actors.pruner import require_enough_history
from sn37.app.cold_start.starter import is_empty
from sn37.app.config import path_checks as folders
from sn37.app.config.requirements import require_device, require_packages, require_web_client
from sn37.app.config.setting_types import host_and_port
from sn37.app.config.settings import Settings, require_wallet
from sn37.app.errors import CommandError
from sn37.app.rounds.report import report, write_report
from sn37.app.samples.plugins import SIMNET_SOURCE
from sn37.app.schedule.load import LoadedSchedule, load_schedule, preset_of
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.schedule.readiness import sources_of
from sn37.app.supervision.memory_tuning import keep_heaps_small, look_less_often
from sn37.app.supervision.stop_signals import Stopped, StopRequest
from sn37.app.supervision.supervisor import Actor
from sn37.app.wiring.container import Container
from sn37.app.wiring.leaderboard_process import leaderboard_beside
from sn37.app.wiring.networks import open_network
from sn37.app.wiring.start_checks import require_checks
from sn37.app.wiring.wandb_process import wandb_beside
from sn37.domain.events import (
    Cautioned,
    LeaderboardServed,
    ValidatorStarted,
    ValidatorStopped,
    WorkersConfined,
)
from sn37.domain.round.state import ValidatorState
from sn37.domain.weights.standings import standings


def run_validator(settings: Settings, stop: StopRequest) -> int:
    """Run until the goal, a signal or an error; return the exit code.

    Raises:
        CommandError: An error that the operator can fix, or a bug; says how to fix it, or where
            the traceback is.
        PortError: The state cannot be used, or a dependency has refused.
    """
    loaded = rules_of_network(settings)
    # First, because nothing else that an operator prepares helps without data sets and tasks.
    asyncio.run(require_checks(loaded, is_simulated=settings.is_simnet))
    require_enough_history(settings.keep_history, loaded.schedule)
    require_packages(settings)
    require_web_client(settings)
    require_device(settings)
    require_wallet(settings)
    folders.require_writable(settings.state_dir)
    if settings.json_file is not None:
        folders.require_replaceable(settings.json_file)
    container = Container(settings=providers.Object(settings), loaded=providers.Object(loaded))
    container.run_log().hold(settings.log_level)
    look_less_often()
    keep_heaps_small()
    with container.run_log().bugs(), container.pulse().watched():
        asyncio.run(_run(container, stop))
    return 0


async def _run(container: Container, stop: StopRequest) -> None:
    store, sink, why = container.store(), container.sink(), "its goal is reached"
    try:
        try:
            with _health_pages(container):
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(stop.watch(), name="stop")
                    pulse = group.create_task(container.pulse().run(), name="pulse")
                    await _live(container)
                    watch.cancel()
                    pulse.cancel()
        except* Stopped:
            why = "on request"
        sink.emit(ValidatorStopped(why=why))
    finally:
        await container.scorer().aclose()
        await store.close()
        sink.close()
    _show(container)


async def _live(container: Container) -> None:
    """Start in order, then follow the chain; a signal may end this at any point."""
    await container.keeper().load()  # also locks the folder against a second validator
    container.run_log().open()
    with container.report_file().kept(container.reporter().document):
        await _live_locked(container)


async def _live_locked(container: Container) -> None:
    if is_empty(container.keeper().state):
        places = container.settings().cold_start_from
        folders.require_folders(
            (place for place in places if isinstance(place, Path)), "--cold-start-from"
        )
    container.metrics().follow(container.keeper(), container.loaded().schedule)
    _require_same_schedule(container)
    await _confine_workers(container)
    with leaderboard_beside(container.settings()) as address:
        if address is not None:
            container.sink().emit(LeaderboardServed(address=address))
        with wandb_beside(container.settings(), container.sink()):
            await _follow(container)


async def _follow(container: Container) -> None:
    async with _network(container):
        container.sink().emit(_started(container))
        await _require_simnets_source(container)
        _emit_cautions(container)
        run = container.supervisor().run  # each run returns when one of its actors does
        await run({"chain": container.continuity().run})
        actors = _actors(container)
        await run({"cold start": container.starter().run})  # its memory is freed when it ends
        keeper = container.keeper()
        container.notices().begin({c: keeper.history(c).champion for c in keeper.state.rounds})
        await run(actors)


def _started(container: Container) -> ValidatorStarted:
    loaded, rounds = container.loaded(), container.keeper().state.rounds
    return ValidatorStarted(
        version=sn37.__version__,
        network=container.settings().network_name,
        netuid=loaded.schedule.netuid,
        fingerprint=loaded.fingerprint,
        hotkey=container.network().signer.hotkey,
        num_rounds=sum(map(len, rounds.values())),
    )


async def _confine_workers(container: Container) -> None:
    sandbox = await container.scorer().sandbox()
    container.sink().emit(WorkersConfined(sandbox=sandbox.label, missing=sandbox.missing))


@asynccontextmanager
async def _network(container: Container) -> AsyncIterator[None]:
    """Open the network for the container."""
    network = await open_network(container)
    container.network.override(providers.Object(network))
    try:
        yield
    finally:
        await network.close()


def _emit_cautions(container: Container) -> None:
    for caution in cautions(container.settings(), container.loaded()):
        container.sink().emit(caution)


def _actors(container: Container) -> Mapping[str, Actor]:
    """Return the actors, which subscribe to heads as they are made.

    From then on simnet's chain waits for them, so it must have reached the recorded state before.
    """
    actors: dict[str, Actor] = dict(container.actors())
    if (rounds := container.settings().rounds) is not None:
        actors["goal"] = container.goal(rounds=rounds).run
    return actors


def cautions(settings: Settings, loaded: LoadedSchedule) -> Iterator[Cautioned]:
    """Yield what an operator should know about a run before it begins."""
    if settings.schedule is not None and not settings.is_simnet:
        preset = preset_of(settings.network)
        shipped = load_schedule(preset).fingerprint
        if loaded.fingerprint != shipped:
            advice = (
                f"{loaded.origin} has the fingerprint {loaded.fingerprint[:16]}, the preset "
                f"{preset} {shipped[:16]}: validators with the preset judge differently"
            )
            yield Cautioned(what="schedule", advice=advice)
    if settings.offline:
        yield Cautioned(what="offline", advice="this run follows and scores, but sends no weights")


@contextmanager
def _health_pages(container: Container) -> Iterator[None]:
    """Serve the health pages at the address of the settings, if there is one."""
    address = container.settings().health
    if address is None:
        yield
        return
    host, port = host_and_port(address)
    try:
        server = container.health_server(host, port)
    except OSError as error:
        why = str(error.strerror or error).lower()
        raise CommandError(f"--health {address}: {why}; choose another address") from error
    try:
        yield
    finally:
        server.close()


def _show(container: Container) -> None:
    """Write the JSON file if requested, and print the tables."""
    settings, schedule = container.settings(), container.loaded().schedule
    file, labels = container.state_file(), container.labels()
    # Read from the disk: in memory, old rounds are shortened.
    state = container.read_state()(file) if file.exists() else ValidatorState()
    if settings.json_file is not None:
        try:
            write_report(settings.json_file, report(state, schedule, labels))
        except OSError as error:
            raise CommandError(
                f"--json {settings.json_file}: {error.strerror or error}; the rounds are safe in "
                f"{settings.state_dir}: the same command writes them again"
            ) from error
    results = [r for rounds in state.rounds.values() for r in rounds]
    placed = {
        c: standings(r, timing=schedule.timing, rule=schedule.standings)
        for c, r in state.rounds.items()
    }
    sent = [w.weights for w in state.weights if w.extrinsic is not None]
    container.tables()(results, placed, sent[-1] if sent else None, labels)


def _require_same_schedule(container: Container) -> None:
    """Refuse a schedule that lacks a round under way: it needs the rules it was opened with."""
    schedule = container.loaded().schedule
    for key in container.keeper().state.open_rounds:
        if schedule.competition(key.competition, key.sync_block) is None:
            raise CommandError(
                f"the state in {container.settings().state_dir} holds a round of competition "
                f"{key.competition} at block {key.sync_block}, which {container.loaded().origin} "
                "does not have; give the schedule of that round, or another --state-dir"
            )


async def _require_simnets_source(container: Container) -> None:
    """Open the source that only an opened network has; the others have been opened before."""
    loaded = container.loaded()
    for source in sources_of(loaded.schedule):
        if source.name == SIMNET_SOURCE and container.settings().is_simnet:
            try:
                await container.sources().open(source)
            except ValueError as error:
                raise CommandError(f"{loaded.origin}: {error}") from error
