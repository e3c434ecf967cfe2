"""Subnet 1's data set on Hugging Face as a live source, read by a child process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sn37.adapters.dataset.hub_child import samples_until
from sn37.adapters.dataset.sn1_hub_messages import End, ReadOrder, decode_line, encode_order
from sn37.domain.data.samples import Pool, PoolRequest

if TYPE_CHECKING:
    from sn37.ports.dataset import LiveDataset

TIMEOUT_S = 180.0  # of a read; pools are read in 50 blocks before a round, 600 s
_WORKER = "sn37.adapters.dataset.sn1_hub_worker"

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
        samples, end = await samples_until(
            End,
            _WORKER,
            encode_order(order),
            decode_line,
            repo=self._repo,
            timeout_s=self._timeout_s,
        )
        log.info("%s: %d rows%s", self._repo, len(samples), end.left_out)
        return Pool(samples, is_distinct=True)


if TYPE_CHECKING:
    _dataset: LiveDataset = HubQuestions("owner/name", ())
