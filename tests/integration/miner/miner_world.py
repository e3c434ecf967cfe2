"""A simulated network without a population: a chain, a model host, and one new miner."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.chain.keys import keypair
from sn37.adapters.simnet.chain.schema import GENESIS_TIME
from sn37.adapters.simnet.host.repositories import FolderRepositories, Visibility
from sn37.adapters.simnet.miners.roster import TOKENIZER_REPO, TOKENIZER_REVISION
from sn37.adapters.simnet.outside_miners import Guest, open_guest
from sn37.adapters.simnet.world import NETUID, register_senders
from sn37.adapters.system.clock import SystemClock
from sn37.app.cli import miner
from sn37.domain.ids import Block, Coldkey, Hotkey
from sn37.domain.metagraph import RAO_PER_TAO
from sn37.domain.weight_vector import WeightVector

HEAD = Block(1_740)
Json = Any  # what json.loads returns


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        return json.loads(self.out)


class MinerWorld:
    """The state directory of a validator that is not running, and the miner's commands on it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state_dir = root / "state"
        self.simnet = self.state_dir / "simnet"
        self.simnet.mkdir(parents=True)
        self._capsys = capsys
        (self.simnet / "repos").mkdir()
        self.repositories = FolderRepositories(self.simnet / "repos")
        SimnetChain.create(
            self.simnet / "chain.sqlite",
            seed=0,
            genesis_time=GENESIS_TIME,
            head=HEAD,
            netuid=NETUID,
        ).close()

    def options(self, hotkey: str = "alice") -> list[str]:
        return [
            *("--network", "simnet", "--state-dir", str(self.state_dir)),
            *("--wallet-hotkey", hotkey),
        ]

    def run(self, command: str, *args: str, hotkey: str = "alice") -> Said:
        """One command of the miner's door, as this hotkey where it takes one."""
        options = self.options(hotkey)
        if command in ("base", "competitions", "check", "evaluate"):
            options = options[:4] if command != "competitions" else options[:2]
        code = miner.main([command, *args, *options])
        said = self._capsys.readouterr()
        return Said(code=code, out=said.out, err=said.err)

    def publishing(self, folder: Path, repo: str = "alice/model") -> list[str]:
        """A ``publish`` for the competition in which models bring their own tokenizer."""
        return [str(folder), "--repo", repo, "--competition", "2", "--no-loading"]

    def publish(self, folder: Path, *args: str, repo: str = "alice/model") -> Said:
        return self.run("publish", *self.publishing(folder, repo), *args)

    def guest(self, hotkey: str = "alice") -> Guest:
        return open_guest(
            self.state_dir,
            wallet="default",
            hotkey=hotkey,
            cache=self.state_dir / "bases",
            validator_runs=lambda: False,
            clock=SystemClock(),
        )

    def push_tokenizer(self, folder: Path) -> None:
        """What the first competition prescribes."""
        self.repositories.push(TOKENIZER_REPO, folder, revision=TOKENIZER_REVISION)
        self.repositories.set_visibility(TOKENIZER_REPO, Visibility.PUBLIC)

    def open_feed(self, corpus: Path) -> None:
        """Put those who log the rows of the live source on their subnet."""
        shutil.copy(corpus, self.simnet / "corpus.json")
        builder = ChainBuilder(self.simnet / "chain.sqlite", netuid=NETUID)
        register_senders(builder, seed=0)
        builder.close()

    def vote(self, shares: Mapping[Hotkey, float]) -> None:
        """Let a validator give these weights."""

        async def run() -> None:
            key = keypair(0, "validator")
            chain = SimnetChain(self.simnet / "chain.sqlite", netuid=NETUID, signer=key)
            head = await chain.head()
            chain.register(
                NETUID,
                Hotkey(key.ss58_address),
                Coldkey("cold"),
                1_000 * RAO_PER_TAO,
                True,
                head.number,
            )
            await chain.submit_weights(WeightVector(shares))
            chain.close()

        asyncio.run(run())

    def commitments(self) -> list[tuple[str, int]]:
        """Every commitment that a block has included: hotkey and block."""
        with closing(sqlite3.connect(self.simnet / "chain.sqlite")) as db:
            found = db.execute("SELECT hotkey, block FROM commitments ORDER BY block").fetchall()
        return [(str(hotkey), int(block)) for hotkey, block in found]

    def visibility(self, repo: str = "alice/model") -> Visibility | None:
        return self.repositories.visibility(repo)
