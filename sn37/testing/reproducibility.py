"""Contract: a source's pools, draws and manifests are the same for every validator.

Subclass one of these contracts together with ``LiveDatasetContract`` or
``StaticDatasetContract``. It makes 200 random requests in this process, and again in other
processes with another hash seed, locale and time zone, where recorded rows arrive in another
order. Those processes import your test file and instantiate your class, so the class must not
need fixtures.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import timedelta
from random import Random

from sn37.domain.canonical import JsonValue, canonical_digest
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.samples import EmptyWindow, Pool, PoolRequest, TimeWindow
from sn37.domain.data.sampling import NotEnoughRows, draw, manifest_digest, pool_digest
from sn37.domain.ids import Digest, Seed, TaskName
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import LiveDataset, StaticDataset

NUM_REQUESTS = 200
TIMEOUT_S = 120.0
TASK = TaskName("reproduced")
ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/Los_Angeles"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
)


class ReproducibilityContract(ABC):
    """Common part of both contracts."""

    @abstractmethod
    def digest(self, order: Random) -> Digest:
        """Return the digest of all answers, with the rows in an order that ``order`` chooses."""

    def test_draws_are_the_same_in_every_process_locale_time_zone_and_order(self) -> None:
        file, name = inspect.getfile(type(self)), type(self).__qualname__
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "sn37.testing.reproducibility", file, name, str(number)],
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, environment in enumerate(ENVIRONMENTS, start=1)
        ]
        try:
            here = self.digest(Random(0))
            elsewhere = [process.communicate(timeout=TIMEOUT_S)[0].strip() for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        assert elsewhere == [here] * len(processes)


class LiveReproducibilityContract(ReproducibilityContract):
    """Contract of a source whose rows have a time."""

    @abstractmethod
    def dataset_in_order(self, order: Random) -> LiveDataset:
        """Return a new adapter over the recorded rows, which arrive shuffled by ``order``."""

    @abstractmethod
    def request(self) -> PoolRequest:
        """See ``LiveDatasetContract``."""

    def digest(self, order: Random) -> Digest:
        """Return the digest of every pool and of a draw from it."""
        return canonical_digest(asyncio.run(self._answers(order)))

    async def _answers(self, order: Random) -> list[JsonValue]:
        choices = Random(37)
        answers: list[JsonValue] = []
        for request in _requests(self.request(), choices):
            pool = await self.dataset_in_order(order).collect(request)
            answers += [pool_digest(pool), _draw(pool, choices)]
        return answers


class StaticReproducibilityContract(ReproducibilityContract):
    """Contract of a pinned revision or a generator."""

    @abstractmethod
    def dataset(self) -> StaticDataset:
        """See ``StaticDatasetContract``."""

    def digest(self, order: Random) -> Digest:
        """Return the digest of every draw; ``order`` has no effect on a static source."""
        return canonical_digest(asyncio.run(self._answers()))

    async def _answers(self) -> list[JsonValue]:
        choices, dataset = Random(37), self.dataset()
        answers: list[JsonValue] = []
        for _ in range(NUM_REQUESTS):
            seed, count = Seed(choices.getrandbits(256)), choices.randint(1, 10)
            answers.append(_manifest(Pool(await dataset.draw(count=count, seed=seed))))
        return answers


def _requests(whole: PoolRequest, choices: Random) -> Iterator[PoolRequest]:
    """Yield ``whole``, then requests for parts of its window and of its trusted hotkeys."""
    yield whole
    length_us = (whole.window.until - whole.window.since) // timedelta(microseconds=1)
    num_left = NUM_REQUESTS - 1
    while num_left:
        ends = sorted(choices.randint(0, length_us) for _ in range(2))
        since, until = (whole.window.since + timedelta(microseconds=us) for us in ends)
        trusted = whole.trusted and frozenset(
            hotkey for hotkey in sorted(whole.trusted) if choices.random() < 0.8
        )
        try:
            window = TimeWindow(since=since, until=until)
        except EmptyWindow:
            continue
        num_left -= 1
        yield PoolRequest(window=window, trusted=trusted)


def _draw(pool: Pool, choices: Random) -> JsonValue:
    """Return the manifest of a random draw, or that the pool has too few rows for it."""
    count = choices.randint(1, max(len(pool.samples), 1))
    seed, share = Seed(choices.getrandbits(256)), choices.choice((0.4, 1.0))
    try:
        return _manifest(Pool(draw(pool, task=TASK, count=count, seed=seed, signer_share=share)))
    except NotEnoughRows as error:
        return str(error)


def _manifest(drawn: Pool) -> JsonValue:
    return manifest_digest(
        [TaskBatch(task=TASK, method=Method.REFERENCE_LOSS, samples=drawn.samples)]
    )


def _main(file: str, name: str, order: str) -> None:
    spec = importlib.util.spec_from_file_location("sn37_reproduced", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    contract = getattr(module, name)()
    sys.stdout.write(contract.digest(Random(int(order))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
