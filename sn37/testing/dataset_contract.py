"""Contract tests for every source of samples. Subclass them in your plug-in's tests.

No test uses the network: the adapter under test works on recorded rows.
"""

from __future__ import annotations

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from sn37.domain.data.samples import Pool, PoolRequest, Sample, TimeWindow
from sn37.domain.ids import Hotkey, Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.ports.dataset import LiveDataset, StaticDataset
from sn37.ports.errors import DatasetExhausted, DatasetUnavailable

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin


class LiveDatasetContract(ABC):
    """Contract of a source whose rows have a time."""

    @abstractmethod
    def dataset(self) -> LiveDataset:
        """Return a new adapter over recorded rows, the same rows at each call."""

    @abstractmethod
    def silent_dataset(self) -> LiveDataset:
        """Return the same adapter over a source that does not answer."""

    @abstractmethod
    def partial_dataset(self) -> LiveDataset:
        """Return the same adapter over a source that stops answering in the middle."""

    @abstractmethod
    def request(self) -> PoolRequest:
        """Return a request that at least ten recorded rows satisfy, and some do not."""

    def collect(self) -> Pool:
        """Read the pool of the request with a new adapter."""
        return asyncio.run(self.dataset().collect(self.request()))

    def test_the_recorded_rows_of_the_window_are_found(self) -> None:
        assert len(self.collect().samples) >= 10

    def test_equal_requests_give_equal_pools(self) -> None:
        assert self.collect() == self.collect()

    def test_one_adapter_answers_twice_alike(self) -> None:
        async def twice() -> tuple[Pool, Pool]:
            dataset = self.dataset()
            return await dataset.collect(self.request()), await dataset.collect(self.request())

        first, second = asyncio.run(twice())
        assert first == second

    def test_no_row_comes_twice(self) -> None:
        ids = [s.provenance.row_id for s in self.collect().samples]
        assert len(set(ids)) == len(ids)

    def test_rows_are_ordered_by_row_id(self) -> None:
        ids = [s.provenance.row_id for s in self.collect().samples]
        assert ids == sorted(ids)

    def test_every_sample_lies_in_the_window(self) -> None:
        window = self.request().window
        times = [s.provenance.produced_at for s in self.collect().samples]
        assert all(t is not None and t in window for t in times)

    def test_a_window_holds_its_start_and_not_its_end(self) -> None:
        whole = self.request()
        rows = sorted(self.collect().samples, key=_time)
        row = rows[len(rows) // 2]  # inside, so that neither part of the window is empty
        before, after = (
            TimeWindow(since=whole.window.since, until=_time(row)),
            TimeWindow(since=_time(row), until=whole.window.until),
        )
        parts = [
            asyncio.run(self.dataset().collect(PoolRequest(window=part, trusted=whole.trusted)))
            for part in (before, after)
        ]
        assert [row in part.samples for part in parts] == [False, True]
        for part, window in zip(parts, (before, after), strict=True):
            assert all(_time(s) in window for s in part.samples)

    def test_every_sample_is_from_a_trusted_hotkey(self) -> None:
        trusted = self.request().trusted
        signers = {s.provenance.signer for s in self.collect().samples}
        if trusted is None:  # a source without signers names none
            assert signers == {None}
        else:
            assert signers <= trusted

    def test_a_request_that_trusts_nobody_gets_no_signed_row(self) -> None:
        request = PoolRequest(window=self.request().window, trusted=frozenset[Hotkey]())
        pool = asyncio.run(self.dataset().collect(request))
        assert all(s.provenance.signer is None for s in pool.samples)

    def test_every_sample_has_something_to_score(self) -> None:
        assert all(_is_scorable(s) for s in self.collect().samples)

    def test_a_silent_source_is_reported_as_unavailable(self) -> None:
        with pytest.raises(DatasetUnavailable) as caught:
            asyncio.run(self.silent_dataset().collect(self.request()))
        assert caught.value.__cause__ is not None

    def test_part_of_a_window_is_never_returned(self) -> None:
        with pytest.raises(DatasetUnavailable):
            asyncio.run(self.partial_dataset().collect(self.request()))

    def test_the_global_random_generator_is_left_alone(self) -> None:
        before = random.getstate()
        self.collect()
        assert random.getstate() == before


class StaticDatasetContract(ABC):
    """Contract of a pinned revision or a generator."""

    @abstractmethod
    def dataset(self) -> StaticDataset:
        """Return a new adapter over at least ten recorded rows, the same rows at each call."""

    @abstractmethod
    def size(self) -> int | None:
        """Return the number of rows; ``None`` for an endless generator."""

    def draw(self, seed: int, count: int = 5) -> tuple[Sample, ...]:
        """Draw samples with a new adapter."""
        return asyncio.run(self.dataset().draw(count=count, seed=Seed(seed)))

    @pytest.mark.parametrize("count", [1, 2, 10])
    def test_a_draw_has_exactly_as_many_samples_as_asked(self, count: int) -> None:
        assert len(self.draw(1, count)) == count

    def test_no_row_is_drawn_twice(self) -> None:
        ids = [s.provenance.row_id for s in self.draw(1, 10)]
        assert len(set(ids)) == len(ids)

    def test_one_seed_gives_one_draw(self) -> None:
        assert self.draw(2**255) == self.draw(2**255)

    def test_a_draw_does_not_depend_on_those_before_it(self) -> None:
        async def second() -> tuple[Sample, ...]:
            dataset = self.dataset()
            await dataset.draw(count=7, seed=Seed(9))
            return await dataset.draw(count=5, seed=Seed(1))

        assert asyncio.run(second()) == self.draw(1)

    def test_the_seed_decides_the_draw(self) -> None:
        assert len({self.draw(n) for n in range(8)}) > 1

    def test_every_sample_has_something_to_score(self) -> None:
        assert all(_is_scorable(s) for s in self.draw(1, 10))

    def test_asking_for_more_than_there_is_says_how_many_there_are(self) -> None:
        size = self.size()
        if size is None:  # a generator never runs out of rows
            assert len(self.draw(1, 100)) == 100
            return
        with pytest.raises(DatasetExhausted) as caught:
            self.draw(1, size + 1)
        assert (caught.value.requested, caught.value.available) == (size + 1, size)

    def test_the_global_random_generator_is_left_alone(self) -> None:
        before = random.getstate()
        self.draw(1)
        assert random.getstate() == before


class ReadStaticDatasetContract(StaticDatasetContract):
    """Contract of a static source that reads its rows; a generator does not."""

    @abstractmethod
    def silent_dataset(self) -> StaticDataset:
        """Return the same adapter over a source that cannot be read."""

    def test_a_row_that_cannot_be_read_is_not_replaced(self) -> None:
        with pytest.raises(DatasetUnavailable) as caught:
            asyncio.run(self.silent_dataset().draw(count=5, seed=Seed(1)))
        assert caught.value.__cause__ is not None


class DatasetPluginContract(ABC):
    """Contract of a plug-in that an entry point of the group ``sn37.datasets`` returns."""

    @abstractmethod
    def plugin(self) -> DatasetPlugin:
        """Return the plug-in that the entry point's factory returns."""

    @abstractmethod
    def parameters(self) -> Mapping[str, ParameterValue]:
        """Return valid parameters, of the types that a schedule gives."""

    @abstractmethod
    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        """Return faulty parameters by the name of the one that is missing or out of range."""

    def test_the_source_is_of_the_kind_that_the_freshness_says(self) -> None:
        plugin = self.plugin()
        kind = LiveDataset if plugin.freshness is Freshness.LIVE else StaticDataset
        assert isinstance(plugin.open(self.parameters()), kind)

    def test_an_unknown_parameter_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="no_such_parameter"):
            self.plugin().open({**self.parameters(), "no_such_parameter": 1})

    def test_a_wrong_parameter_is_refused_by_name(self) -> None:
        for name, parameters in self.wrong_parameters().items():
            with pytest.raises(ValueError, match=name):
                self.plugin().open(parameters)

    def test_opening_connects_to_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("opening a source must not use the network")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        self.plugin().open(self.parameters())

    def test_the_parameters_are_left_as_they_are(self) -> None:
        parameters = dict(self.parameters())
        self.plugin().open(parameters)
        assert parameters == self.parameters()


def _time(sample: Sample) -> datetime:
    moment = sample.provenance.produced_at
    assert moment is not None, f"row {sample.provenance.row_id} has no time"
    return moment


def _is_scorable(sample: Sample) -> bool:
    """True if there is text to score and it can be stored: no NUL, no lone surrogate."""
    text = "".join((sample.provenance.row_id, sample.prompt, sample.reference, *sample.choices))
    halves = any("\ud800" <= letter <= "\udfff" for letter in text)
    return bool(sample.reference) and "\0" not in text and not halves
