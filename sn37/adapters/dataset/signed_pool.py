"""Pool of the rows of signed runs, for every source that validators log to wandb."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from sn37.adapters.dataset.kept_samples import KeptSamples, Unfit
from sn37.adapters.dataset.signed_runs import SignedRuns
from sn37.adapters.dataset.wandb_messages import Query, RowFound
from sn37.adapters.dataset.wandb_rows import ChooseRuns, TakeRow
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.ids import Hotkey

log = logging.getLogger(__name__)

ToSample = Callable[[RowFound, Hotkey], Sample]  # converts a row with its signer; raises ``Unfit``


class ReadRuns(Protocol):
    """A function like ``read_rows``."""

    async def __call__(
        self, query: Query, *, choose: ChooseRuns, take: TakeRow, timeout_s: float
    ) -> Mapping[str, int]: ...


async def signed_pool(
    name: str,
    query: Query,
    runs: SignedRuns,
    to_sample: ToSample,
    *,
    salt: str,
    timeout_s: float,
    read: ReadRuns,
) -> Pool:
    """Return the rows of runs that trusted hotkeys signed, without repeats.

    Repeats are defined by ``domain.data.repeats``. A signer that logs more than its share of a
    full pool keeps only some rows, which are the same for every reader.

    Args:
        name: Of the source, for the log.
        salt: Of the request.
        timeout_s: Of the whole read.

    Raises:
        DatasetUnavailable: wandb did not answer, or not completely.
    """
    kept = KeptSamples(len(runs.trusted), salt=salt)

    def take(row: RowFound) -> None:
        try:
            kept.add(to_sample(row, runs.signers[row.run]))
        except Unfit as error:
            kept.left_out[str(error)] += 1

    left_out = await read(query, choose=runs.choose, take=take, timeout_s=timeout_s)
    pool = await asyncio.to_thread(kept.pool)
    kept.left_out.update(left_out)
    told = kept.told()
    log.info("%s: %d rows of %d runs%s", name, len(pool.samples), len(runs.signers), told)
    return pool
