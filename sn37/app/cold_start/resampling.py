"""The samples of a past round, read and drawn again here, and whether a manifest is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sn37.app.rounds.screening import Screener
from sn37.app.samples.draws import Draws
from sn37.app.samples.pool_requests import live_tasks, pool_request
from sn37.app.samples.sources import Sources
from sn37.domain.data.overlap import overlaps
from sn37.domain.data.samples import EmptyWindow, Pool, Sample
from sn37.domain.data.sampling import NotEnoughRows, manifest
from sn37.domain.ids import CompetitionId, Digest, RoundKey, TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.round.state import TaskDraw
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import COLD_ROUNDS, Schedule
from sn37.ports.chain import Chain
from sn37.ports.errors import (
    ChainUnavailable,
    DatasetExhausted,
    DatasetUnavailable,
    ModelRejected,
    OfferRefused,
    StoreUnavailable,
    Unavailable,
)

# Of a task's rows that are drawn here too. Two validators that read their source at different
# moments differ by a few rows, and each changes four samples at most; who chose his own rows
# shares hardly any.
MIN_SHARED = 0.9


class CannotRecheck(Exception):
    """Too few receipts can be scored again by now; one line says why.

    ``outage`` is what did not answer, if that was among the causes: it may answer later. A chain
    that has forgotten a block and a source that has lost its rows often say no more than that.
    """

    def __init__(self, message: str, *, outage: Unavailable | None = None) -> None:
        super().__init__(message)
        self.outage = outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """A past round's samples as they are read and drawn now."""

    draws: tuple[TaskDraw, ...]
    rows: Mapping[TaskName, Sequence[Sample]]  # those with the ids of the manifest's, if there


class Resampler:
    """Reads the sources of a past round again, for the same window and the same signers.

    Of each competition the last ``COLD_ROUNDS`` answers are held, without the rows that were
    neither drawn nor named: a source may take minutes for a round, which several receipts are
    of, which both ways of a cold start ask for, and each attempt at it anew.
    """

    def __init__(
        self, *, chain: Chain, sources: Sources, schedule: Schedule, screener: Screener
    ) -> None:
        self._chain = chain
        self._screener = screener
        self._sources = sources
        self._schedule = schedule
        self._draws = Draws(chain=chain, sources=sources, schedule=schedule)
        self._held: dict[CompetitionId, dict[tuple[RoundKey, Digest], Resampled]] = {}

    async def read(self, receipt: Receipt, rules: Competition) -> Resampled:
        """The samples of a receipt's round, whose sync block is long past.

        Args:
            receipt: One whose manifest has its digest, see ``require_manifest``.

        Raises:
            CannotRecheck: A source no longer has them, the chain forgot whom to trust, or the
                base model that screens them cannot be had.
            ScorerUnavailable: This machine cannot ask the base model now.
        """
        held = self._held.setdefault(receipt.round.competition, {})
        asked = (receipt.round, receipt.manifest_digest)
        found = held.pop(asked, None) or await self._read(receipt, rules)
        held[asked] = found  # as the newest
        while len(held) > COLD_ROUNDS:
            del held[next(iter(held))]
        return found

    async def _read(self, receipt: Receipt, rules: Competition) -> Resampled:
        key = receipt.round
        pools: dict[TaskName, Pool] = {}
        try:
            for task in live_tasks(rules):
                request = await pool_request(
                    self._chain,
                    sync_block=key.sync_block,
                    rules=rules,
                    source=task.source,
                    timing=self._schedule.timing,
                )
                pools[task.name] = (await self._sources.collect(task.source, request)).pool
            draws = await self._draws.draw(key, rules, pools)
            if rules.base_model is not None:  # ours: what another says of its losses is no proof
                draws = (await self._screener.screen(rules, draws)).draws
        except (
            StoreUnavailable,
            ModelRejected,
            ChainUnavailable,
            DatasetUnavailable,
            DatasetExhausted,
            EmptyWindow,
            NotEnoughRows,
        ) as error:
            raise CannotRecheck(
                f"the samples of {key} cannot be read again: {error}",
                outage=error if isinstance(error, Unavailable) else None,
            ) from error
        drawn = {d.batch.task: d.batch.samples for d in draws}
        known = drawn | {task: pool.samples for task, pool in pools.items()}
        return Resampled(
            draws=draws,
            rows={task: _named(receipt, task, rows) for task, rows in known.items()},
        )


def _named(receipt: Receipt, task: TaskName, rows: Iterable[Sample]) -> tuple[Sample, ...]:
    ids = {row for row, _ in receipt.manifest[task]}
    return tuple(s for s in rows if s.provenance.row_id in ids)


def require_drawn(receipt: Receipt, draws: Sequence[TaskDraw], where: str) -> None:
    """Insist on a manifest that is, but for a few rows, what ``draws`` are here.

    Raises:
        OfferRefused: Too many rows were chosen otherwise.
    """
    ours = {d.batch.task: manifest(d.batch) for d in draws}
    for task, rows in receipt.manifest.items():
        if len(set(rows)) < len(rows):
            raise OfferRefused(f"{where}: a sample of {task} was scored twice")
    for overlap in overlaps(ours, receipt.manifest):
        if overlap.share < MIN_SHARED:
            raise OfferRefused(
                f"{where}: only {overlap.num_shared} of {overlap.num_ours} samples of "
                f"{overlap.task} are those that its block's hash draws"
            )
