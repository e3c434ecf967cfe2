"""Adapters of each network, opened for a validator or a command."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from getpass import getpass
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sn37.adapters.system.clock import SystemClock
from sn37.adapters.telemetry.console import command_console
from sn37.app.config.path_checks import is_there
from sn37.app.config.setting_types import NOW, expanded
from sn37.app.config.settings import Settings, require_wallet
from sn37.app.errors import CommandError, UsageError
from sn37.app.receipts.signing import VerifySignature
from sn37.app.wiring.container import Container
from sn37.app.wiring.network import Network
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.ids import Block, Netuid
from sn37.ports.errors import SignerUnusable

if TYPE_CHECKING:
    from sn37.adapters.subtensor.chain import SubtensorChain
    from sn37.adapters.subtensor.checkup import Checkup
    from sn37.adapters.subtensor.connection import Endpoint
    from sn37.adapters.subtensor.wallet import HotkeySigner
    from sn37.app.samples.sources import ChainAndSources

PASSWORD_FILE_VARIABLE = "BT_WALLET_PASSWORD_FILE"  # named by the SDK


class SetUpCancelled(Exception):
    """Ends the thread that sets up a simulated network."""


def require_chain(settings: Settings) -> None:
    """Check that the network has a real chain, and that the SDK is installed.

    Raises:
        UsageError: The network is simulated.
        CommandError: The SDK is not installed.
    """
    if settings.is_simnet:
        raise UsageError(
            "--network simnet: this command needs a real chain: name finney, test, local or a "
            "ws:// address"
        )
    if find_spec("bittensor") is None:
        raise CommandError("the chain needs bittensor: run pip install 'sn37[chain]'")


def endpoints(settings: Settings) -> Sequence[Endpoint]:
    """Return the endpoints of the settings' network; tests replace this function."""
    from sn37.adapters.subtensor.endpoints import endpoints_of, keep_caches_in

    keep_caches_in(settings.state_dir / "sdk")
    return endpoints_of(settings.network, settings.endpoint)


def open_signer(settings: Settings) -> HotkeySigner:
    """Open the hotkey that the settings name.

    Raises:
        CommandError, SignerUnusable: The hotkey does not exist, or cannot be opened.
    """
    from sn37.adapters.subtensor.wallet import open_hotkey

    require_wallet(settings)
    return open_hotkey(settings.hotkey_file, password=partial(_password, settings.hotkey_file))


def signature_check() -> VerifySignature:
    """Return the function that verifies signatures of hotkeys.

    Raises:
        CommandError: The SDK is not installed.
    """
    if find_spec("bittensor") is None:
        raise CommandError("signatures need bittensor: run pip install 'sn37[chain]'")
    from sn37.adapters.signatures import is_signed_by

    return is_signed_by


def open_checkup(settings: Settings, signer: HotkeySigner | None) -> Checkup:
    """Return the check-up of the settings' network."""
    from sn37.adapters.subtensor.checkup import Checkup

    return Checkup(
        endpoints=endpoints(settings),
        netuid=Netuid(settings.netuid),
        signer=signer,
        clock=SystemClock(),
        sink=command_console(),
    )


@asynccontextmanager
async def open_chain(settings: Settings) -> AsyncIterator[SubtensorChain]:
    """Open the real chain for reading only."""
    from sn37.adapters.subtensor.chain import SubtensorChain
    from sn37.adapters.subtensor.connection import Connection

    clock = SystemClock()
    connection = Connection(endpoints(settings), clock=clock)
    sink = command_console()
    try:
        yield SubtensorChain(connection, netuid=Netuid(settings.netuid), clock=clock, sink=sink)
    finally:
        await connection.close()


@asynccontextmanager
async def open_data(settings: Settings, *, block: Block) -> AsyncIterator[ChainAndSources]:
    """Open a chain that reaches at least ``block``, and the data sources; read only.

    Raises:
        CommandError: The SDK is not installed, or simnet's chain cannot be used or is not so far.
    """
    if not settings.is_simnet:
        require_chain(settings)
        async with open_chain(settings) as chain:
            yield chain, installed_plugin
        return
    if find_spec("bittensor") is None:
        raise CommandError("simnet's keys need bittensor: run pip install 'sn37[chain]'")
    from sn37.adapters.simnet.preview import preview
    from sn37.adapters.simnet.world import SOURCE, clock_of
    from sn37.domain.ids import BLOCK_SECONDS

    try:
        genesis_time, head = clock_of(settings.simnet_chain_file)
    except ValueError as error:
        raise CommandError(f"simnet in {settings.state_dir}: {error}") from error
    begins = genesis_time + timedelta(seconds=BLOCK_SECONDS * block)
    if block > head and begins > SystemClock().now():
        raise CommandError(
            f"block {block} does not exist yet: simnet reaches it at {begins:%Y-%m-%d %H:%M} UTC"
        )
    with preview(seed=settings.seed, head=block, genesis_time=genesis_time) as (simulated, feed):
        yield simulated, lambda name: feed if name == SOURCE else installed_plugin(name)


def _password(hotkey_file: Path) -> str | None:
    """Return the password of an encrypted hotkey: from a file, or asked for on the terminal.

    Not from an environment variable: every child inherits it, and other programs can read it.
    """
    if name := os.environ.get(PASSWORD_FILE_VARIABLE):
        try:
            return expanded(Path(name)).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise SignerUnusable(f"{PASSWORD_FILE_VARIABLE} {name}: {error}") from error
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass(f"password of {hotkey_file}: ")
    return None


async def open_network(container: Container) -> Network:
    """Open the network that the settings name, and give the sinks its names for hotkeys.

    Raises:
        CommandError: This version cannot reach it, or its folder cannot be used.
    """
    settings = container.settings()
    if settings.is_simnet:
        return await _open_simnet(container, settings)
    return _open_real(container, settings)


def _open_real(container: Container, settings: Settings) -> Network:
    """Return the adapters of chain and hub, without sending a request."""
    from sn37.adapters.hub.model_store import HubModelStore
    from sn37.adapters.subtensor.chain import SubtensorChain
    from sn37.adapters.subtensor.connection import Connection

    signer, clock = open_signer(settings), container.clock()
    connection = Connection(endpoints(settings), clock=clock)
    return Network(
        chain=SubtensorChain(
            connection,
            netuid=Netuid(settings.netuid),
            clock=clock,
            sink=container.sink(),
            signer=None if settings.offline else signer,
        ),
        models=HubModelStore(settings.state_dir / "models"),
        signer=signer,
        find_source=installed_plugin,
        close=connection.close,
    )


def _start_time(container: Container) -> datetime | None:
    """Return when simnet's clock starts; ``None`` for the usual time, or the one on record."""
    settings = container.settings()
    if settings.start_time != NOW:
        return settings.start_time
    is_new = not is_there(settings.simnet_chain_file)
    return container.clock().now().replace(microsecond=0) if is_new else None


async def _open_simnet(container: Container, settings: Settings) -> Network:
    from sn37.adapters.simnet.miners.training_processes import TrainingFailed
    from sn37.adapters.simnet.world import build_world  # slow to import

    stop = Event()

    def keep_going() -> None:
        if stop.is_set():
            raise SetUpCancelled

    building = asyncio.get_running_loop().run_in_executor(
        None,
        partial(
            build_world,
            settings.state_dir,
            seed=settings.seed,
            start_time=_start_time(container),
            emit=container.sink(),
            keep_going=keep_going,
        ),
    )
    try:
        world = await asyncio.shield(building)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([building])  # a thread cannot be cancelled, so wait for it
        building.exception()
        raise
    except (ValueError, OSError, TrainingFailed) as error:
        raise CommandError(f"simnet in {settings.state_dir}: {error}") from error
    container.labels().update(world.labels)
    chain = world.open_chain(
        idle=container.heads().all_idle, pace=settings.pace, clock=container.clock()
    )
    plugins = world.plugins
    return Network(
        chain=chain,
        models=world.store,
        signer=world.signer,
        find_source=lambda name: plugins[name] if name in plugins else installed_plugin(name),
        labels=world.labels,
    )
