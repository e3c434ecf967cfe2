"""Chain, hub and wandb of our own on localhost, filled for one stage of the schedule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import bittensor as bt

from sn37.domain.ids import Block, Hotkey
from sn37.domain.schedule.schedule import Schedule
from tests.integration.dataset.wandb_server import API_KEY, running_wandb
from tests.integration.hub.hub_server import running_hub
from tests.rehearsal.cast import Miner, cast
from tests.rehearsal.chain import BEFORE, build_chain, time_of
from tests.rehearsal.models import publish_models
from tests.rehearsal.runs import serve_runs
from tests.rehearsal.tables import publish_tables, publish_tokenizer
from tests.support.rpc_node import RpcNode
from tests.support.substrate import MemorySubstrate

TOKEN = "hf_validator"
HOURS_BEFORE, HOURS_AFTER = timedelta(hours=6), timedelta(hours=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The servers and miners around the validators of a rehearsal."""

    chain: MemorySubstrate
    node: RpcNode
    cast: tuple[Miner, ...]
    hotkeys: Mapping[str, Hotkey]  # of the validators, by the names of their wallets
    variables: Mapping[str, str]  # by which the client libraries find them


def make_wallets(folder: Path, names: Sequence[str]) -> Mapping[str, Hotkey]:
    """Make a wallet with a hotkey for each validator; return the hotkeys."""
    made: dict[str, Hotkey] = {}
    for name in names:
        wallet = bt.Wallet(name, "default", path=str(folder))
        wallet.create_new_hotkey(suppress=True)
        made[name] = Hotkey(wallet.hotkey.ss58_address)
    return made


@asynccontextmanager
async def surroundings(
    folder: Path, schedule: Schedule, first: Block, wallets: Mapping[str, Hotkey]
) -> AsyncIterator[Surroundings]:
    """Start a chain before the round at ``first``, a hub and a wandb, until the context ends."""
    miners = cast(schedule.at(first))
    with running_hub() as hub, running_wandb() as host:
        hub.tokens[TOKEN] = "validator"
        publish_tables(hub)
        publish_tokenizer(hub, folder / "tokenizer")
        said = publish_models(hub, miners, folder / "models")
        chain = build_chain(schedule, first, list(wallets.values()), miners, said)
        serve_runs(
            host,
            since=time_of(first) - HOURS_BEFORE,
            until=time_of(first) + HOURS_AFTER,
            now=lambda: time_of(Block(chain.ledger.head)),
        )
        async with RpcNode(chain, num_headers=BEFORE) as node:
            yield Surroundings(
                chain=chain,
                node=node,
                cast=miners,
                hotkeys=wallets,
                variables=_variables(folder, hub.url, host.url),
            )


def _variables(folder: Path, hub_url: str, wandb_url: str) -> Mapping[str, str]:
    """Return the variables by which the real clients reach our hosts and leave the home alone."""
    kept = {
        name: str(folder / "cache" / place)
        for name, place in (
            ("XDG_CACHE_HOME", "xdg"),
            ("HF_HOME", "hub"),
            ("WANDB_DIR", "wandb"),
            ("WANDB_CACHE_DIR", "wandb-cache"),
            ("WANDB_CONFIG_DIR", "wandb-config"),
            ("WANDB_DATA_DIR", "wandb-data"),
        )
    }
    return {
        **kept,
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",  # our hub has none
        "WANDB_BASE_URL": wandb_url,
        "WANDB_API_KEY": API_KEY,
        "WANDB_SILENT": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
