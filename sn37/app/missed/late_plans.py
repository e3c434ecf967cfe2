"""Plan of a missed round: its samples, and the entries to score on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sn37.app.missed.samples import MissedSamples, NamedSamples
from sn37.app.rounds.contenders import contenders_of
from sn37.app.rounds.model_fetch import fetch_model, fetch_step
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.data.sampling import manifest_digest
from sn37.domain.ids import CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.round.missed import allowed, old_enough
from sn37.domain.round.signers import signers_of
from sn37.domain.round.state import Premises, RoundPlan
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.ports.chain import Chain
from sn37.ports.errors import ModelNotPublic, ModelRejected
from sn37.ports.model_store import ModelStore
from sn37.ports.receipt_source import ReceiptSource
from sn37.ports.state_store import StateStore

PAIR = 2  # evidence is between two entries


@dataclass(frozen=True, slots=True, kw_only=True)
class LatePlan:
    """A missed round that can be scored now."""

    plan: RoundPlan
    source: Hotkey  # signer of the manifest that names its samples


class LatePlanner:
    """Planner of missed rounds for the entries whose evidence still matters.

    These are the champion and the contenders of the next round, as far as they could take part in
    the missed one. Newcomers of that time are scored in live rounds instead, because a challenge
    begins only there.
    """

    def __init__(
        self,
        *,
        samples: MissedSamples,
        chain: Chain,
        models: ModelStore,
        keeper: StateKeeper,
        store: StateStore,
        schedule: Schedule,
    ) -> None:
        self._samples = samples
        self._chain = chain
        self._models = models
        self._keeper = keeper
        self._store = store
        self._schedule = schedule

    @property
    def is_possible(self) -> bool:
        """True if a place is configured where others publish."""
        return self._samples.is_possible

    async def offers(self, tell: Callable[[str], None]) -> Mapping[RoundKey, list[ReceiptSource]]:
        """See ``MissedSamples``."""
        return await self._samples.offers(tell)

    async def plan(
        self,
        key: RoundKey,
        sources: Sequence[ReceiptSource],
        *,
        tell: Callable[[str], None],
    ) -> LatePlan | None:
        """Return the round's plan; ``None`` if fewer than two entries can be scored on it.

        Args:
            tell: Receives the obstacles.

        Raises:
            ChainUnavailable, StoreUnavailable: Try again.
        """
        head = await self._chain.head()
        metagraph, book = await self._chain.metagraph(head), await self._chain.commitments(head)
        entries = old_enough(
            await self._heard(key.competition, metagraph, book),
            self._keeper.state.submissions,
            sync_block=key.sync_block,
            schedule=self._schedule,
        )
        if len(entries) < PAIR:
            return None  # no verdict would use it
        named = await self._samples.read(key, sources, metagraph=metagraph, tell=tell)
        if named is None:
            return None
        entries = allowed(
            entries,
            self._keeper.state.submissions,
            sync_block=key.sync_block,
            schedule=self._schedule,
            metagraph=named.past.metagraph,
        )
        entries = tuple([e for e in entries if await self._is_here(e, named, tell)])
        if len(entries) < PAIR:
            return None
        return LatePlan(plan=_plan(named, entries), source=named.source)

    async def _heard(
        self, competition: CompetitionId, metagraph: Metagraph, book: CommitmentBook
    ) -> Sequence[EntryKey]:
        """Return the champion and contenders that the next round would have now."""
        contention = await contenders_of(
            self._keeper.history(competition),
            competition=competition,
            submissions=self._keeper.state.submissions,
            sync=metagraph.at,
            book=book,
            metagraph=metagraph,
            store=self._store,
            schedule=self._schedule,
        )
        former = () if contention.former is None else (contention.former,)
        return tuple(dict.fromkeys((*former, *contention.contenders)))

    async def _is_here(
        self, entry: EntryKey, named: NamedSamples, tell: Callable[[str], None]
    ) -> bool:
        """True if the model that was scored before is on disk or can be fetched again.

        Raises:
            StoreUnavailable: The host does not answer; no entry is left out for that.
        """
        submission, limits = self._keeper.state.submissions[entry], named.past.rules.constraints
        try:
            with fetch_step(submission.commitment, limits):
                found = await fetch_model(self._models, self._keeper, submission.commitment, limits)
        except (ModelRejected, ModelNotPublic) as error:
            tell(f"{entry.hotkey} is left out: {error}")
            return False
        known = submission.artifact
        return known is not None and found.tensor_digest == known.tensor_digest


def _plan(named: NamedSamples, entries: tuple[EntryKey, ...]) -> RoundPlan:
    past = named.past
    return RoundPlan(
        key=past.key,
        sync=past.sync,
        champion=None,  # a round without a verdict needs none
        entries=entries,
        draws=past.draws,
        manifest_digest=manifest_digest(d.batch for d in past.draws),
        unprobed=frozenset(entries),  # the host was not asked at that time
        signers=signers_of(d.batch for d in past.draws),
        premises=Premises(),
    )
