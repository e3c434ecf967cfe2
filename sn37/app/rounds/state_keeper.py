"""Only owner of the validator's state, which consists of frozen values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.records.history_pruning import forgotten_of
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.history import abridged, history_of
from sn37.domain.round.newcomers import newest_times
from sn37.domain.round.state import (
    NO_HISTORY,
    Beginning,
    EntryOutcome,
    History,
    OpenRound,
    RoundPlan,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.state_store import StateStore

THEN = " then "  # between an entry's old and new environment values

Change = Callable[[Submission], Submission]


class StateKeeper:
    """Holds the newest state and writes every change through to the store.

    A change is made in memory at once and then written. So two actors that change one submission
    never overwrite each other, and work that a crash loses is done again.

    In memory are the last ``WINDOW_ROUNDS`` rounds of each competition, older rounds abridged,
    only a summary of forgotten rounds, and as many rows of weights. So a validator that runs for
    months does not grow. The store has all of them.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._state = ValidatorState()
        self._histories: dict[CompetitionId, tuple[tuple[RoundResult, ...], History]] = {}

    @property
    def state(self) -> ValidatorState:
        return self._state

    async def load(self) -> None:
        """Read the recorded state; call this first."""
        state = await self._store.load()
        rounds = {
            c: (*map(abridged, held[:-WINDOW_ROUNDS]), *held[-WINDOW_ROUNDS:])
            for c, held in state.rounds.items()
        }
        self._state = replace(state, rounds=rounds, weights=state.weights[-WINDOW_ROUNDS:])
        for gone in forgotten_of(state):
            self._let_go(gone.competition, gone.newest)

    def hung(self) -> frozenset[Hotkey]:
        """Return the hotkeys whose last entry, in any competition, timed out."""
        known = {*self._state.rounds, *self._state.past}
        return frozenset().union(*(self.history(competition).hung for competition in known))

    def history(self, competition: CompetitionId) -> History:
        """Return the history of a competition, computed again after each new round."""
        rounds = self._state.rounds.get(competition, ())
        known = self._histories.get(competition)
        if known is None or known[0] is not rounds:
            past = self._state.past.get(competition, NO_HISTORY)
            known = self._histories[competition] = (rounds, history_of(rounds, past))
        return known[1]

    async def add_submissions(self, new: Iterable[Submission]) -> tuple[Submission, ...]:
        """Record submissions that are not known yet; return them."""
        known = self._state.submissions
        fresh = {s.commitment.key: s for s in new if s.commitment.key not in known}
        if fresh:
            self._replace_submissions(fresh)
            await self._store.save_submissions(fresh.values())
        return tuple(fresh.values())

    async def change_submissions(self, changes: Mapping[EntryKey, Change]) -> None:
        """Apply each change to the newest version of its submission, in one step."""
        changed = self._apply(changes)
        if changed:
            await self._store.save_submissions(changed)

    async def open_round(self, plan: RoundPlan) -> None:
        """Record a round's plan. From then on it is scored, also after a restart."""
        rounds = {**self._state.open_rounds, plan.key: OpenRound(plan=plan)}
        self._state = replace(self._state, open_rounds=rounds)
        await self._store.open_round(plan)

    async def screen_round(self, plan: RoundPlan) -> None:
        """Record the rows that a round is scored on, before any entry is scored."""
        self._replace_open(replace(self._state.open_rounds[plan.key], plan=plan))
        await self._store.screen_round(plan)

    async def append(self, round_: RoundKey, entry: EntryKey, losses: BlockLosses) -> None:
        """Journal one block of losses."""
        opened = self._state.open_rounds[round_]
        journal = {**opened.journal, entry: (*opened.journal.get(entry, ()), losses)}
        self._replace_open(replace(opened, journal=journal))
        await self._store.append(round_, entry, losses)

    async def record_environment(
        self, round_: RoundKey, entry: EntryKey, environment: Mapping[str, str]
    ) -> None:
        """Record an entry's environment, with the earlier values where they have changed."""
        opened = self._state.open_rounds[round_]
        before = opened.environments.get(entry, {})
        values = {name: _with_earlier(before.get(name), text) for name, text in environment.items()}
        self._replace_open(replace(opened, environments={**opened.environments, entry: values}))
        await self._store.record_environment(round_, entry, values)

    async def finish_entry(
        self, round_: RoundKey, outcome: EntryOutcome, receipt: SignedReceipt | None
    ) -> None:
        """Record how an entry's evaluation ended. Losses of a failed entry are deleted."""
        opened = self._state.open_rounds[round_]
        is_kept = outcome.verdict is Verdict.SCORED
        journal = {k: b for k, b in opened.journal.items() if is_kept or k != outcome.key}
        outcomes = {**opened.outcomes, outcome.key: outcome}
        self._replace_open(replace(opened, journal=journal, outcomes=outcomes))
        await self._store.finish_entry(round_, outcome, receipt)

    async def record_opinion(
        self, round_: RoundKey, opinion: Opinion, receipt: SignedReceipt
    ) -> None:
        """Record a second opinion with the entry's receipt, which now includes it."""
        opened = self._state.open_rounds[round_]
        self._replace_open(replace(opened, opinions={**opened.opinions, opinion.key: opinion}))
        await self._store.record_opinion(round_, opinion, receipt)

    async def finish_round(
        self,
        result: RoundResult,
        changes: Mapping[EntryKey, Change] | None = None,
        state_round: Callable[[ValidatorState], SignedReceipt] | None = None,
    ) -> None:
        """Record a finished round together with the submissions it changed.

        ``state_round`` makes the round's statement from the state with these changes.
        """
        changed = self._apply(changes or {})
        statement = state_round(self._state) if state_round is not None else None
        state = self._state
        open_rounds = {k: r for k, r in state.open_rounds.items() if k != result.key}
        self._state = replace(state, open_rounds=open_rounds)
        self._insert(result)
        await self._store.finish_round(result, changed, statement)

    async def record_later(self, record: RoundRecord) -> None:
        """Record a missed round that was scored later.

        Raises:
            ValueError: A round of its competition is open, and must not depend on it.
        """
        result, competition = record.result, record.result.key.competition
        if any(key.competition == competition for key in self._state.open_rounds):
            raise ValueError(f"{result.key}: a round of competition {competition} is open")
        self._insert(result)
        await self._store.record_later(record)

    async def record_newcomers_s(self, round_: RoundKey, seconds: float) -> None:
        """Record how many seconds the entries with limited time took in a round."""
        taken = {**self._state.newcomers_s, round_: seconds}
        self._state = replace(self._state, newcomers_s=newest_times(taken))
        await self._store.record_newcomers_s(round_, seconds)

    async def forget(
        self,
        competition: CompetitionId,
        *,
        before: Block,
        keep: Collection[EntryKey],
        at: datetime,
    ) -> Block | None:
        """Prune the oldest round that is not pruned yet; see ``StateStore.forget``."""
        found = await self._store.forget(competition, before=before, keep=keep, at=at)
        if found is not None:
            self._let_go(competition, found)
        return found

    async def begin(
        self,
        beginning: Beginning,
        *,
        rounds: Sequence[RoundRecord] = (),
        submissions: Collection[Submission] = (),
    ) -> None:
        """Record how an empty state begins, with the rounds and submissions taken over."""
        await self._store.begin(beginning, rounds=rounds, submissions=submissions)
        await self.load()

    async def record_weights(self, record: WeightsRecord) -> None:
        """Record weights that will be sent, or that the chain has accepted."""
        older = tuple(w for w in self._state.weights if w.sync_block != record.sync_block)
        newest = tuple(sorted((*older, record), key=lambda w: w.sync_block))
        self._state = replace(self._state, weights=newest[-WINDOW_ROUNDS:])
        await self._store.record_weights(record)

    def _insert(self, result: RoundResult) -> None:
        """Hold one more round, or replace the held one with the same key."""
        competition = result.key.competition
        others = (r for r in self._state.rounds.get(competition, ()) if r.key != result.key)
        # A round that was sat out ends before one that takes longer than the cadence.
        held = sorted((*others, result), key=lambda r: r.key)
        if len(held) > WINDOW_ROUNDS:
            held[-WINDOW_ROUNDS - 1] = abridged(held[-WINDOW_ROUNDS - 1])
        rounds = {**self._state.rounds, competition: tuple(held)}
        self._state = replace(self._state, rounds=rounds)

    def _let_go(self, competition: CompetitionId, newest: Block) -> None:
        """Replace the rounds up to ``newest`` by their summary, but never the last ones."""
        held = self._state.rounds[competition]
        gone = [r for r in held[:-WINDOW_ROUNDS] if r.key.sync_block <= newest]
        if gone:
            past = history_of(gone, self._state.past.get(competition, NO_HISTORY))
            self._state = replace(
                self._state,
                rounds={**self._state.rounds, competition: held[len(gone) :]},
                past={**self._state.past, competition: past},
            )

    def _apply(self, changes: Mapping[EntryKey, Change]) -> Collection[Submission]:
        old = self._state.submissions
        changed = {k: new for k, change in changes.items() if (new := change(old[k])) != old[k]}
        if changed:
            self._replace_submissions(changed)
        return changed.values()

    def _replace_submissions(self, changed: Mapping[EntryKey, Submission]) -> None:
        merged = {**self._state.submissions, **changed}
        self._state = replace(self._state, submissions=merged)

    def _replace_open(self, opened: OpenRound) -> None:
        rounds = {**self._state.open_rounds, opened.plan.key: opened}
        self._state = replace(self._state, open_rounds=rounds)


def _with_earlier(before: str | None, now: str) -> str:
    """Return both values, or only the earlier text if its newest value is the current one."""
    if before is None:
        return now
    return before if before.rpartition(THEN)[2] == now else f"{before}{THEN}{now}"
