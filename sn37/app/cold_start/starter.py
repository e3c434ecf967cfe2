"""Start of a validator with an empty state: from the records of others, or from nothing.

It adopts another validator's rounds once it has checked them. If none are valid, it scores the
last rounds again on the samples that others name. Without any, it starts with no rounds, and the
weights on chain stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sn37.app.cold_start.offered_history import (
    HistoryReader,
    OfferedHistory,
    without_contradictions,
)
from sn37.app.cold_start.offered_manifests import ManifestReader, OfferedManifests
from sn37.app.cold_start.paid_entries import left_out, paid_by_consensus
from sn37.app.cold_start.recheck import Rechecker
from sn37.app.cold_start.rejudge import Refolder
from sn37.app.cold_start.resampling import CannotRecheck
from sn37.app.rounds.model_fetch import fetch_model, fetch_step
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import Cautioned, ColdStarted
from sn37.domain.ids import BlockRef, CompetitionId, EntryKey, Hotkey
from sn37.domain.known_facts import known
from sn37.domain.metagraph import Metagraph
from sn37.domain.printable import one_line
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.state import Beginning, ColdStart, RoundResult, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.commitment import CommitmentBook
from sn37.domain.submission.submission import Submission
from sn37.ports.chain import Chain
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    OfferRefused,
    ReceiptsUnavailable,
    ReceiptsUnreachable,
    StoreUnavailable,
    Unavailable,
)
from sn37.ports.model_store import ModelStore
from sn37.ports.receipt_source import ReceiptSource
from sn37.ports.telemetry import EventSink

WHAT = "cold start"  # name for operators
# Number of waits for an outage that prevents the check of rounds or the fetch of a model: 1, 2, 4,
# ... up to 300 s, a quarter of an hour in all. The choice of a start is final.
MAX_WAITS = 10


def is_empty(state: ValidatorState) -> bool:
    """True if no round has been recorded yet."""
    return state.beginning is None and not state.rounds and not state.open_rounds


class Starter:
    """Cold start that runs once, before all actors; does nothing if there is a state already.

    All adopted records are written in one step: a kill before it leaves the state empty, and
    the next start begins again.
    """

    def __init__(
        self,
        *,
        origins: Sequence[ReceiptSource],
        histories: HistoryReader,
        rechecker: Rechecker,
        manifests: ManifestReader,
        refolder: Refolder,
        chain: Chain,
        models: ModelStore,
        keeper: StateKeeper,
        schedule: Schedule,
        hotkey: Hotkey,
        sink: EventSink,
    ) -> None:
        self._origins = origins
        self._histories = histories
        self._rechecker = rechecker
        self._manifests = manifests
        self._refolder = refolder
        self._chain = chain
        self._models = models
        self._keeper = keeper
        self._schedule = schedule
        self._hotkey = hotkey
        self._sink = sink
        self._num_waits = 0
        self._cautioned: set[str] = set()

    async def run(self) -> None:
        """Start, if this validator has not started yet.

        Raises:
            ChainUnavailable, DatasetUnavailable, ReceiptsUnreachable, ScorerUnavailable,
                StoreUnavailable: Try again.
        """
        if not is_empty(self._keeper.state):
            return
        head = await self._chain.head()
        metagraph = await self._chain.metagraph(head)
        book = await self._chain.commitments(head)
        histories, outage = await self._offered(metagraph, book)
        for history in histories:
            if await self._adopt(history, metagraph, book):
                return
        self._wait_for(outage)
        if await self._score_again(metagraph, book):
            return
        is_first = not any(
            n.validator_permit and n.last_update > n.registered_at for n in metagraph.neurons
        )
        way = ColdStart.FIRST if is_first else ColdStart.NOTHING
        await self._keeper.begin(Beginning(way=way, block=head.number))
        self._tell()
        if way is ColdStart.NOTHING and not self._origins:
            self._caution(
                "other validators have already set weights; use their receipts "
                "(--cold-start-from) to agree with them from the first round on"
            )

    async def _offered(
        self, metagraph: Metagraph, book: CommitmentBook
    ) -> tuple[Sequence[OfferedHistory], Unavailable | None]:
        """Return the histories that may be adopted, the largest stake first.

        And the outage of a source that another try may reach.
        """
        found: list[OfferedHistory] = []
        outage: Unavailable | None = None
        for origin in self._origins:
            try:
                found.append(await self._histories.read(origin, metagraph=metagraph, book=book))
            except (OfferRefused, ReceiptsUnavailable) as error:
                self._caution(f"{origin.name} is not used: {error}")
                outage = error if isinstance(error, ReceiptsUnreachable) else outage
        return _by_stake(without_contradictions(found, self._caution), metagraph), outage

    async def _adopt(
        self, history: OfferedHistory, metagraph: Metagraph, book: CommitmentBook
    ) -> bool:
        try:
            paid = await self._require_paid(history, metagraph, book)
            num_receipts = await self._rechecker.check(
                history, head=metagraph.at, hotkey=self._hotkey, paid=paid
            )
            submissions = await self._fetched(history)
        except (OfferRefused, CannotRecheck) as error:
            self._wait_out(error)
            self._caution(f"{history.name} is not used: {error}")
            return False
        await self._keeper.begin(
            Beginning(
                way=ColdStart.RECEIPTS,
                block=metagraph.at.number,
                source=history.validator,
                follows_from=history.follows_from,
            ),
            rounds=history.records,
            submissions=submissions,
        )
        self._tell(num_rounds=len(history.records), num_evaluations=num_receipts)
        self._tell_gap(history.name, history.records, metagraph.at)
        return True

    async def _require_paid(
        self, history: OfferedHistory, metagraph: Metagraph, book: CommitmentBook
    ) -> Collection[Hotkey]:
        """Return the hotkeys that the chain pays; each must have its place in the history.

        The reason why one is left out is not believed: its model is fetched and checked here.

        Raises:
            OfferRefused: An entry is left out, but has an allowed model of its own.
            CannotRecheck: An entry is left out, and its model cannot be fetched now.
        """
        rounds, found = _rounds(history), set[Hotkey]()
        scored = {s.artifact.tensor_digest for s in history.submissions.values() if s.artifact}
        for rules in self._schedule.at(metagraph.at.number):
            paid = paid_by_consensus(book, metagraph, rules.id)
            found.update(commitment.hotkey for commitment in paid)
            missing = left_out(paid, rounds, rules.id, self._schedule.timing)
            for commitment, fault in missing.items():
                who = f"competition {rules.id}: {commitment.hotkey} is paid by the chain, but"
                try:
                    with fetch_step(commitment, rules.constraints):
                        own = await fetch_model(
                            self._models, self._keeper, commitment, rules.constraints
                        )
                except (ModelRejected, ModelNotPublic):
                    continue
                except StoreUnavailable as error:
                    raise CannotRecheck(f"{who} {fault}; {error}", outage=error) from error
                if own.tensor_digest not in scored:
                    raise OfferRefused(f"{who} {fault}")
        return found

    async def _score_again(self, metagraph: Metagraph, book: CommitmentBook) -> bool:
        """Judge the rounds of others again; return whether their samples were sufficient."""
        head, found = metagraph.at.number, list[OfferedManifests]()
        if not self._manifests.is_due(head):
            return False  # there have not been enough rounds
        for origin in self._origins:
            try:
                found.append(await self._manifests.read(origin, metagraph=metagraph))
            except ReceiptsUnavailable:
                continue  # already reported
            except OfferRefused as error:
                self._caution(f"the samples of {origin.name} are not used either: {error}")
        for offered in _by_stake(found, metagraph):
            try:
                folded = await self._refolder.fold(
                    offered,
                    metagraph=metagraph,
                    book=book,
                    waits=self._num_waits < MAX_WAITS,
                    tell=self._caution,
                )
            except (OfferRefused, CannotRecheck) as error:
                self._wait_out(error)
                self._caution(f"the samples of {offered.name} are not used either: {error}")
                continue
            records = folded.records
            await self._keeper.begin(
                Beginning(
                    way=ColdStart.MANIFESTS,
                    block=head,
                    source=offered.validator,
                    num_rounds_rescored=len(records),
                ),
                rounds=records,
                submissions=folded.submissions,
            )
            num_scored = sum(len(r.published.receipts) for r in records)
            self._tell(num_rounds=len(records), num_evaluations=num_scored)
            self._tell_gap(offered.name, records, await self._chain.head())
            return True
        return False

    def _wait_out(self, error: OfferRefused | CannotRecheck) -> None:
        """Retry the start for a while after an outage.

        Raises:
            Unavailable: The outage, while more waits are left.
        """
        self._wait_for(error.outage if isinstance(error, CannotRecheck) else None)

    def _wait_for(self, outage: Unavailable | None) -> None:
        """Retry the start after an outage, if there is one and waits are left.

        Raises:
            Unavailable: The outage.
        """
        if outage is not None:
            self._num_waits += 1
            if self._num_waits <= MAX_WAITS:
                raise outage

    async def _fetched(self, history: OfferedHistory) -> Collection[Submission]:
        """Return the submissions; fetch and check the models that the next rounds will score.

        Raises:
            OfferRefused: A model differs from the offered records.
        """
        rounds = _rounds(history)
        submissions: dict[EntryKey, Submission] = dict(history.submissions)
        for entry in sorted({e.key for held in rounds.values() for e in held[-1].entries}):
            submission = submissions.get(entry)
            if submission is None or submission.retired or submission.artifact is None:
                continue
            commitment = submission.commitment
            newest = rounds[commitment.competition][-1].key
            rules = known(
                self._schedule.competition(newest.competition, newest.sync_block),
                "the history was read by this schedule",
            )
            try:
                own = await fetch_model(self._models, self._keeper, commitment, rules.constraints)
            except (ModelNotPublic, StoreUnavailable):
                continue  # it is fetched when it is scored
            except ModelRejected as error:
                raise OfferRefused(f"{entry.hotkey} was scored, but {error}") from error
            if own.tensor_digest != submission.artifact.tensor_digest:
                raise OfferRefused(f"{entry.hotkey} has other weights than those scored")
            submissions[entry] = replace(submission, artifact=own)
        return submissions.values()

    def _tell(self, *, num_rounds: int = 0, num_evaluations: int = 0) -> None:
        beginning = known(self._keeper.state.beginning, "the beginning was just recorded")
        self._sink.emit(
            ColdStarted(beginning=beginning, num_rounds=num_rounds, num_evaluations=num_evaluations)
        )

    def _tell_gap(self, name: str, records: Sequence[RoundRecord], head: BlockRef) -> None:
        timing = self._schedule.timing
        newest = max(r.result.key.sync_block for r in records)
        missing = (timing.sync_block(head.number) - newest) // timing.cadence
        if missing > 0:
            self._caution(
                f"{name} ends {missing} rounds ago, with the round of block {newest}; the "
                "evidence since then is missing, so crowns may differ for a while"
            )

    def _caution(self, advice: str) -> None:
        """Report the same advice only once, even if the start is tried again."""
        if advice not in self._cautioned:
            self._cautioned.add(advice)
            self._sink.emit(Cautioned(what=WHAT, advice=one_line(advice)))


def _rounds(history: OfferedHistory) -> Mapping[CompetitionId, tuple[RoundResult, ...]]:
    """Return the judged rounds of each competition."""
    found: dict[CompetitionId, tuple[RoundResult, ...]] = {}
    for record in (r for r in history.records if r.result.skipped is None):
        competition = record.result.key.competition
        found[competition] = (*found.get(competition, ()), record.result)
    return found


_Offer = TypeVar("_Offer", OfferedHistory, OfferedManifests)


def _by_stake(found: Iterable[_Offer], metagraph: Metagraph) -> Sequence[_Offer]:
    """Return the offers, the largest stake first."""
    stakes = {n.hotkey: n.stake_rao for n in metagraph.neurons}
    return sorted(found, key=lambda offer: (-stakes.get(offer.validator, 0), offer.validator))
