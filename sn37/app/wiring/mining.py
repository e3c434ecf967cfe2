"""Adapters of each network, opened for a miner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sn37.adapters.system.clock import SystemClock
from sn37.adapters.telemetry.console import command_console
from sn37.app.config.path_checks import is_there
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError
from sn37.app.mining.connections import MinerConnection, ReadConnection
from sn37.app.mining.rate_limits import PatientModels, PatientPublisher
from sn37.app.wiring import networks
from sn37.app.wiring.machine import Machine, patience
from sn37.app.wiring.networks import open_chain, open_signer, require_chain
from sn37.app.wiring.plugins import installed_plugin
from sn37.domain.ids import Netuid
from sn37.domain.submission.base_models import BaseModel

if TYPE_CHECKING:
    from sn37.adapters.simnet.outside_miners import Guest
    from sn37.adapters.subtensor.chain import SubtensorChain

CACHE = "bases"  # folder of a miner's downloads, which a validator does not evict


@asynccontextmanager
async def open_reading(machine: Machine) -> AsyncIterator[ReadConnection]:
    """Open the network of the settings for reading only.

    Raises:
        CommandError: A package is missing, or there is not a simulated network.
    """
    settings = machine.settings
    if settings.is_simnet:
        guest = open_guest(machine)
        try:
            yield _simulated(machine, guest)
        finally:
            guest.chain.close()
        return
    require_chain(settings)
    async with open_chain(settings) as chain:
        yield _real(machine, chain)


@asynccontextmanager
async def open_writing(machine: Machine) -> AsyncIterator[MinerConnection]:
    """Open the network of the settings for writing with their hotkey.

    Raises:
        CommandError, SignerUnusable: As ``open_reading``; or the hotkey is missing.
    """
    settings = machine.settings
    if settings.is_simnet:
        guest = open_guest(machine)
        try:
            yield MinerConnection(
                read=_simulated(machine, guest),
                hotkey=guest.signer.hotkey,
                writer=guest.chain,
                publisher=guest.publisher,
                how_to_register=_register_simulated(settings),
            )
        finally:
            guest.chain.close()
        return
    require_chain(settings)
    signer = open_signer(settings)
    from sn37.adapters.hub.publisher import HubPublisher
    from sn37.adapters.subtensor.chain import SubtensorChain
    from sn37.adapters.subtensor.commitment_sender import CommitmentSender
    from sn37.adapters.subtensor.connection import Connection

    clock, sink = SystemClock(), command_console()
    connection = Connection(networks.endpoints(settings), clock=clock)
    netuid = Netuid(settings.netuid)
    try:
        yield MinerConnection(
            read=_real(machine, SubtensorChain(connection, netuid=netuid, clock=clock, sink=sink)),
            hotkey=signer.hotkey,
            writer=CommitmentSender(
                connection, netuid=netuid, signer=signer, clock=clock, sink=sink
            ),
            publisher=PatientPublisher(HubPublisher(), patience()),
            how_to_register=f"btcli subnets register --netuid {settings.netuid}",
        )
    finally:
        await connection.close()


def open_guest(machine: Machine) -> Guest:
    """Open the miner of the settings on the simulated network in their state directory.

    Raises:
        CommandError: The network does not exist, or its chain or keys cannot be used.
    """
    settings, container = machine.settings, machine.container
    if find_spec("bittensor") is None:
        raise CommandError("simnet's keys need bittensor: run pip install 'sn37[chain]'")
    if not is_there(settings.simnet_chain_file):
        raise CommandError(
            f"no simulated network in {settings.state_dir}; start one, in another terminal: "
            f"sn37 validator --network simnet --state-dir {settings.state_dir}"
        )
    from sn37.adapters.simnet.outside_miners import open_guest

    try:
        return open_guest(
            settings.state_dir,
            wallet=settings.wallet or "default",
            hotkey=settings.wallet_hotkey,
            cache=settings.state_dir / CACHE,
            validator_runs=partial(container.state_in_use(), container.state_file()),
            clock=container.clock(),
        )
    except ValueError as error:
        raise CommandError(f"simnet: {error}") from error


def _simulated(machine: Machine, guest: Guest) -> ReadConnection:
    async def none() -> Sequence[BaseModel]:
        return ()

    return ReadConnection(
        chain=guest.chain,
        models=guest.models,
        examiner=machine.examiner(),
        pretrained=none,
        find_source=lambda name: guest.plugins.get(name) or installed_plugin(name),
    )


def _real(machine: Machine, chain: SubtensorChain) -> ReadConnection:
    from sn37.adapters.hub.model_store import HubModelStore

    async def pretrained() -> Sequence[BaseModel]:
        return await chain.base_models(await chain.head())

    return ReadConnection(
        chain=chain,
        models=PatientModels(HubModelStore(machine.settings.state_dir / CACHE), patience()),
        examiner=machine.examiner(),
        pretrained=pretrained,
        find_source=installed_plugin,
    )


def _register_simulated(settings: Settings) -> str:
    wallet = "" if settings.wallet is None else f" --wallet {settings.wallet}"
    return (
        f"sn37 miner register --network simnet --state-dir {settings.state_dir}{wallet} "
        f"--wallet-hotkey {settings.wallet_hotkey}"
    )
