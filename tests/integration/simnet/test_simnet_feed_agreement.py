"""Validators who read the simnet feed elsewhere, or in another order, draw the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from sn37.adapters.simnet.feed.dataset import SignedRuns
from sn37.adapters.simnet.feed.signed_logs import Row, Run
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.testing.reproducibility import LiveReproducibilityContract
from tests.integration.simnet.made_up_runs import TRUSTED, WINDOW, made_up_runs

T = TypeVar("T")
HALF_AN_HOUR = timedelta(minutes=30)  # of the whole window 200 parts take a minute


class _Shuffled:
    """The feed in an order of its own."""

    def __init__(self, order: Random) -> None:
        self._runs, self._order = made_up_runs(), order

    def runs(self, since: datetime, until: datetime) -> Iterator[Run]:
        return self._shuffled(self._runs.runs(since, until))

    def rows(self, run: Run, since: datetime, until: datetime) -> Iterator[Row]:
        return self._shuffled(self._runs.rows(run, since, until))

    def _shuffled(self, found: Iterable[T]) -> Iterator[T]:
        everything = list(found)
        return iter(self._order.sample(everything, len(everything)))


class TestSimnetFeedIsReproducible(LiveReproducibilityContract):
    def dataset_in_order(self, order: Random) -> SignedRuns:
        return SignedRuns(lambda: _Shuffled(order))

    def request(self) -> PoolRequest:
        window = TimeWindow(since=WINDOW.since, until=WINDOW.since + HALF_AN_HOUR)
        return PoolRequest(window=window, trusted=TRUSTED)
