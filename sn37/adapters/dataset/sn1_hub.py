"""Subnet 1's data set on Hugging Face as a live source, read by a child process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sn37.adapters.child_process.running import ChildError, child_environment, running
from sn37.adapters.dataset.sn1_hub_messages import (
    MAX_LINE_BYTES,
    End,
    ReadOrder,
    decode_line,
    encode_order,
)
from sn37.domain.data.samples import Pool, PoolRequest, Sample
from sn37.ports.errors import DatasetUnavailable

if TYPE_CHECKING:
    from sn37.ports.dataset import LiveDataset

TIMEOUT_S = 180.0  # of a read; pools are read in 50 blocks before a round, 600 s
_WORKER = "sn37.adapters.dataset.sn1_hub_worker"
_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MALLOC_ARENA_MAX": "2",  # the memory limit counts what arenas reserve
}

log = logging.getLogger(__name__)


class HubQuestions:
    """The rows of one repository.

    The revision is the newest one before the window's end, so readers at different times read the
    same. Its rows are not signed. If a request names trusted hotkeys, it gets the rows that name
    one of them; only the repository vouches for these names.

    Args:
        endpoint: Of the hub; ``None`` for that of huggingface_hub.
        pause_s: Before the first retry of a request.
        timeout_s: Of one read, which then counts as unavailable.
    """

    def __init__(
        self,
        repo: str,
        tasks: Sequence[str],
        *,
        endpoint: str | None = None,
        pause_s: float = 1.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._repo = repo
        self._tasks = tasks
        self._endpoint = endpoint
        self._pause_s = pause_s
        self._timeout_s = timeout_s

    async def collect(self, request: PoolRequest) -> Pool:
        """See the port. Repeats count once (``domain.data.repeats``)."""
        order = ReadOrder(
            repo=self._repo,
            endpoint=self._endpoint,
            pause_s=self._pause_s,
            since=request.window.since.isoformat(),
            until=request.window.until.isoformat(),
            trusted=None if request.trusted is None else sorted(request.trusted),
            tasks=self._tasks,
            salt=request.salt,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(order)
        except TimeoutError as error:
            raise DatasetUnavailable(
                f"{self._repo}: reading was stopped because it took more than {self._timeout_s:g} s"
            ) from error
        except ChildError as error:
            raise DatasetUnavailable(f"{self._repo}: its reading process {error}") from error

    async def _read(self, order: ReadOrder) -> Pool:
        samples: list[Sample] = []
        environment = child_environment(_SETTINGS, prefix="HF_")
        async with running(_WORKER, environment, max_line_bytes=MAX_LINE_BYTES) as child:
            child.send(encode_order(order))
            async for line in child.lines():
                match decode_line(line):
                    case Sample() as sample:
                        samples.append(sample)
                    case DatasetUnavailable() as error:
                        raise error
                    case End(left_out=left_out):
                        log.info("%s: %d rows%s", order.repo, len(samples), left_out)
                        return Pool(tuple(samples), is_distinct=True)
            raise child.death()


if TYPE_CHECKING:
    _dataset: LiveDataset = HubQuestions("owner/name", ())
