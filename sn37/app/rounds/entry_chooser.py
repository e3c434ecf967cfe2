"""Choose a round's entries from the chain at its sync block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sn37.app.rounds.contenders import contenders_of
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import step
from sn37.domain.ids import BlockRef, EntryKey, Hotkey, Uid
from sn37.domain.reasons import Reason
from sn37.domain.round.round_entries import EntryPlan, plan_entries
from sn37.domain.round.state import EntryResult
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.submission.eligibility import MAX_MISSED_ROUNDS
from sn37.domain.submission.models import Availability
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.chain import Chain
from sn37.ports.errors import StoreUnavailable
from sn37.ports.model_store import ModelStore
from sn37.ports.state_store import StateStore

log = logging.getLogger(__name__)

MAX_PROBES = 8  # at a time: a round has about 25 entries, and a hub in trouble takes 30 s each


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The entries of a round, and whether their repositories can be read."""

    plan: EntryPlan
    unreadable: frozenset[EntryKey]  # private or missing
    unprobed: frozenset[EntryKey]  # the host did not answer
    uids: Mapping[Hotkey, Uid]  # of all members at the sync block


class EntryChooser:
    """Chooser of entries: reads the chain, and asks the host which repositories can be read."""

    def __init__(
        self,
        *,
        chain: Chain,
        models: ModelStore,
        keeper: StateKeeper,
        store: StateStore,
        schedule: Schedule,
    ) -> None:
        self._chain = chain
        self._models = models
        self._keeper = keeper
        self._store = store
        self._schedule = schedule

    async def choose(self, rules: Competition, sync: BlockRef) -> Choice:
        """Return the entries of the round at ``sync``.

        Repositories are probed one plan after the other: only then is it known which entry takes
        the place of one that cannot be read.
        """
        book = await self._chain.commitments(sync)
        await self._keeper.add_submissions(submissions_of(book))
        metagraph = await self._chain.metagraph(sync)
        history = self._keeper.history(rules.id)
        contention = await contenders_of(
            history,
            competition=rules.id,
            submissions=self._keeper.state.submissions,
            sync=sync,
            book=book,
            metagraph=metagraph,
            store=self._store,
            schedule=self._schedule,
        )
        availability: dict[EntryKey, Availability] = {}
        unprobed: set[EntryKey] = set()
        while True:
            plan = plan_entries(
                submissions=self._keeper.state.submissions.values(),
                competition=rules.id,
                schedule=self._schedule,
                sync_block=sync.number,
                metagraph=metagraph,
                contention=contention,
                history=history,
                hung=self._keeper.hung(),
                availability=availability,
                book=book,
            )
            unknown = _to_probe(plan, self._keeper.state.submissions) - availability.keys()
            if not unknown:
                break
            found = await self._probe(unknown)
            unprobed |= {key for key, answer in found.items() if answer is None}
            # An entry counts as readable if the host does not answer.
            availability |= {key: found[key] or Availability.PUBLIC for key in unknown}
        private = {k for k, a in availability.items() if a is Availability.PRIVATE}
        return Choice(
            plan=replace(plan, listed=(*plan.listed, *_malformed(book))),
            unreadable=frozenset(private),
            unprobed=frozenset(unprobed),
            uids={neuron.hotkey: neuron.uid for neuron in metagraph.neurons},
        )

    async def _probe(self, keys: Collection[EntryKey]) -> Mapping[EntryKey, Availability | None]:
        """Return the availability of each, several at a time; ``None`` without an answer."""
        found: dict[EntryKey, Availability | None] = {}
        places = asyncio.Semaphore(MAX_PROBES)

        async def ask(key: EntryKey) -> None:
            ref = self._keeper.state.submissions[key].commitment.model
            async with places:
                try:
                    with step(f"asking for {ref.repo}"):
                        found[key] = await self._models.availability(ref)
                except StoreUnavailable as error:
                    log.info("availability of %s: %s", ref.repo, error)
                    found[key] = None

        async with asyncio.TaskGroup() as group:
            for key in sorted(keys):
                group.create_task(ask(key))
        return found


def _malformed(book: CommitmentBook) -> tuple[EntryResult, ...]:
    """Return rows for records without a valid competition; each competition lists them."""
    return tuple(
        EntryResult(
            key=EntryKey(record.hotkey, record.block),
            repo="",
            verdict=Verdict.REJECTED,
            reason=Reason.MALFORMED_COMMITMENT,
            detail=f"{record.fault}: {record.detail}",
        )
        for _, record in sorted(book.malformed.items())
    )


def _to_probe(plan: EntryPlan, submissions: Mapping[EntryKey, Submission]) -> set[EntryKey]:
    """Return the entries, those that only lack files, and those whose clock may restart."""
    awaited = (
        e.key
        for e in plan.listed
        if e.reason is Reason.HUB_UNAVAILABLE
        or submissions[e.key].missed_rounds >= MAX_MISSED_ROUNDS
    )
    return {*plan.entries, *awaited}


def submissions_of(book: CommitmentBook) -> tuple[Submission, ...]:
    """Return one submission for each commitment, with what is known when it is first read."""
    return tuple(Submission(commitment=c, clock_block=c.block) for c in book.well_formed.values())
