"""A whole validator over fakes, in surroundings that a test arranges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dependency_injector import providers

from sn37.app.config.settings import Settings
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.supervision.deadlines import Steps
from sn37.app.wiring.container import Container
from sn37.app.wiring.network import Network
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, CompetitionId, Digest, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryResult, RoundResult, ValidatorState
from sn37.domain.schedule.competition import Freshness
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.state_store import StateStore
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_neuron,
    a_schedule,
    a_source,
    a_stage,
    a_task,
    some_samples,
    time_of,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeClock,
    FakeLiveDataset,
    FakeModelStore,
    FakePlugin,
    FakeScorer,
    FakeSigner,
    FakeStateStore,
    RecordingSink,
)
from sn37.testing.fakes.chain import fake_signature
from sn37.testing.fakes.state_store import Memory

ONE = CompetitionId(1)
NUM_SAMPLES = 320


def one_competition(num_samples: int = NUM_SAMPLES) -> Schedule:
    live = a_source(freshness=Freshness.LIVE, max_age_s=4_320)
    task = a_task(source=live, num_samples=num_samples)
    return a_schedule(a_stage(a_competition(tasks=(task,), delay_blocks=360)))


def by_quality(qualities: Mapping[str, float]) -> Callable[[ModelArtifact, Sample], float]:
    """Losses that differ by model in the mean and by sample around it."""

    def loss(artifact: ModelArtifact, sample: Sample) -> float:
        spread = int(sample.content_hash[:4], 16) / 0xFFFF
        return qualities[artifact.ref.repo.split("/")[0]] * (1.5 + spread)

    return loss


@dataclass(slots=True)
class World:
    """A validator's surroundings; a new validator may be started in them at any time."""

    schedule: Schedule = field(default_factory=one_competition)
    chain: FakeChain = field(default_factory=lambda: FakeChain(number=Block(900)))
    models: FakeModelStore = field(default_factory=FakeModelStore)
    dataset: FakeLiveDataset = field(
        default_factory=lambda: FakeLiveDataset(
            rows=list(some_samples(4_000, since=time_of(0), every_s=10))
        )
    )
    sources: dict[str, DatasetPlugin] = field(default_factory=dict)  # besides ``dataset``
    scorer: FakeScorer = field(default_factory=FakeScorer)
    store: FakeStateStore = field(default_factory=FakeStateStore)
    sink: RecordingSink = field(default_factory=RecordingSink)
    qualities: dict[str, float] = field(default_factory=dict)
    stuck_until: int = 0  # block until which scoring does not move
    disk: StateStore | None = None  # what ``store`` stands for
    clock: FakeClock = field(default_factory=FakeClock)
    steps: Steps = field(init=False)  # of the validator that runs
    stop: asyncio.Event = field(init=False)  # set, it ends this life as a signal does
    signer: FakeSigner = field(default_factory=FakeSigner)
    cold_start_from: tuple[Path | str, ...] | None = None  # None: it was started long ago
    late: Memory = field(default_factory=Memory)  # the state beside, of a missed round
    open_late: Callable[[], AbstractAsyncContextManager[StateStore]] | None = None
    keeper_state: ValidatorState = field(init=False)  # at the end of the newest life

    def __post_init__(self) -> None:
        if not self.chain.has_members:
            self.chain.set_members(a_neuron("validator"))
        self.scorer.loss = by_quality(self.qualities)
        if self.stuck_until:
            self.scorer.gate = asyncio.Semaphore(0)

    def miner(
        self,
        name: str,
        quality: float,
        *,
        block: int = 100,
        artifact: ModelArtifact | None = None,
        commitment: Commitment | None = None,
    ) -> Commitment:
        commitment = commitment or a_commitment(name, block)
        self.chain.add(commitment)
        self.models.publish(commitment, artifact)
        self.qualities[name] = quality
        return commitment

    def run(self, *, rounds: int = 1, until: int = 4_000) -> ValidatorState:
        self.keeper_state = asyncio.run(self.live(rounds, until))
        return self.keeper_state

    def begin(self) -> ValidatorState:
        """Begin with what there is, and stop before the first round."""
        return asyncio.run(self._begin(self._container()))

    async def _begin(self, container: Container) -> ValidatorState:
        await container.keeper().load()
        if self.cold_start_from is not None:
            await container.supervisor().run({"cold start": container.starter().run})
        return container.keeper().state

    def _container(self) -> Container:
        def find(name: str) -> DatasetPlugin:
            return self.sources.get(name) or FakePlugin(source=self.dataset)

        return Container(
            settings=providers.Object(
                Settings(
                    network="simnet",
                    state_dir=Path("unused"),
                    cold_start_from=self.cold_start_from or (),
                )
            ),
            loaded=providers.Object(
                LoadedSchedule(schedule=self.schedule, fingerprint=Digest("f" * 64), origin="test")
            ),
            network=providers.Object(
                Network(chain=self.chain, models=self.models, signer=self.signer, find_source=find)
            ),
            verify_signature=providers.Object(is_signed_by_fake),
            store=providers.Object(self.disk or self.store),
            scratch=providers.Factory(_scratch),
            late_scratch=providers.Factory(self._open_late),
            drop_late_scratch=providers.Callable(self._drop_late),
            scorer=providers.Object(_WithEnvironment(self.scorer)),
            clock=providers.Object(self.clock),
            sink=providers.Object(self.sink),
        )

    @asynccontextmanager
    async def _open_late(self) -> AsyncIterator[StateStore]:
        if self.open_late is not None:
            async with self.open_late() as store:
                yield store
            return
        yield FakeStateStore(memory=self.late)

    def _drop_late(self) -> None:
        self.late = Memory()

    async def live(self, rounds: int, until: int) -> ValidatorState:
        """One life of the validator, until its goal is reached or it is stopped."""
        container = self._container()
        self.stop, self.steps = asyncio.Event(), container.steps()
        await self._begin(container)
        actors = dict(container.actors())
        actors["stop"] = self.stop.wait
        actors["goal"] = container.goal(rounds=rounds).run
        actors["driver"] = lambda: self._drive(container, until)
        await container.supervisor().run(actors)
        return container.keeper().state

    async def _drive(self, container: Container, until: int) -> None:
        while container.heads().newest is None:  # noqa: ASYNC110 - the chain begins at its head
            await asyncio.sleep(0)
        while self.chain.number < until:
            if self.chain.number < self.stuck_until:
                # Until everyone but the stuck scorer is done, whose beginning wakes nobody.
                while container.heads().num_busy > (self.scorer.num_running > 0):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            else:
                self._get_unstuck()
                await container.heads().all_idle()
            self.chain.advance()
            newest = container.heads().newest
            while newest is None or newest.number < self.chain.number:
                await asyncio.sleep(0)
                newest = container.heads().newest

    def _get_unstuck(self) -> None:
        gate, self.scorer.gate = self.scorer.gate, None
        if gate is not None:
            gate.release()


@asynccontextmanager
async def _scratch() -> AsyncIterator[FakeStateStore]:
    yield FakeStateStore()


def is_signed_by_fake(hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
    return fake_signature(hotkey, message) == signature


DEVICE = "fake"  # what a machine is called, for tests that exchange it


class _WithEnvironment:
    """As of the real scorer, its environment is known once this process has scored something."""

    def __init__(self, scorer: FakeScorer) -> None:
        self.scorer = scorer
        self._before = len(scorer.scored)

    @property
    def score(self) -> object:
        return self.scorer.score

    @property
    def read_ahead(self) -> object:
        return self.scorer.read_ahead

    def environment(self) -> Mapping[str, str]:
        return {"device": DEVICE} if len(self.scorer.scored) > self._before else {}


def last(state: ValidatorState) -> RoundResult:
    return state.rounds[ONE][-1]


def rows(result: RoundResult) -> dict[str, tuple[Verdict, Reason | None]]:
    return {e.key.hotkey: (e.verdict, e.reason) for e in result.entries}


def rows_by_name(result: RoundResult) -> dict[str, EntryResult]:
    return {e.key.hotkey: e for e in result.entries}
