"""The harness that compares draws across processes, and that it would notice a difference."""

from __future__ import annotations

from random import Random

import pytest

from sn37.domain.data.samples import Pool, PoolRequest
from sn37.testing.builders import CHAIN_START, a_pool_request, some_samples
from sn37.testing.fakes import FakeLiveDataset, FakeStaticDataset
from sn37.testing.reproducibility import LiveReproducibilityContract, StaticReproducibilityContract

ROWS = some_samples(90, since=CHAIN_START, every_s=60, signers=("v1", "v2", "v3", "v4"))


class TestFakeLiveDataset(LiveReproducibilityContract):
    def dataset_in_order(self, order: Random) -> FakeLiveDataset:
        return FakeLiveDataset(rows=order.sample(ROWS, len(ROWS)))

    def request(self) -> PoolRequest:
        return a_pool_request(trusted=["v1", "v2", "v3"])


class TestFakeStaticDataset(StaticReproducibilityContract):
    def dataset(self) -> FakeStaticDataset:
        return FakeStaticDataset()


class Hashing(LiveReproducibilityContract):
    """Depends on the seed of Python's hashes, which no two processes share."""

    def dataset_in_order(self, order: Random) -> FakeLiveDataset:
        return FakeLiveDataset(rows=[s for s in ROWS if hash(s.provenance.row_id) % 2])

    def request(self) -> PoolRequest:
        return a_pool_request(trusted=["v1", "v2", "v3"])


class FirstCome(TestFakeLiveDataset):
    """Keeps the rows that came first."""

    def dataset_in_order(self, order: Random) -> FakeLiveDataset:
        return FakeLiveDataset(rows=super().dataset_in_order(order).rows[:60])


@pytest.mark.parametrize("contract", [Hashing, FirstCome])
def test_a_source_that_draws_differently_elsewhere_is_found_out(
    contract: type[LiveReproducibilityContract],
) -> None:
    with pytest.raises(AssertionError):
        contract().test_draws_are_the_same_in_every_process_locale_time_zone_and_order()


def test_requests_differ_and_find_rows() -> None:
    seen: list[Pool] = []

    class Watched(FakeLiveDataset):
        async def collect(self, request: PoolRequest) -> Pool:
            seen.append(await super().collect(request))
            return seen[-1]

    class Watching(TestFakeLiveDataset):
        def dataset_in_order(self, order: Random) -> FakeLiveDataset:
            return Watched(rows=list(ROWS))

    Watching().digest(Random(0))
    assert len(seen) == 200
    assert len({pool.samples for pool in seen}) > 150
