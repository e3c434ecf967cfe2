"""Inputs for scoring a past round again: its rows, and the chain at its sync block."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sn37.app.cold_start.offered_round import OfferedManifest
from sn37.app.cold_start.resampling import CannotRecheck, Resampled, Resampler, require_drawn
from sn37.app.replay.rescore import MissingSamples, batches_of
from sn37.app.supervision.deadlines import step
from sn37.domain.ids import BlockRef, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.state import TaskDraw
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.commitment import CommitmentBook
from sn37.ports.chain import Chain
from sn37.ports.errors import ChainUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRound:
    """Inputs of a round except for its entries."""

    key: RoundKey
    sync: BlockRef
    rules: Competition
    draws: tuple[TaskDraw, ...]  # with the rows of another validator's manifest
    metagraph: Metagraph
    book: CommitmentBook


class PastRounds:
    """Reader of the samples and the chain for rounds with an offered manifest."""

    def __init__(self, *, resampler: Resampler, chain: Chain) -> None:
        self._resampler = resampler
        self._chain = chain

    async def read(self, offered: OfferedManifest) -> PastRound:
        """Return the round of a manifest, if the sync block's hash draws all but a few of its rows.

        Raises:
            OfferRefused: Its rows were chosen in another way.
            CannotRecheck: A row is gone or has changed, or the chain no longer has the members
                at that block.
        """
        key, rules = offered.statement.key, offered.rules
        where = str(key)
        resampled = await self._resampler.read(offered.receipt, rules)
        require_drawn(offered.receipt, resampled.draws, where)
        try:
            draws = _with_rows(offered, resampled)
            sync = offered.statement.sync  # already compared with the chain
            with step(f"reading the members at block {sync.number}"):
                metagraph = await self._chain.metagraph(sync)
                book = await self._chain.commitments(sync)
        except MissingSamples as error:
            raise CannotRecheck(f"{where}: {error}") from error
        except ChainUnavailable as error:
            raise CannotRecheck(f"{where}: {error}", outage=error) from error
        return PastRound(
            key=key, sync=sync, rules=rules, draws=draws, metagraph=metagraph, book=book
        )


def _with_rows(offered: OfferedManifest, resampled: Resampled) -> tuple[TaskDraw, ...]:
    """Return draws from the pools as read now, with exactly the manifest's rows.

    Raises:
        MissingSamples: Some of the rows are missing.
    """
    batches = batches_of(offered.receipt, offered.rules, resampled.rows)
    return tuple(
        replace(draw, batch=batch) for draw, batch in zip(resampled.draws, batches, strict=True)
    )
