"""Outside miners, which take part in a simulated network from the command line.

A guest's key is derived from the seed and the names of wallet and hotkey. Nothing is stored:
the same names give the same miner in every command.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.chain.ledger import Ledger
from sn37.adapters.simnet.chain.schema import require_chain
from sn37.adapters.simnet.feed.dataset import SimnetFeed
from sn37.adapters.simnet.host.model_store import FolderModelStore
from sn37.adapters.simnet.host.publisher import FolderPublisher
from sn37.adapters.simnet.world import NETUID, SOURCE
from sn37.domain.ids import Block, Coldkey, Uid
from sn37.ports.clock import Clock
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.errors import ChainUnavailable

LOOK_S = 0.1  # seconds between two checks for the next block of the validator


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One outside miner and its access to the network."""

    chain: SimnetChain
    models: FolderModelStore
    publisher: FolderPublisher
    signer: SimnetSigner
    coldkey: Coldkey
    plugins: Mapping[str, DatasetPlugin]  # simnet's own sources

    async def register(self) -> Uid:
        """Register on the subnet; return once a block includes the registration.

        Raises:
            ValueError: It is already registered, or every slot is taken.
        """
        first = Block((await self.chain.head()).number + 1)
        uid = self.chain.register(NETUID, self.signer.hotkey, self.coldkey, 0, False, first)
        async for head in self.chain.blocks():
            if head.number >= first:
                break
        return uid


def open_guest(
    state_dir: Path,
    *,
    wallet: str,
    hotkey: str,
    cache: Path,
    validator_runs: Callable[[], bool],
    clock: Clock,
) -> Guest:
    """Open the world in a validator's folder for a guest; the validator may be running.

    A running validator makes the blocks that a guest waits for, because it would miss changes in
    other blocks. Without a validator the guest makes them.

    Args:
        cache: Folder for the guest's own copies of models.

    Raises:
        ValueError: The file is not a complete chain.
        ChainUnavailable: It does not answer.
    """
    root = state_dir.absolute() / "simnet"
    path, repos = root / "chain.sqlite", root / "repos"
    require_chain(path)
    seed, genesis_time = _beginning(path)
    signer = SimnetSigner(keypair(seed, f"guest/{wallet}/{hotkey}"))

    feed = SimnetFeed(seed=seed, genesis_time=genesis_time, cache=root / "corpus.json")

    async def next_is_due() -> None:
        before = await chain.head()
        while validator_runs() and await chain.head() == before:
            await clock.sleep(LOOK_S)

    chain = SimnetChain(path, netuid=NETUID, signer=signer, idle=next_is_due)
    return Guest(
        chain=chain,
        models=FolderModelStore(repos, cache),
        publisher=FolderPublisher(repos),
        signer=signer,
        coldkey=Coldkey(keypair(seed, f"guest/{wallet}").ss58_address),
        plugins={SOURCE: feed},
    )


def _beginning(path: Path) -> tuple[int, datetime]:
    ledger = Ledger(path)
    try:
        return ledger.seed, ledger.genesis_time
    except sqlite3.Error as error:
        raise ChainUnavailable(f"simnet chain {path}: {error}") from error
    finally:
        ledger.close()
