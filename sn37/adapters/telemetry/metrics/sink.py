"""The sink that counts events, and reads the recorded state when it is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sn37.adapters.telemetry.metrics.counting import EventCounts
from sn37.adapters.telemetry.metrics.disk import DiskUse
from sn37.adapters.telemetry.metrics.metric_table import Metric
from sn37.adapters.telemetry.metrics.recorded import (
    QueueLengths,
    Snapshot,
    newest_weights,
    samples_of,
)
from sn37.adapters.telemetry.metrics.tallies import Sample, Tallies
from sn37.adapters.telemetry.metrics.timing import EventTimes
from sn37.domain.events import (
    ColdStarted,
    Dependency,
    EntryFinished,
    Event,
    HeadAdvanced,
    PoolFrozen,
    RoundFinished,
    RoundOpened,
    RoundSatOut,
    RoundScoredLater,
    WarmingUp,
    WeightsSubmitted,
    WorkersConfined,
)
from sn37.domain.ids import BLOCK_SECONDS, Block, CompetitionId
from sn37.domain.round.state import History, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.clock import Clock

if TYPE_CHECKING:
    from sn37.ports.telemetry import EventSink

# Before each of these the recorded state was another one. A block has some ten of them at most.
_CHANGES = (
    HeadAdvanced,
    RoundOpened,
    EntryFinished,
    RoundFinished,
    RoundSatOut,
    RoundScoredLater,
    ColdStarted,
    WeightsSubmitted,
)


class Recorded(Protocol):
    """The owner of the recorded state. Asked on the event loop's thread alone."""

    @property
    def state(self) -> ValidatorState: ...

    def history(self, competition: CompetitionId) -> History: ...


class Health(Protocol):
    """Content of the health pages. Asked by the thread that answers a scrape."""

    def outages_s(self) -> Mapping[str, float]:
        """Return the seconds since each dependency that fails began to."""
        ...

    def slow_steps(self) -> Iterable[str]:
        """Return the actor of each step that has used half of its time."""
        ...

    def silent_s(self) -> float:
        """Return the seconds since the event loop last ran."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """How a validator was started."""

    version: str
    network: str
    netuid: int
    sends_weights: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    block: Block
    first: Block  # of this process
    step: int | None  # blocks since the one before
    next_sync: Block
    came: float  # monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """Values of the newest event of a kind."""

    pool_rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    warm_up: Mapping[CompetitionId, int] = field(default_factory=dict)
    sandbox: WorkersConfined | None = None


class MetricsSink:
    """Counts events on the event loop; ``samples`` is for other threads.

    Nothing here waits or takes a lock. An event costs a few dictionary entries. All that is shown
    of the recorded state is computed when it is asked for, from frozen values.
    """

    def __init__(self, about: About, *, clock: Clock, health: Health, disk: DiskUse) -> None:
        self._about = about
        self._clock = clock
        self._health = health
        self._disk = disk
        self._started, self._started_at = clock.monotonic(), clock.now().timestamp()
        self._tallies = Tallies()
        self._counts = EventCounts(self._tallies)
        self._times = EventTimes(self._tallies)
        self._queue = QueueLengths()
        self._newest = _Newest()
        self._head: _Head | None = None
        self._recorded: Recorded | None = None
        self._snapshot: Snapshot | None = None

    def follow(self, recorded: Recorded, schedule: Schedule) -> None:
        """Show the recorded state from now on, at first that of earlier runs."""
        self._recorded = recorded
        self._snapshot = Snapshot(schedule=schedule)
        self._look(recorded, self._snapshot, begins=True)

    def emit(self, event: Event) -> None:
        self._counts.count(event)
        self._times.observe(event, self._clock.monotonic())
        self._keep(event)
        recorded, snapshot = self._recorded, self._snapshot
        if isinstance(event, _CHANGES) and recorded is not None and snapshot is not None:
            self._look(recorded, snapshot, begins=isinstance(event, ColdStarted))

    def _look(self, recorded: Recorded, before: Snapshot, *, begins: bool) -> None:
        state = recorded.state
        histories = {c: recorded.history(c) for c in {*state.rounds, *state.past}}
        head = self._head
        found = replace(before, state=state, histories=histories)
        if head is not None:
            found = replace(found, first=head.first, head=head.block)
        self._snapshot = found
        if begins:
            champions = {c: history.champion for c, history in histories.items()}
            self._counts.begin(found.competitions, champions)

    def _keep(self, event: Event) -> None:
        newest = self._newest
        match event:
            case HeadAdvanced(head=head, next_sync=next_sync):
                before = self._head
                first = head.number if before is None else before.first
                step = None if before is None else head.number - before.block
                self._head = _Head(
                    block=head.number,
                    first=first,
                    step=step,
                    next_sync=next_sync,
                    came=self._clock.monotonic(),
                )
            case PoolFrozen(round=round_, task=task, num_rows=count):
                rows = {**newest.pool_rows, (str(round_.competition), task): count}
                self._newest = replace(newest, pool_rows=rows)
            case WarmingUp(rounds_left=left):
                self._newest = replace(newest, warm_up=left)
            case WeightsSubmitted():
                self._newest = replace(newest, warm_up={})
            case WorkersConfined():
                self._newest = replace(newest, sandbox=event)

    def samples(self) -> Iterator[Sample]:
        """Yield every value as it is now, each with other labels or of another metric."""
        about, head, snapshot = self._about, self._head, self._snapshot
        yield Metric.BUILD, (about.version, about.network, str(about.netuid)), 1.0
        yield Metric.STARTED, (), self._started_at
        yield Metric.SENDS_WEIGHTS, (), float(about.sends_weights)
        age_s = self._clock.monotonic() - (self._started if head is None else head.came)
        yield Metric.HEAD_AGE, (), age_s
        if head is not None:
            yield Metric.HEAD, (), head.block
            yield Metric.NEXT_SYNC, (), head.next_sync
            if head.step is not None:
                yield Metric.HEAD_STEP, (), head.step
        yield from self._of_health()
        yield from self._of_newest(snapshot)
        if snapshot is not None:
            yield from samples_of(snapshot)
            yield from self._queue.samples(snapshot)
            yield from _age_of_weights(snapshot, age_s)
        yield from self._tallies.samples()
        yield from self._disk.samples()

    def _of_health(self) -> Iterator[Sample]:
        yield Metric.LOOP_SILENT, (), self._health.silent_s()
        outages = self._health.outages_s()
        for name in sorted({*Dependency, *outages}):
            yield Metric.DEGRADED, (str(name),), float(name in outages)
        for name, seconds in outages.items():
            yield Metric.DEGRADED_FOR, (str(name),), seconds
        slow: dict[str, int] = {}
        for actor in self._health.slow_steps():
            slow[actor] = slow.get(actor, 0) + 1
        for actor, count in slow.items():
            yield Metric.SLOW_STEPS, (actor,), count

    def _of_newest(self, snapshot: Snapshot | None) -> Iterator[Sample]:
        newest = self._newest
        for labels, count in newest.pool_rows.items():
            yield Metric.POOL_ROWS, labels, count
        known = () if snapshot is None else snapshot.competitions
        for competition in sorted({*known, *newest.warm_up}):
            yield Metric.WARM_UP, (str(competition),), newest.warm_up.get(competition, 0)
        if newest.sandbox is not None:
            present, missing = newest.sandbox.sandbox, newest.sandbox.missing
            yield Metric.SANDBOX, (present,), 1.0
            yield Metric.SANDBOX_MISSING, (), len(missing)
            # The label of Landlock ends with its version.
            names = {name.rstrip("0123456789") for name in present.split(",")} - {"none"}
            for layer in sorted({*names, *missing}):
                yield Metric.SANDBOX_LAYER, (str(layer),), float(layer not in missing)


def _age_of_weights(snapshot: Snapshot, head_age_s: float) -> Iterator[Sample]:
    newest = newest_weights(snapshot.state)
    since = snapshot.first if newest is None else newest.sent_at
    if snapshot.head is not None and since is not None:
        blocks = max(0, snapshot.head - since)
        yield Metric.WEIGHTS_AGE_BLOCKS, (), blocks
        yield Metric.WEIGHTS_AGE, (), blocks * BLOCK_SECONDS + head_age_s


if TYPE_CHECKING:
    _: type[EventSink] = MetricsSink
