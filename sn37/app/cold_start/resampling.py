"""Reading and drawing a past round's samples again, to compare them with a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sn37.app.rounds.screening import Screener
from sn37.app.samples.draws import Draws
from sn37.app.samples.pool_requests import live_tasks, pool_request
from sn37.app.samples.sources import Sources
from sn37.domain.data.overlap import Overlap, overlaps
from sn37.domain.data.samples import EmptyWindow, Pool, Sample
from sn37.domain.data.sampling import NotEnoughRows, manifest
from sn37.domain.ids import CompetitionId, Digest, RoundKey, TaskName
from sn37.domain.records.receipt import Receipt
from sn37.domain.round.state import TaskDraw
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.mixture import whole_of
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

# Share of a task's rows that must be drawn here too. Two validators that read their source at
# different times differ by a few rows, and each row changes at most four samples. A validator that
# chose its own rows shares hardly any.
MIN_SHARED = 0.9


class CannotRecheck(Exception):
    """Too few receipts can be scored again; the message says why in one line.

    ``outage`` is the outage among the causes, if any; it may end later. A chain that has pruned
    a block and a source that has lost its rows often report an outage, too.
    """

    def __init__(self, message: str, *, outage: Unavailable | None = None) -> None:
        super().__init__(message)
        self.outage = outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """A past round's samples, as read and drawn now."""

    draws: tuple[TaskDraw, ...]
    rows: Mapping[TaskName, Sequence[Sample]]  # available rows with ids of the manifest


class Resampler:
    """Reader of a past round's sources, for the same window and the same signers.

    It caches the last ``COLD_ROUNDS`` answers per competition, without rows that were neither
    drawn nor named. A source may take minutes per round, and several receipts, both ways of a
    cold start and every attempt need the same round.
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
        """Return the samples of a receipt's round, whose sync block is long past.

        Args:
            receipt: A receipt whose manifest matches its digest, see ``require_manifest``.

        Raises:
            CannotRecheck: A source no longer has them, the chain no longer has the signers, or
                the base model that screens them is not available.
            ScorerUnavailable: This machine cannot score the base model now.
        """
        held = self._held.setdefault(receipt.round.competition, {})
        asked = (receipt.round, receipt.manifest_digest)
        found = held.pop(asked, None) or await self._read(receipt, rules)
        held[asked] = found  # moves it to the newest position
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
            if rules.base_model is not None:  # scored here: another's losses prove nothing
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
    """Check that a manifest equals ``draws`` except for a few rows.

    Raises:
        OfferRefused: Too many rows were chosen in another way.
    """
    ours = {d.batch.task: manifest(d.batch) for d in draws}
    for task, rows in receipt.manifest.items():
        if len(set(rows)) < len(rows):
            raise OfferRefused(f"{where}: a sample of {task} was scored twice")
    for overlap in _of_wholes(overlaps(ours, receipt.manifest)):
        if overlap.share < MIN_SHARED:
            raise OfferRefused(
                f"{where}: only {overlap.num_shared} of {overlap.num_ours} samples of "
                f"{overlap.task} are those that its block's hash draws"
            )


def _of_wholes(found: Sequence[Overlap]) -> tuple[Overlap, ...]:
    """Return the overlaps with the parts of a mixture as one: of three rows one may differ."""
    wholes: dict[TaskName, list[Overlap]] = {}
    for overlap in found:
        wholes.setdefault(whole_of(overlap.task), []).append(overlap)
    return tuple(
        Overlap(
            task=task,
            num_ours=sum(part.num_ours for part in parts),
            num_theirs=sum(part.num_theirs for part in parts),
            num_shared=sum(part.num_shared for part in parts),
        )
        for task, parts in wholes.items()
    )
