"""One simnet for several validators: chain, repositories and feed are shared, nothing else.

Everything is the real adapter but the scorer, whose losses a hash makes: what is tried here is
who holds which crown, not what a model's loss is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from dependency_injector import providers

from sn37.adapters.admission.admit import hash_file
from sn37.adapters.admission.files import listing
from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.chain.schema import GENESIS_TIME
from sn37.adapters.simnet.feed.dataset import SimnetFeed
from sn37.adapters.simnet.host.model_store import FolderModelStore
from sn37.adapters.simnet.host.repositories import FolderRepositories, Visibility
from sn37.adapters.simnet.miners.attackers import Tensor, write_tensors
from sn37.adapters.simnet.miners.roster import (
    BASE_REPO,
    BASE_REVISION,
    TOKENIZER_REPO,
    TOKENIZER_REVISION,
)
from sn37.adapters.simnet.world import NETUID, SOURCE, register_senders
from sn37.app.config.settings import Settings
from sn37.app.schedule.lookup import rules_of_network
from sn37.app.supervision.heads import Heads
from sn37.app.wiring.container import Container
from sn37.app.wiring.network import Network
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, Coldkey, CompetitionId, Hotkey
from sn37.domain.metagraph import RAO_PER_TAO
from sn37.domain.round.state import ValidatorState
from sn37.domain.submission.commitment import format_commitment, secure_hash
from sn37.domain.submission.digests import FileDigest, content_digest
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.testing.fakes import FakeScorer, RecordingSink

SEED = 0
HEAD = Block(1_740)  # the first round is at 1,800
REGISTERED = Block(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """Somebody with one model; ``quality`` scales its losses, which are about 2."""

    name: str
    competition: int
    quality: float
    noise: float  # width of a sample's own part of its loss
    block: int


class _Scorer(FakeScorer):
    """With what a validator asks of a scorer besides."""

    def environment(self) -> Mapping[str, str]:
        return {"device": "fake"}


@dataclass(slots=True)
class SharedSimnet:
    """The outside world, below a folder; a validator may join at any block."""

    root: Path
    miners: Sequence[Miner]
    validators: Sequence[str]
    by_repo: dict[str, Miner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._push(TOKENIZER_REPO, "tokenizer", revision=TOKENIZER_REVISION)
        self._push(BASE_REPO, "base", revision=BASE_REVISION)
        self.by_repo[BASE_REPO] = Miner(name="base", competition=0, quality=3.0, noise=0.0, block=0)
        SimnetChain.create(
            self.root / "chain.sqlite", seed=SEED, genesis_time=GENESIS_TIME, head=HEAD
        ).close()
        builder = ChainBuilder(self.root / "chain.sqlite", netuid=NETUID)
        register_senders(builder, SEED)
        for name in (*self.validators, *(m.name for m in self.miners)):
            is_validator = name in self.validators
            builder.register(
                NETUID,
                Hotkey(keypair(SEED, name).ss58_address),
                Coldkey(keypair(SEED, f"{name}/cold").ss58_address),
                RAO_PER_TAO * (1_000 if is_validator else 0),
                is_validator,
                REGISTERED,
            )
        for miner in sorted(self.miners, key=lambda m: m.block):
            repo = f"{miner.name}/model"
            ref = self._push(repo, miner.name)
            text = format_commitment(ref, CompetitionId(miner.competition))
            builder.schedule_commit(keypair(SEED, miner.name), text, Block(miner.block))
            self.by_repo[repo] = miner
        builder.close()

    def loss(self, artifact: ModelArtifact, sample: Sample) -> float:
        """Of a model on a sample: the same for every validator."""
        repo = artifact.ref.repo
        miner = self.by_repo[repo]
        digest = sha256(f"{repo} {sample.content_hash}".encode()).digest()
        noise = int.from_bytes(digest[:4]) / 2**32 - 0.5
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        return miner.quality * (1.5 + spread) + miner.noise * noise

    def hotkey(self, name: str) -> Hotkey:
        return Hotkey(keypair(SEED, name).ss58_address)

    def run(self, *validators: Validator) -> None:
        """Until each has the rounds it is after; a block comes when all of them are idle."""
        asyncio.run(asyncio.wait_for(self._run(validators), timeout=120))

    async def _run(self, validators: Sequence[Validator]) -> None:
        async def wait_for_all(asking: Validator) -> None:
            """Everybody who still runs has dealt with the newest block of the one who asks."""
            for validator in validators:
                await validator.has_begun.wait()
            while True:
                for validator in validators:
                    await validator.idle()
                if not any(v.is_behind(asking) for v in validators):
                    return
                await asyncio.sleep(0)  # whoever is a block behind takes it now

        async with asyncio.TaskGroup() as group:
            for validator in validators:
                group.create_task(validator.run(partial(wait_for_all, validator)))

    def _push(self, repo: str, name: str, *, revision: str | None = None) -> ModelRef:
        folder = self.root / "uploads" / name
        folder.mkdir(parents=True)
        fill = sha256(name.encode()).digest()[:1]
        tensors = [
            Tensor(name=tensor, dtype="BF16", shape=(16, 2), data=fill * 64)
            for tensor in ("model.embed_tokens.weight", "model.norm.weight")
        ]
        write_tensors(folder / "model.safetensors", tensors)
        family = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
        config = {**family, "hidden_size": 2, "num_attention_heads": 1}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text("{}")
        host = FolderRepositories(self.root / "repos")
        pushed = host.push(repo, folder, revision=revision)
        host.set_visibility(repo, Visibility.PUBLIC)
        files = [hash_file(folder, file) for file in listing(folder)]
        model_hash = content_digest(FileDigest(f.path, f.size_bytes, f.sha256) for f in files)
        return ModelRef(
            repo=repo, revision=pushed, secure_hash=secure_hash(model_hash, self.hotkey(name))
        )


class Validator:
    """One validator with a state of its own, from the container that the program uses."""

    def __init__(
        self,
        net: SharedSimnet,
        name: str,
        *,
        rounds: int,
        begin_with: tuple[Path, ...] = (),
        factor: float = 1.0,  # by which its device has all losses larger
    ) -> None:
        settings = Settings(network="simnet", state_dir=net.root / name, cold_start_from=begin_with)
        settings.state_dir.mkdir(exist_ok=True)
        self.sink = RecordingSink()
        self.state = ValidatorState()
        self._rounds = rounds
        self._net = net
        self._name = name
        self._container = Container(
            settings=providers.Object(settings),
            loaded=providers.Object(rules_of_network(settings)),
            scorer=providers.Object(_Scorer(loss=lambda m, s: factor * net.loss(m, s))),
            sink=providers.Object(self.sink),
        )
        self.heads: Heads = self._container.heads()
        self.has_begun, self.is_done = asyncio.Event(), asyncio.Event()

    def is_behind(self, other: Validator) -> bool:
        ours, theirs = self.heads.newest, other.heads.newest
        if self.is_done.is_set() or theirs is None:
            return False
        return ours is None or ours.number < theirs.number

    async def idle(self) -> None:
        """Return when it has nothing to do before the next block, or has ended."""
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self.heads.all_idle()),
            asyncio.ensure_future(self.is_done.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def run(self, idle: Callable[[], Awaitable[None]]) -> None:
        container, net = self._container, self._net
        feed = SimnetFeed(seed=SEED, genesis_time=GENESIS_TIME, cache=net.root / "corpus.json")
        chain = SimnetChain(
            net.root / "chain.sqlite",
            netuid=NETUID,
            signer=SimnetSigner(keypair(SEED, self._name)),
            idle=idle,
        )
        container.network.override(
            providers.Object(
                Network(
                    chain=chain,
                    models=FolderModelStore(net.root / "repos", net.root / self._name / "cache"),
                    signer=SimnetSigner(keypair(SEED, self._name)),
                    find_source=lambda name: {SOURCE: feed}[name],
                )
            )
        )
        try:
            await container.keeper().load()
            await container.supervisor().run({"cold start": container.starter().run})
            self.has_begun.set()
            actors = {**container.actors(), "goal": container.goal(rounds=self._rounds).run}
            await container.supervisor().run(actors)
        finally:
            self.is_done.set()  # it holds nobody up any more
            self.has_begun.set()
            self.state = container.keeper().state
            chain.close()
            await container.store().close()
