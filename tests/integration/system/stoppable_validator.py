"""A validator over fakes with a real store, real workers and real signals, held in one phase.

``python stoppable_validator.py PHASE FOLDER [SECONDS]`` says ``reached`` and the pids of its
worker, if there is one, and then waits for ever; in the phase ``none`` it goes on and on. With
SECONDS its beats come at once, and each counts for so many.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from unittest import mock

from dependency_injector import providers
from dependency_injector.providers import Provider

from sn37.adapters.scoring.sandbox.layers import Layer, Sandbox
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.adapters.system.clock import SystemClock
from sn37.app.actors.chain_continuity import newest_round
from sn37.app.config.settings import Settings
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.supervision import heartbeat as pulse
from sn37.app.supervision.stop_signals import StopRequest
from sn37.app.wiring import validator_run as session
from sn37.app.wiring.container import Container
from sn37.app.wiring.network import Network
from sn37.domain.ids import Block, BlockRef, Digest
from sn37.testing.builders import a_block_ref
from sn37.testing.fakes import (
    FakeChain,
    FakeLiveDataset,
    FakeModelStore,
    FakePlugin,
    FakeScorer,
    FakeSigner,
)
from tests.support.fake_world import World

WORKERS = Path(__file__).parents[1] / "scorer"


def reached(more: str = "") -> None:
    sys.stdout.write(f"reached {more}\n")
    sys.stdout.flush()


async def hang(*_: object, **__: object) -> None:
    reached()
    await asyncio.Event().wait()


async def block(*_: object) -> None:
    """As a plug-in that does not know how to wait."""
    reached()
    threading.Event().wait()


async def hurry(clock: SystemClock, seconds: float) -> None:
    await asyncio.sleep(0.01)


HELD = {
    "following": (FakeChain, "commitments", hang),
    "freeze": (FakeLiveDataset, "collect", block),
    "fetch": (FakeModelStore, "fetch", hang),
    "opening": (FakeModelStore, "availability", hang),
    "weights": (FakeChain, "submit_weights", hang),
}


class Workers(FakeScorer):
    """Fake losses for a validator that asks for a real scorer's company."""

    async def sandbox(self) -> Sandbox:
        return Sandbox(layers=frozenset(Layer), landlock_abi=1)

    def environment(self) -> Mapping[str, str]:
        return {}

    async def aclose(self) -> None:
        """Nothing was started."""


def real_workers() -> WorkerScorer:
    return WorkerScorer(
        device="cpu",
        dtype="float32",
        threads=1,
        entry="hostile_workers:hang",
        search_path=(WORKERS,),
    )


class Held:
    """A validator that comes to its phase, and no further."""

    def __init__(self, phase: str) -> None:
        self._scorer = real_workers() if phase == "evaluation" else Workers()
        self._world = World()
        self._world.miner("first", 1.0)
        self._telling: asyncio.Task[None] | None = None

    def container(self, **given: Provider[object]) -> Container:
        made = Container(**given)
        schedule = self._world.schedule
        loaded = LoadedSchedule(schedule=schedule, fingerprint=Digest("f" * 64), origin="test")
        made.loaded.override(providers.Object(loaded))
        made.scorer.override(providers.Object(self._scorer))
        return made

    async def open_network(self, container: Container) -> Network:
        async def blocks(chain: FakeChain) -> AsyncIterator[BlockRef]:
            while True:
                yield a_block_ref(chain.number)
                await container.heads().all_idle()
                chain.number = Block(chain.number + 1)

        mock.patch.object(FakeChain, "blocks", blocks).start()
        newest = newest_round(container.keeper().state)  # the chain went on meanwhile
        self._world.chain.number = max(self._world.chain.number, newest or Block(0))
        if isinstance(self._scorer, WorkerScorer):
            self._telling = asyncio.create_task(self._tell_worker(self._scorer))
        return Network(
            chain=self._world.chain,
            models=self._world.models,
            signer=FakeSigner(),
            find_source=lambda name: FakePlugin(self._world.dataset),
        )

    async def _tell_worker(self, scorer: WorkerScorer) -> None:
        while not (pids := scorer.environment().get("pids")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        reached(pids)


def main(phase: str, folder: str, seconds: str = "") -> int:
    held = Held(phase)
    if phase in HELD:
        owner, call, wait = HELD[phase]
        mock.patch.object(owner, call, wait).start()
    if seconds:
        mock.patch.object(pulse, "BEAT_S", float(seconds)).start()
        mock.patch.object(SystemClock, "sleep", hurry).start()
    mock.patch.object(session, "Container", held.container).start()
    mock.patch.object(session, "open_network", held.open_network).start()
    with StopRequest() as stop:
        return session.run_validator(Settings(network="simnet", state_dir=Path(folder)), stop)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
