"""Simulated world of a simnet run: chain, model host, feed, keys and labels.

``build_world`` creates it below one folder the first time and opens it later. A rename makes each
part appear when it is complete, so a build that was killed can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from sn37.adapters.admission.admit import hash_file
from sn37.adapters.admission.files import listing
from sn37.adapters.simnet.chain.chain import Pace, SimnetChain
from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.chain.ledger import Ledger
from sn37.adapters.simnet.chain.schema import GENESIS_TIME, require_chain
from sn37.adapters.simnet.feed.dataset import SimnetFeed
from sn37.adapters.simnet.feed.signed_logs import FEED_NETUID, SENDERS
from sn37.adapters.simnet.host.model_store import FolderModelStore, store_of
from sn37.adapters.simnet.host.repositories import FolderRepositories, Visibility
from sn37.adapters.simnet.miners.population import Population, prepare
from sn37.adapters.simnet.miners.roster import (
    BASE_REPO,
    BASE_REVISION,
    HEAD,
    RECIPE,
    REGISTERED,
    TOKENIZER_REPO,
    TOKENIZER_REVISION,
    Miner,
    Recipe,
    Trick,
)
from sn37.domain.ids import BLOCK_SECONDS, Block, Coldkey, Hotkey, Netuid
from sn37.domain.metagraph import RAO_PER_TAO
from sn37.domain.submission.commitment import format_commitment, secure_hash
from sn37.domain.submission.digests import FileDigest, content_digest
from sn37.domain.submission.models import ModelRef
from sn37.durable import rename_whole, write_whole
from sn37.ports.clock import Clock
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.telemetry import EventSink

NETUID = Netuid(37)
SOURCE = "simnet"  # the schedule's name for the feed
VALIDATOR = "validator"
VALIDATOR_STAKE_TAO = 10_000
_MARKER = "published.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The parts of a simnet world. ``labels`` has simnet's name of every hotkey."""

    chain_path: Path
    repos: Path
    store: FolderModelStore
    plugins: Mapping[str, DatasetPlugin]
    signer: SimnetSigner
    labels: Mapping[Hotkey, str]
    population: Population

    def open_chain(
        self,
        *,
        idle: Callable[[], Awaitable[None]] | None = None,
        pace: Pace = "virtual",
        clock: Clock | None = None,
    ) -> SimnetChain:
        """Open the chain for the validator; the arguments are those of ``SimnetChain``."""
        return SimnetChain(
            self.chain_path,
            netuid=NETUID,
            signer=self.signer,
            idle=idle,
            pace=pace,
            clock=clock,
        )


def build_world(
    state_dir: Path,
    *,
    seed: int,
    emit: EventSink,
    recipe: Recipe = RECIPE,
    start_time: datetime | None = None,
    keep_going: Callable[[], None] = lambda: None,
) -> World:
    """Create or open the world below ``state_dir / "simnet"``.

    Blocks for about a minute the first time, while models are trained in child processes.

    Args:
        start_time: Of the newest block of a new chain; ``None`` for one that is the same in every
            run, or for the clock of a world that is there.
        keep_going: Called several times a second; it can end the call by raising.

    Raises:
        ValueError: The folder has the world of another seed, recipe or start time, or an
            incomplete chain.
        TrainingFailed: A model could not be trained.
        OSError: The folder cannot be written.
    """
    root = state_dir.absolute() / "simnet"
    repos, chain_path = root / "repos", root / "chain.sqlite"
    if chain_path.exists():
        _require_start(chain_path, start_time)
    population = prepare(
        root / "population", seed=seed, emit=emit, recipe=recipe, keep_going=keep_going
    )
    revisions = _published(root / _MARKER, FolderRepositories(repos), population, keep_going)
    if not chain_path.exists():
        genesis_time = GENESIS_TIME if start_time is None else _genesis(start_time)
        _found_chain(chain_path, seed, genesis_time, population, revisions)
    labels = {hotkey_of(seed, miner.name): miner.name for miner in recipe.miners}
    signer = SimnetSigner(keypair(seed, VALIDATOR))
    genesis_time, _ = clock_of(chain_path)
    feed = SimnetFeed(seed=seed, genesis_time=genesis_time, cache=root / "corpus.json")
    return World(
        chain_path=chain_path,
        repos=repos,
        store=store_of(state_dir),
        plugins=MappingProxyType({SOURCE: feed}),
        signer=signer,
        labels=MappingProxyType(labels | {signer.hotkey: VALIDATOR}),
        population=population,
    )


def clock_of(chain_path: Path) -> tuple[datetime, Block]:
    """Return the time of block 0 and the newest block of a world's chain.

    If the chain does not exist yet, they are those of a new world.

    Raises:
        ValueError: The file is not a chain that can be used.
    """
    if not chain_path.exists():
        return GENESIS_TIME, HEAD
    require_chain(chain_path)
    ledger = Ledger(chain_path)
    try:
        return ledger.genesis_time, ledger.head()
    finally:
        ledger.close()


def hotkey_of(seed: int, name: str) -> Hotkey:
    """Return the hotkey of the miner called ``name``."""
    return Hotkey(keypair(seed, f"miner/{name}").ss58_address)


def _genesis(start_time: datetime) -> datetime:
    return start_time - timedelta(seconds=BLOCK_SECONDS * HEAD)


def _require_start(chain_path: Path, start_time: datetime | None) -> None:
    """Check that the clock of a chain started at this time, if one is given.

    Raises:
        ValueError: It started at another time, or the file is not a chain.
    """
    genesis_time, _ = clock_of(chain_path)
    started = genesis_time + timedelta(seconds=BLOCK_SECONDS * HEAD)
    if start_time not in (None, started):
        raise ValueError(
            f"its clock started at {started:%Y-%m-%dT%H:%M:%SZ}: choose another --state-dir, or "
            "leave out --start-time"
        )


def _published(
    marker: Path,
    host: FolderRepositories,
    population: Population,
    keep_going: Callable[[], None],
) -> dict[str, str]:
    """Publish every miner's folder, tokenizer and base once; return the revisions by miner."""
    host.push(BASE_REPO, population.base, revision=BASE_REVISION)  # older worlds have none
    host.set_visibility(BASE_REPO, Visibility.PUBLIC)
    if not marker.exists():
        host.push(TOKENIZER_REPO, population.tokenizer, revision=TOKENIZER_REVISION)
        host.set_visibility(TOKENIZER_REPO, Visibility.PUBLIC)
        revisions: dict[str, str] = {}
        for miner in population.recipe.miners:
            keep_going()
            if miner.trick is Trick.COPY:
                continue  # it publishes nothing: its text names the rival's repository
            revisions[miner.name] = host.push(miner.repo, population.folders[miner.name])
            if miner.trick is not Trick.HIDE:
                host.set_visibility(miner.repo, Visibility.PUBLIC)
        write_whole(marker, json.dumps(revisions).encode())
    return dict(json.loads(marker.read_text()))


def _found_chain(
    path: Path,
    seed: int,
    genesis_time: datetime,
    population: Population,
    revisions: Mapping[str, str],
) -> None:
    """Write the chain's history up to its head to a file that appears when it is complete."""
    partial = path.with_name("chain.partial.sqlite")
    for leftover in path.parent.glob(f"{partial.name}*"):  # with its write-ahead log
        leftover.unlink()
    SimnetChain.create(
        partial, seed=seed, genesis_time=genesis_time, head=HEAD, netuid=NETUID
    ).close()
    builder = ChainBuilder(partial, netuid=NETUID)
    try:
        _register(builder, seed, population.recipe)
        _commit(builder, seed, population, revisions)
    finally:
        builder.close()
    rename_whole(partial, path)


def register_senders(builder: ChainBuilder, seed: int) -> None:
    """Register the senders of the feed's rows on their subnet."""
    for sender in SENDERS:
        builder.register(
            FEED_NETUID,
            sender.hotkey(seed),
            sender.coldkey(seed),
            sender.stake_rao,
            sender.permit,
            Block(1),
        )


def _register(builder: ChainBuilder, seed: int, recipe: Recipe) -> None:
    register_senders(builder, seed)
    stakes = {VALIDATOR: VALIDATOR_STAKE_TAO * RAO_PER_TAO}
    stakes |= {f"miner/{miner.name}": 0 for miner in recipe.miners}
    for name, stake_rao in stakes.items():
        builder.register(
            NETUID,
            Hotkey(keypair(seed, name).ss58_address),
            Coldkey(keypair(seed, f"{name}/cold").ss58_address),
            stake_rao,
            name == VALIDATOR,
            REGISTERED,
        )


def _commit(
    builder: ChainBuilder, seed: int, population: Population, revisions: Mapping[str, str]
) -> None:
    texts: dict[str, str] = {}
    for miner in sorted(population.recipe.miners, key=lambda m: (m.trick is Trick.COPY, m.name)):
        texts[miner.name] = (
            texts[miner.source]
            if miner.trick is Trick.COPY
            else _text(miner, seed, population.folders[miner.name], revisions[miner.name])
        )
    for miner in sorted(population.recipe.miners, key=lambda m: m.committed):
        key, text = keypair(seed, f"miner/{miner.name}"), texts[miner.name]
        if miner.reveal is None:
            builder.schedule_commit(key, text, miner.committed)
        else:
            builder.schedule_sealed(key, text, miner.committed, miner.reveal)


def _text(miner: Miner, seed: int, folder: Path, revision: str) -> str:
    # Over all files, also those that a validator refuses.
    files = [hash_file(folder, file) for file in listing(folder)]
    model_hash = content_digest(FileDigest(f.path, f.size_bytes, f.sha256) for f in files)
    ref = ModelRef(
        repo=miner.repo,
        revision=revision,
        secure_hash=secure_hash(model_hash, hotkey_of(seed, miner.name)),
    )
    text = format_commitment(ref, miner.competition)
    return text.replace(revision, "main") if miner.trick is Trick.BRANCH else text
