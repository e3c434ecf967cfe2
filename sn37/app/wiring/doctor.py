"""The examinations of ``sn37 doctor``, with what measures and asks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from sn37.adapters.scoring.sandbox.layers import Sandbox
from sn37.adapters.system import host
from sn37.adapters.system.clock import SystemClock
from sn37.app.config.requirements import DRIVERS, REAL_NETWORKS, SIMNET
from sn37.app.config.settings import Settings
from sn37.app.doctor import account_checks, machine_checks
from sn37.app.doctor.examination import Examination
from sn37.app.doctor.machine_checks import VersionRange
from sn37.app.doctor.needs import Needs, needs_of
from sn37.app.doctor.topics import (
    DATA_SET,
    DEVICE,
    DISK,
    ENDPOINT,
    HUB,
    MEMORY,
    OPEN_FILES,
    PACKAGE,
    PYTHON,
    SANDBOX,
    WALLET,
    WANDB,
    Topic,
)
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.wiring.container import Container
from sn37.app.wiring.start_checks import (
    checks_of_network,
    checks_on_chain,
)
from sn37.domain.check_line import Check, Grade
from sn37.domain.schedule.competition import Source
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.dataset import Description
from sn37.ports.errors import PortError
from sn37.ports.host_facts import DeviceFacts, HubFacts

SCHEDULE_LIMIT_S = 120.0  # each plug-in starts a process
DEVICE_LIMIT_S = 110.0
SANDBOX_LIMIT_S = 90.0  # the process that tries the layers has 60 s
CHAIN_LIMIT_S = 180.0
ACCOUNT_LIMIT_S = SCHEDULE_LIMIT_S + 60.0  # plug-ins are asked first whether they need it
_HUB_PACKAGE, _WANDB_PACKAGE = "huggingface_hub", "wandb"


async def device_facts(settings: Settings) -> DeviceFacts:
    """Measure the device that scores; tests replace this function and the next three.

    Raises:
        ScorerUnavailable: It does not work.
    """
    from sn37.adapters.scoring.device_probe import measure_device

    return await measure_device(settings.scorer_device, threads=settings.threads)


async def hub_facts() -> HubFacts:
    """Ask the hub.

    Raises:
        StoreUnavailable: It does not answer.
    """
    from sn37.adapters.hub.account import ask_hub

    return await ask_hub(SystemClock())


async def wandb_user() -> str:
    """Return whose login at wandb this machine has.

    Raises:
        DatasetUnavailable: There is none, or wandb does not answer.
    """
    from sn37.adapters.dataset.wandb_account import wandb_user

    return await wandb_user()


def host_sandbox() -> Sandbox:
    """Return the layers that this host offers.

    Raises:
        OSError: They cannot be found out.
    """
    found: Sandbox = Container().host_sandbox()
    return found


def examinations_of_machine() -> Sequence[Examination]:
    """Return what can be examined without a network: nothing is sent or measured."""
    needs = needs_of("simnet", is_for_trials=True)
    return (
        _at_once(PYTHON, _python),
        _at_once(PACKAGE, lambda: _packages((*SIMNET,))),
        _at_once(
            DEVICE,
            lambda: [machine_checks.check_driver(is_there=any(d.exists() for d in DRIVERS))],
            Grade.WARNING,
        ),
        Examination(name="sandbox", run=_sandbox, remedy=SANDBOX.remedy, limit_s=SANDBOX_LIMIT_S),
        *_limits(needs),
    )


def examinations_of_network(settings: Settings) -> Sequence[Examination]:
    """Return the examinations of a machine for a network, in the order of a validator's start.

    A password of the hotkey's is asked for here, before anything else runs.

    Raises:
        CommandError: The network's schedule cannot be used.
    """
    loaded = rules_of_network(settings)
    needs = needs_of(settings.network_name, is_for_trials=settings.is_for_trials)
    packages = SIMNET if settings.is_simnet else REAL_NETWORKS
    largest_bytes = 0 if settings.is_simnet else _largest_model(loaded.schedule)
    chain = () if settings.is_simnet else _chain(settings)
    needed: asyncio.Future[frozenset[str]] = asyncio.get_running_loop().create_future()
    return (
        Examination(
            name="schedule",
            run=partial(_schedule, settings, needed),
            remedy=DATA_SET.remedy,
            limit_s=SCHEDULE_LIMIT_S,
        ),
        _at_once(PYTHON, _python),
        _at_once(PACKAGE, lambda: _packages(packages)),
        Examination(
            name=DEVICE.name,
            run=partial(_device, settings, needs),
            remedy=DEVICE.remedy,
            limit_s=DEVICE_LIMIT_S,
        ),
        Examination(name="sandbox", run=_sandbox, remedy=SANDBOX.remedy, limit_s=SANDBOX_LIMIT_S),
        *_limits(needs),
        Examination(
            name=DISK.name,
            run=partial(_disk, settings, needs, largest_bytes),
            remedy=DISK.remedy,
        ),
        *_accounts(settings, needed),
        *chain,
    )


def _at_once(
    topic: Topic, look: Callable[[], Iterable[Check]], grade: Grade = Grade.FAILED
) -> Examination:
    """Return an examination that neither waits nor measures."""

    async def run() -> AsyncIterator[Check]:
        for check in look():
            yield check

    name = topic.name.removesuffix(" ...")
    return Examination(name=name, run=run, remedy=topic.remedy, grade=grade)


def _python() -> Iterable[Check]:
    return [machine_checks.check_python(tuple(sys.version_info[:3]))]


def _packages(names: Sequence[str]) -> Iterable[Check]:
    ranges = _tested_ranges()
    return [machine_checks.check_package(name, _version(name), ranges) for name in names]


def _version(name: str) -> str | None:
    """Return a package's version without importing it; empty if it names none."""
    if find_spec(name) is None:
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _tested_ranges() -> Mapping[str, VersionRange]:
    try:
        return machine_checks.version_ranges(requires("sn37") or ())
    except PackageNotFoundError:  # run from a checkout that is not installed
        return {}


async def _device(settings: Settings, needs: Needs) -> AsyncIterator[Check]:
    try:
        facts = await device_facts(settings)
    except PortError as error:
        detail = f"{settings.scorer_device} does not work: {error}"
        yield DEVICE.failed(detail)
        return
    for check in machine_checks.check_device(facts, needs):
        yield check


async def _sandbox() -> AsyncIterator[Check]:
    sandbox = await asyncio.to_thread(host_sandbox)
    for row in sandbox.rows():
        if row.present:
            detail = f"version {sandbox.landlock_abi}" if row.layer == "landlock" else "works"
            yield SANDBOX.ok(detail, row.layer)
        else:
            yield Check(
                name=f"sandbox: {row.layer}",
                grade=Grade.FAILED if row.essential else Grade.WARNING,
                detail=f"missing: {row.lost}",
                remedy=f"{row.fix}; or --allow-weak-sandbox" if row.essential else row.fix,
            )


def _limits(needs: Needs) -> Sequence[Examination]:
    return (
        _at_once(MEMORY, lambda: [machine_checks.check_memory(host.memory_bytes(), needs)]),
        _at_once(OPEN_FILES, lambda: [machine_checks.check_open_files(host.open_files(), needs)]),
    )


async def _disk(settings: Settings, needs: Needs, largest_bytes: int) -> AsyncIterator[Check]:
    facts = await asyncio.to_thread(host.disk_of, settings.state_dir, settings.state_dir / "models")
    yield machine_checks.check_disk(facts, needs, largest_bytes=largest_bytes)


def _largest_model(schedule: Schedule) -> int:
    limits = (c.constraints.max_bytes for stage in schedule.stages for c in stage.competitions)
    return max(limits, default=0)


async def _schedule(
    settings: Settings, needed: asyncio.Future[frozenset[str]]
) -> AsyncIterator[Check]:
    """Yield the checks of the schedule; ``needed`` gets the packages that its sources import."""
    found: set[str] = set()

    def note(source: Source, description: Description) -> None:
        found.update(description.packages)
        if source.parameters.get("origin") == "hub":  # sn1's: wandb is its other origin
            found.discard(_WANDB_PACKAGE)

    try:
        async for check in checks_of_network(settings, note):
            yield check
    finally:
        needed.set_result(frozenset(found))


def _accounts(settings: Settings, needed: asyncio.Future[frozenset[str]]) -> Sequence[Examination]:
    """Return the examinations of hub and wandb, which are made if anything needs them."""

    async def hub() -> AsyncIterator[Check]:
        if settings.is_simnet and _HUB_PACKAGE not in await asyncio.shield(needed):
            return
        try:
            found = list(account_checks.check_hub(await hub_facts()))
        except PortError as error:
            found = list(account_checks.no_hub(str(error)))
        for check in found:
            yield check

    async def wandb() -> AsyncIterator[Check]:
        if _WANDB_PACKAGE not in await asyncio.shield(needed):
            return
        try:
            yield account_checks.check_wandb(await wandb_user())
        except PortError as error:
            yield account_checks.no_wandb(str(error))

    return (
        Examination(name=HUB.name, run=hub, remedy=HUB.remedy, limit_s=ACCOUNT_LIMIT_S),
        Examination(name=WANDB.name, run=wandb, remedy=WANDB.remedy, limit_s=ACCOUNT_LIMIT_S),
    )


def _chain(settings: Settings) -> Sequence[Examination]:
    """Return the examinations of wallet and chain.

    The hotkey is opened now: its password may have to be asked for.
    """
    if find_spec("bittensor") is None:
        return ()  # a line on the package says so
    wallet, run = checks_on_chain(settings, is_wallet_needed=True)

    return (
        _at_once(WALLET, lambda: () if wallet is None else (wallet,)),
        Examination(name="chain", run=run, remedy=ENDPOINT.remedy, limit_s=CHAIN_LIMIT_S),
    )


def examinations_of(settings: Settings | None) -> Sequence[Examination]:
    """Return what is examined for a network, or without one.

    Raises:
        CommandError: The network's schedule cannot be used.
    """
    return examinations_of_machine() if settings is None else examinations_of_network(settings)
