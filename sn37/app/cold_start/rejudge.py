"""Judging past rounds again: on samples that another validator names, by our own losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from sn37.app.cold_start.offered_manifests import ManifestReader, OfferedManifests
from sn37.app.cold_start.paid_entries import paid_by_consensus
from sn37.app.cold_start.past_round import PastRound, PastRounds
from sn37.app.cold_start.resampling import CannotRecheck
from sn37.app.rounds.contenders import contenders_of
from sn37.app.rounds.model_fetch import fetch_model, fetch_step
from sn37.app.rounds.outcomes import is_our_failure
from sn37.app.rounds.premises import premises_of
from sn37.app.rounds.runner import RoundRunner
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.state_keeper import Change, StateKeeper
from sn37.domain.data.sampling import manifest_digest
from sn37.domain.events import Degraded, Event, SetUpAdvanced
from sn37.domain.ids import Block, EntryKey
from sn37.domain.known_facts import known
from sn37.domain.metagraph import Metagraph
from sn37.domain.records.statement import RoundRecord, SignedRound
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.round_entries import plan_entries
from sn37.domain.round.signers import signers_of
from sn37.domain.round.state import OpenRound, RoundPlan
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import Commitment, CommitmentBook
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    OfferRefused,
    ScorerUnavailable,
    StoreUnavailable,
)
from sn37.ports.model_store import ModelStore
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

MakeRunner = Callable[..., RoundRunner]  # of keeper, store, jobs and sink
OpenScratch = Callable[[], AbstractAsyncContextManager[StateStore]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolded:
    """Rounds judged again, as if this validator had taken part."""

    records: tuple[RoundRecord, ...]
    submissions: Collection[Submission]  # of the scored entries


class Refolder:
    """Runs past rounds like new ones, in a separate state.

    The chain at each sync block decides the entries; our losses and our rule decide the winner.
    So a manifest's signer can only name too few entries. An entry that is missing, and not paid
    yet, enters the following rounds like any newcomer.
    """

    def __init__(
        self,
        *,
        manifests: ManifestReader,
        past: PastRounds,
        models: ModelStore,
        runner: MakeRunner,
        scratch: OpenScratch,
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._manifests = manifests
        self._past = past
        self._models = models
        self._runner = runner
        self._scratch = scratch
        self._schedule = schedule
        self._sink = sink

    async def fold(
        self,
        offered: OfferedManifests,
        *,
        metagraph: Metagraph,
        book: CommitmentBook,
        waits: bool,
        tell: Callable[[str], None],
    ) -> Refolded:
        """Judge the rounds of the manifests, starting without a champion. May take hours.

        Args:
            metagraph: Of this subnet at the newest block, like ``book``.
            waits: Wait for a model that the host does not give now; else leave it out.
            tell: Receives the entries that are left out.

        Raises:
            OfferRefused: Samples were not drawn by the hash, or too few rounds can be scored.
            CannotRecheck: Too few rounds or entries can be scored because of an outage.
            ScorerUnavailable, StoreUnavailable, StateUnavailable: Nothing can be scored now.
        """
        head = metagraph.at.number
        rounds = await self._readable(offered, head)
        async with self._scratch() as store:
            keeper = StateKeeper(store)
            await keeper.load()
            named = self._named(offered, metagraph, book)
            await keeper.add_submissions(
                Submission(commitment=c, clock_block=c.block) for c in named
            )
            await self._bring(keeper, named, head, waits=waits, tell=tell)
            jobs = JobBuilder(self._models, keeper)
            sink = OnlyOutages(self._sink)
            runner = self._runner(
                keeper=keeper, store=store, jobs=jobs, sink=sink, limits_newcomers=False
            )
            records: list[RoundRecord] = []
            for done, past in enumerate(rounds, start=1):
                plan = await self._plan(past, keeper, store)
                if plan.entries:  # earlier, no commitment was old enough
                    await keeper.open_round(plan)
                    await runner.run(plan)
                    records.append(await _record(plan, keeper, store))
                self._tell("past rounds scored again", done, len(rounds))
            self._require_enough(records, head)
            return Refolded(records=tuple(records), submissions=keeper.state.submissions.values())

    async def _readable(self, offered: OfferedManifests, head: Block) -> Sequence[PastRound]:
        """Return the rounds whose rows are all still available."""
        found, gone, outage = list[PastRound](), list[str](), None
        for done, round_ in enumerate(offered.rounds, start=1):
            try:
                found.append(await self._past.read(round_))
            except CannotRecheck as error:
                gone.append(str(error))
                outage = error.outage or outage
            self._tell("samples of past rounds read again", done, len(offered.rounds))
        try:
            self._manifests.require_enough(Counter(r.key.competition for r in found), head, gone)
        except OfferRefused as error:
            if outage is not None:
                raise CannotRecheck(str(error), outage=outage) from error
            raise
        return found

    def _require_enough(self, records: Sequence[RoundRecord], head: Block) -> None:
        judged = Counter(r.result.key.competition for r in records)
        why = ("in the others none of the named entries could take part",)
        self._manifests.require_enough(judged, head, why)

    def _named(
        self, offered: OfferedManifests, metagraph: Metagraph, book: CommitmentBook
    ) -> Sequence[Commitment]:
        """Return the commitments of the named entries, as they are on chain.

        Hotkeys with incentive are added, because they hold a crown or held it recently. So a
        champion that the source does not name is scored anyway.
        """
        most = 1 + MAX_CONTENDERS + self._schedule.max_new_entries  # as a round has at most
        found: list[Commitment] = []
        for rules in self._schedule.at(metagraph.at.number):
            paid = paid_by_consensus(book, metagraph, rules.id)
            keys = [*(commitment.key for commitment in paid), *offered.names(rules.id)]
            for key in list(dict.fromkeys(keys))[:most]:
                commitment = book.well_formed.get(key.hotkey)
                # Otherwise it was replaced, never made, or made for another competition.
                if commitment and commitment.key == key and commitment.competition == rules.id:
                    found.append(commitment)
        return found

    async def _bring(
        self,
        keeper: StateKeeper,
        named: Sequence[Commitment],
        head: Block,
        *,
        waits: bool,
        tell: Callable[[str], None],
    ) -> None:
        """Fetch the models. An entry without an allowed model cannot take part.

        An entry that is left out misses all of these rounds, so an outage is waited for first.
        """
        changes: dict[EntryKey, Change] = {}
        problems, outage, num_here = list[str](), None, 0
        for done, commitment in enumerate(named, start=1):
            rules = known(
                self._schedule.competition(commitment.competition, head),
                "it was named for a competition that runs",
            )
            try:
                with fetch_step(commitment, rules.constraints):
                    artifact = await fetch_model(
                        self._models, keeper, commitment, rules.constraints
                    )
            except ModelRejected as error:
                changes[commitment.key] = _with(rejection=error.reason, detail=str(error))
                problems.append(f"{commitment.hotkey} is left out: {error}")
            except (ModelNotPublic, StoreUnavailable) as error:
                outage = error if isinstance(error, StoreUnavailable) else outage
                problems.append(f"{commitment.hotkey} is left out: {error}")
            else:
                changes[commitment.key] = _with(artifact=artifact)
                num_here += 1
            self._tell("models of past rounds fetched", done, len(named))
        if not num_here and outage is not None:
            raise outage  # an outage of the host, which will end
        if waits and outage is not None:
            raise CannotRecheck(f"a model is missing: {outage}", outage=outage)
        if not num_here:
            raise OfferRefused(
                problems[-1] if problems else "none of its entries is on chain any more"
            )
        for problem in problems:
            tell(problem)
        await keeper.change_submissions(changes)

    async def _plan(self, past: PastRound, keeper: StateKeeper, store: StateStore) -> RoundPlan:
        """Return the round as the chain at its sync block fixes it, among the named entries."""
        competition = past.rules.id
        history, submissions = keeper.history(competition), keeper.state.submissions
        chosen = plan_entries(
            submissions=submissions.values(),
            competition=competition,
            schedule=self._schedule,
            sync_block=past.sync.number,
            metagraph=past.metagraph,
            contention=await contenders_of(
                history,
                competition=competition,
                submissions=submissions,
                sync=past.sync,
                book=past.book,
                metagraph=past.metagraph,
                store=store,
                schedule=self._schedule,
            ),
            history=history,
            book=past.book,
        )
        return RoundPlan(
            key=past.key,
            sync=past.sync,
            champion=chosen.champion,
            entries=chosen.entries,
            draws=past.draws,
            manifest_digest=manifest_digest(d.batch for d in past.draws),
            listed=chosen.listed,
            unprobed=frozenset(chosen.entries),  # the host was not asked at that time
            signers=signers_of(d.batch for d in past.draws),
            premises=premises_of(
                chosen,
                sync_block=past.sync.number,
                history=history,
                submissions=submissions,
            ),
        )

    def _tell(self, what: str, done: int, total: int) -> None:
        self._sink.emit(SetUpAdvanced(what=what, done=done, total=total))


async def _record(plan: RoundPlan, keeper: StateKeeper, store: StateStore) -> RoundRecord:
    """Return the round that was just finished, with its records.

    Raises:
        ScorerUnavailable: This machine could score no entry; a retry is possible.
    """
    opened = known(await store.recorded(plan.key), "the round is finished")
    statement = known(await store.statement(plan.key), "a finished round has a statement")
    _require_no_outage(opened)
    result = next(r for r in keeper.state.rounds[plan.key.competition] if r.key == plan.key)
    return RoundRecord(
        opened=replace(opened, plan=plan),
        result=result,
        published=SignedRound(
            key=plan.key, statement=statement, receipts=await store.receipts(plan.key)
        ),
    )


def _require_no_outage(opened: OpenRound) -> None:
    outcomes, block = opened.outcomes.values(), opened.plan.key.sync_block
    ours = [o.detail for o in outcomes if is_our_failure(o)]
    if ours and not any(o.verdict is Verdict.SCORED for o in outcomes):
        raise ScorerUnavailable(
            f"no entry could be scored in the past round of block {block}: {ours[0]}"
        )


def _with(**values: object) -> Change:
    def change(submission: Submission) -> Submission:
        return replace(submission, **values)  # type: ignore[arg-type]

    return change


class OnlyOutages:
    """Event sink that passes on only failures, for rounds that are long past."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def emit(self, event: Event) -> None:
        if isinstance(event, Degraded):
            self._sink.emit(event)
