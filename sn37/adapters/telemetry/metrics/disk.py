"""How full the disk is, looked up now and then by the thread that answers a scrape."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sn37.adapters.folder_size import bytes_below
from sn37.adapters.telemetry.metrics.metric_table import Metric
from sn37.adapters.telemetry.metrics.tallies import Sample

LOOK_EVERY_S = 60.0


class DiskUse:
    """Sizes of the state directory's disk, of the database and of the models.

    Args:
        state_file: The database.
        models: Folders of models that count towards the quota; they may be missing.
        quota_bytes: What the models may take; ``None`` without a limit.
        monotonic: Clock for how old a look is.
    """

    def __init__(
        self,
        state_file: Path,
        models: Sequence[Path],
        quota_bytes: int | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state_file = state_file
        self._models = tuple(models)
        self._quota_bytes = quota_bytes
        self._monotonic = monotonic
        self._found: tuple[float, tuple[Sample, ...]] | None = None  # with the time of the look

    def samples(self) -> tuple[Sample, ...]:
        """Return sizes that are a minute old at most; none of those that cannot be read."""
        now = self._monotonic()
        found = self._found
        if found is None or now - found[0] >= LOOK_EVERY_S:
            found = self._found = (now, tuple(self._look()))
        return found[1]

    def _look(self) -> Iterator[Sample]:
        with suppress(OSError):
            usage = shutil.disk_usage(self._state_file.parent)
            yield Metric.DISK_SIZE, (), usage.total
            yield Metric.DISK_FREE, (), usage.free
        beside = (self._state_file.with_name(self._state_file.name + e) for e in ("", "-wal"))
        yield Metric.STATE_SIZE, (), sum(map(_size_of_file, beside))
        yield Metric.CACHE, (), sum(map(bytes_below, self._models))
        if self._quota_bytes is not None:
            yield Metric.QUOTA, (), self._quota_bytes


def _size_of_file(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
