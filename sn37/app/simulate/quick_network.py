"""``Network`` for thousands of rounds: the same plans, verdicts and changes, from running sums.

Entries are planned by ``contention_of`` and ``plan_entries``, judged by the winner rule and changed
by ``changes_after``, as in a validator. Only the losses are numpy arrays, added up by a ``Tally``,
and losses that the rules do not need any more are forgotten. It has one task.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sn37.app.rounds.conclusion import contestants_of, crown_of
from sn37.app.rounds.outcomes import changes_after
from sn37.app.rounds.past_evidence import NO_EVIDENCE
from sn37.app.simulate.losses import Array
from sn37.app.simulate.members import ONE, TEXT, members
from sn37.app.simulate.network import CADENCE, Network
from sn37.app.simulate.tallies import Indices, Rows, Tally, stopped_after
from sn37.domain.ids import Block, BlockRef, EntryKey, Hotkey, RoundKey
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.round.contention import Candidates, contention_of
from sn37.domain.round.defences import missed_after
from sn37.domain.round.history import had_a_place, history_of
from sn37.domain.round.round_entries import Contention, current_submissions
from sn37.domain.round.signers import Origin
from sn37.domain.round.state import (
    EntryOutcome,
    EntryResult,
    History,
    OpenRound,
    RoundPlan,
    RoundResult,
)
from sn37.domain.round.winner import Decision, KingOfTheHill
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Submission, Verdict

Drawn = Callable[[Sequence[EntryKey]], Mapping[EntryKey, Array]]  # losses of a round's entries


@dataclass(slots=True, kw_only=True)
class QuickNetwork(Network):
    """State of one validator.

    Only ``registered`` hotkeys are members of the subnet. ``signers`` sign the task's rows.
    """

    signers: tuple[str | None, ...] = (None,)
    registered: set[Hotkey] = field(default_factory=set)
    tally: Tally = field(init=False)
    _known: History = field(init=False, default_factory=History)

    def __post_init__(self) -> None:
        Network.__post_init__(self)
        origins = tuple(Origin(TEXT, Hotkey(s) if s else None) for s in self.signers)
        self.tally = Tally(self.epsilon.end, rows=Rows(signers=origins))

    @property
    def history(self) -> History:
        return self._known

    def play_drawn(
        self,
        sync: Block,
        drawn: Drawn,
        *,
        private: Collection[EntryKey] = (),
        signers: Indices | None = None,
    ) -> EntryKey | None:
        """Play one round; return the champion. ``signers`` has the index of each row's signer."""
        history = self._known
        chosen = self._choose(history, sync, private)
        plan = self._plan(chosen, history, sync, private, None)
        outcomes = self._score_drawn(plan, drawn(plan.entries), signers)
        decision = self._decide(plan, outcomes)
        if decision.champion is not None:
            self._retire(plan, outcomes, decision.champion)
        for key, change in changes_after(plan, outcomes, beaten=decision.beaten).items():
            self.submissions[key] = change(self.submissions[key])
        result = RoundResult(
            key=plan.key,
            sync=plan.sync,
            champion=decision.champion,
            entries=tuple(_row(o) for o in outcomes.values()),
            is_shielded=decision.is_shielded,
            clocks=plan.premises.clocks if plan.premises else (),
            missed_defences=missed_after(
                OpenRound(plan=plan, outcomes=outcomes), decision.champion
            ),
        )
        self._known = history_of([result], history)
        self.rounds = [*self.rounds[1 - WINDOW_ROUNDS :], result]
        self.entries = plan.entries
        if len(self._known.entered) > 2 * len(self.registered) or sync % (10 * CADENCE) == 0:
            self._forget(sync)
        return decision.champion

    def miss(self, sync: Block, drawn: Drawn | None) -> None:
        """Miss a round, which is not judged.

        With ``drawn`` it is scored later, before the next round, for the entries that were scored
        before and still matter.
        """
        history = self._known
        if drawn is not None:
            chosen = self._choose(history, sync, ())
            again = [e for e in chosen.entries if history.is_scored(self.submissions[e])]
            rows = self.tally.rows
            for key, values in drawn(again).items():
                rows.origins[sync] = np.zeros(len(values), np.intp)
                rows.losses[key][sync] = values.astype(np.float32).astype(np.float64)
        result = RoundResult(
            key=RoundKey(ONE, sync),
            sync=BlockRef(sync, f"0x{sync:064x}"),
            skipped=Reason.DATA_UNAVAILABLE,
        )
        self._known = history_of([result], history)
        self.rounds = [*self.rounds[1 - WINDOW_ROUNDS :], result]

    def _members(self, sync: Block) -> Metagraph:
        return members(sync, self.registered)

    def _contend(self, found: Candidates) -> Contention:
        return contention_of(found, {}, self.tally)

    def _score_drawn(
        self, plan: RoundPlan, losses: Mapping[EntryKey, Array], signers: Indices | None
    ) -> dict[EntryKey, EntryOutcome]:
        sync, rows = plan.key.sync_block, self.tally.rows
        outcomes = dict[EntryKey, EntryOutcome]()
        reference, best = plan.champion, np.zeros(0)
        for entry in plan.entries:
            values = losses[entry].astype(np.float32).astype(np.float64)
            stop = None
            if reference in (None, entry):
                reference, best = entry, values
                unsigned = np.zeros(len(values), np.intp)
                rows.origins[sync] = unsigned if signers is None else signers
            elif not self._known.is_scored(self.submissions[entry]):
                stop = stopped_after(
                    best, values, rows.origins[sync], rows.signers, self.epsilon.end
                )
            rows.losses.setdefault(entry, {})[sync] = values[:stop]
            reason = None if stop is None else Reason.RACED_OUT
            outcomes[entry] = EntryOutcome(key=entry, verdict=Verdict.SCORED, reason=reason)
        return outcomes

    def _decide(self, plan: RoundPlan, outcomes: Mapping[EntryKey, EntryOutcome]) -> Decision:
        return KingOfTheHill(lambda _end, _origins: self.tally).decide(
            crown=crown_of(plan, NO_EVIDENCE),
            contestants=contestants_of(
                OpenRound(plan=plan, outcomes=outcomes),
                {key: {} for key in outcomes},
                NO_EVIDENCE,
                self.submissions,
            ),
            at=plan.key.sync_block,
            epsilon=self.epsilon,
            origins={},
        )

    def _retire(
        self, plan: RoundPlan, outcomes: dict[EntryKey, EntryOutcome], champion: EntryKey
    ) -> None:
        for entry, outcome in outcomes.items():
            clock = plan.premises.clock_of(entry) if plan.premises else entry.block
            if entry != champion and self.tally.is_hopeless(champion, entry, clock):
                outcomes[entry] = replace(outcome, reason=Reason.RACED_OUT)

    def _forget(self, sync: Block) -> None:
        """Forget what no rule needs again: replaced entries that may not stay, and their losses."""
        known, former = self._known, self._known.former
        newest = {s.commitment.hotkey: s.commitment.key for s in self._current(sync)}
        gone = {
            key
            for key, submission in self.submissions.items()
            if key != former
            and (
                key.hotkey not in self.registered
                or (
                    key != newest.get(key.hotkey, key)
                    and (submission.retired or not had_a_place(known, key))
                )
            )
        }
        for key in gone:
            del self.submissions[key]
            self.tally.rows.losses.pop(key, None)
        for key, submission in self.submissions.items():
            if submission.retired and key != former:
                self.tally.rows.losses.pop(key, None)
        self.tally.keep([former] if former else [], self.tally.rows.losses)
        self._known = _without(known, gone, newest)

    def _current(self, sync: Block) -> Sequence[Submission]:
        return current_submissions(self.submissions.values(), Block(sync + CADENCE))


def _without(
    known: History, gone: Collection[EntryKey], newest: Mapping[Hotkey, EntryKey]
) -> History:
    """Return the history without entries whose hotkeys have begun a later challenge."""

    def is_needed(key: EntryKey) -> bool:
        return key not in gone or newest.get(key.hotkey, key) not in known.entered

    kept = {key for key in known.entered if is_needed(key)}
    return replace(
        known,
        entered={key: block for key, block in known.entered.items() if key in kept},
        scored=known.scored & kept,
        last_tried={key: block for key, block in known.last_tried.items() if key in kept},
        clocks={key: block for key, block in known.clocks.items() if key in kept},
        crowned=known.crowned[-1:],
    )


def _row(outcome: EntryOutcome) -> EntryResult:
    return EntryResult(key=outcome.key, repo="", verdict=outcome.verdict, reason=outcome.reason)
