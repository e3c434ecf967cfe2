"""A validator that has run for some rounds, and others that begin with what it published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from sn37.adapters.receipts.folder import write_round
from sn37.app.receipts.export import export_rounds
from sn37.domain.canonical import canonical_json
from sn37.domain.data.samples import Sample
from sn37.domain.events import Cautioned
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.models import ModelArtifact
from sn37.testing.builders import a_neuron, some_samples, time_of
from sn37.testing.fakes import (
    FakeChain,
    FakeLiveDataset,
    FakeModelStore,
    FakeSigner,
    FakeStateStore,
)
from sn37.testing.fakes.chain import fake_signature
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import ONE, World

Json = Any  # what json.loads returns

FIRST_ROUNDS = 4
OLD, NEW, POOR = "old", "new", "poor"  # validators; the last one has next to no stake


def noisy(qualities: dict[str, float]) -> Callable[[ModelArtifact, Sample], float]:
    """Losses whose differences between two models take rounds to tell from luck."""

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        repo = artifact.ref.repo.split("/")[0]
        digest = sha256(f"{repo} {sample.content_hash}".encode()).digest()
        noise = int.from_bytes(digest[:4]) / 2**32 - 0.5
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        return qualities[repo] * (1.5 + spread) + 0.5 * noise

    return loss


@cache
def rows(number: int) -> tuple[Sample, ...]:
    """Of the data source, one every ten seconds."""
    return tuple(some_samples(number, since=time_of(0), every_s=10))


@dataclass(slots=True)
class Subnet:
    """A chain with two validators and three miners; every validator lives on a copy of it."""

    chain: FakeChain = field(default_factory=lambda: FakeChain(number=Block(900)))
    models: FakeModelStore = field(default_factory=FakeModelStore)
    qualities: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chain.set_members(
            a_neuron(OLD, uid=0, stake_tao=1_000, validator_permit=True, last_update=60),
            a_neuron(NEW, uid=1, stake_tao=900, validator_permit=True),
            a_neuron(POOR, uid=2, stake_tao=1, validator_permit=True),
        )
        world = World(chain=self.chain, models=self.models, qualities=self.qualities)
        world.miner("first", 1.0, block=100)
        world.miner("broken", float("nan"), block=110)
        world.miner("better", 0.985, block=450)
        world.miner("worse", 1.3, block=120)

    def validator(
        self,
        name: str,
        *,
        memory: Memory | None = None,
        begin_with: tuple[Path | str, ...] | None = None,
        at: int | None = None,
        num_rows: int = 4_000,  # of the data source, one every ten seconds
    ) -> World:
        """A validator with a copy of the chain, at a block, over what it remembers."""
        chain = deepcopy(self.chain)
        chain.hotkey = Hotkey(name)
        if at is not None:
            chain.number = Block(at)
        world = World(
            chain=chain,
            models=self.models,
            store=FakeStateStore(memory=deepcopy(memory) if memory else Memory()),
            qualities=self.qualities,
            signer=FakeSigner(hotkey=Hotkey(name)),
            cold_start_from=begin_with,
            dataset=FakeLiveDataset(rows=list(rows(num_rows))),
        )
        world.scorer.loss = noisy(self.qualities)
        return world


def export(memory: Memory, folder: Path, *, since: int = 0) -> Path:
    store = FakeStateStore(memory=memory)
    asyncio.run(export_rounds(store, folder, write_round, since=since))
    return folder


def crowns(state: ValidatorState) -> dict[int, EntryKey | None]:
    return {r.key.sync_block: r.champion for r in state.rounds[ONE] if r.skipped is None}


def cautions(world: World) -> list[str]:
    return [e.advice for e in world.sink.events if isinstance(e, Cautioned)]


def first_of_two(a_world: Callable[..., World], *, rounds: int) -> World:
    """A validator that has played some rounds on a chain with a second one that has not begun."""
    chain = FakeChain(number=Block(900))
    chain.set_members(
        a_neuron(OLD, uid=0, stake_tao=1_000, validator_permit=True, last_update=60),
        a_neuron(NEW, uid=1, stake_tao=900, validator_permit=True),
    )
    world = a_world(chain=chain, signer=FakeSigner(hotkey=Hotkey(OLD)))
    chain.hotkey = Hotkey(OLD)
    world.run(rounds=rounds)
    return world


def second_of_two(world: World, schedule: Schedule, folder: Path) -> World:
    """The other validator, which begins with what the first one published in a folder."""
    other = World(
        schedule=schedule,
        chain=world.chain,
        models=world.models,
        qualities=world.qualities,
        dataset=world.dataset,
        signer=FakeSigner(hotkey=Hotkey(NEW)),
        cold_start_from=(folder,),
    )
    other.chain.hotkey = Hotkey(NEW)
    other.scorer.loss = world.scorer.loss
    other.keeper_state = other.begin()
    return other


def sign_again(
    file: Path, change: Callable[[Json], object], *, hotkey: str | None = None
) -> tuple[str, str]:
    """Another document in a published file, validly signed; its digests before and after."""
    published = json.loads(file.read_bytes())
    before = sha256(canonical_json(published["document"])).hexdigest()
    change(published["document"])
    after = sha256(canonical_json(published["document"])).hexdigest()
    published["hotkey"] = hotkey or published["hotkey"]
    signature = fake_signature(Hotkey(published["hotkey"]), after.encode())
    file.write_bytes(canonical_json({**published, "signature": signature.hex()}))
    return before, after


def sign_all_again(
    folder: Path,
    *,
    receipt: Callable[[Json], object] = lambda document: None,
    statement: Callable[[Json], object] = lambda document: None,
) -> None:
    """Other documents in a whole history, which name each other as if nothing had happened."""
    receipts = sorted(f for f in folder.rglob("*.json") if f.stem != "statement")
    renamed = dict(sign_again(file, receipt) for file in receipts)
    previous: dict[str, str] = {}
    for file in sorted(folder.rglob("statement.json"), key=lambda f: int(f.parent.name[2:])):

        def name_anew(document: Json) -> None:
            statement(document)
            document["receipts"] = [renamed.get(d, d) for d in document["receipts"]]
            document["previous"] = previous.get(document["previous"], document["previous"])

        before, now = sign_again(file, name_anew)
        previous[before] = now
