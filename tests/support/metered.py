"""A sink of metrics over a made-up state, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sn37.adapters.telemetry.metrics.disk import DiskUse
from sn37.adapters.telemetry.metrics.metric_table import Metric
from sn37.adapters.telemetry.metrics.sink import About, MetricsSink
from sn37.adapters.telemetry.metrics.tallies import Value
from sn37.domain.events import HeadAdvanced
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.round.history import history_of
from sn37.domain.round.state import NO_HISTORY, History, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.testing.builders import a_block_ref, a_competition, a_schedule, a_stage
from sn37.testing.fakes.clock import FakeClock

TWO_COMPETITIONS = a_schedule(
    a_stage(a_competition(1, reward_share=0.5), a_competition(2, reward_share=0.5))
)


@dataclass(slots=True)
class FakeHealth:
    failing: Mapping[str, float] = field(default_factory=dict)
    slow: Sequence[str] = ()

    def outages_s(self) -> Mapping[str, float]:
        return self.failing

    def slow_steps(self) -> Sequence[str]:
        return self.slow

    def silent_s(self) -> float:
        return 0.5


@dataclass(slots=True)
class FakeRecord:
    """The owner of a state that tests replace."""

    state: ValidatorState = field(default_factory=ValidatorState)

    def history(self, competition: CompetitionId) -> History:
        past = self.state.past.get(competition, NO_HISTORY)
        return history_of(self.state.rounds.get(competition, ()), past)


class Metered:
    """A sink with everything it asks."""

    def __init__(self, folder: Path, *, sends_weights: bool = True) -> None:
        self.clock, self.health, self.record = FakeClock(), FakeHealth(), FakeRecord()
        about = About(version="0.1.0", network="finney", netuid=37, sends_weights=sends_weights)
        disk = DiskUse(
            folder / "state.sqlite",
            [folder / "models"],
            1000,
            monotonic=self.clock.monotonic,
        )
        self.sink = MetricsSink(about, clock=self.clock, health=self.health, disk=disk)

    def follow(
        self, state: ValidatorState | None = None, schedule: Schedule = TWO_COMPETITIONS
    ) -> None:
        self.record.state = state or ValidatorState()
        self.sink.follow(self.record, schedule)

    def head(self, block: int) -> None:
        self.sink.emit(HeadAdvanced(head=a_block_ref(block), next_sync=Block(block + 80)))

    def values(self, metric: Metric) -> dict[tuple[str, ...], Value]:
        """The values of a metric by their labels."""
        found = [(labels, value) for m, labels, value in self.sink.samples() if m is metric]
        assert len(dict(found)) == len(found), f"{metric}: the same labels twice"
        return dict(found)
