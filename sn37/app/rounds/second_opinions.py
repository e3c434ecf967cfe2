"""Second opinions on the entries that would take the crown, before it passes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from sn37.app.receipts.signing import ReceiptWriter
from sn37.app.receipts.statements import VERSION, version_of
from sn37.app.rounds.conclusion import Conclusion, conclude
from sn37.app.rounds.model_fetch import fetch_step
from sn37.app.rounds.outcomes import dependency_of
from sn37.app.rounds.past_evidence import PastEvidence
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.supervision.deadlines import BUSY_S, step
from sn37.domain.events import Degraded, SecondOpinionGiven
from sn37.domain.ids import Block, EntryKey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, OpenRound, RoundPlan
from sn37.domain.round.winner import WinnerRule
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.choices import choice_tasks
from sn37.domain.scoring.deadlines import WALL_FACTOR
from sn37.domain.scoring.opinion import (
    Opinion,
    View,
    compared,
    drawn_samples,
    is_of_same_kind,
    judge,
    scored_sizes,
    second_job,
)
from sn37.domain.scoring.worst_loss import bounded, worst_losses
from sn37.domain.submission.submission import Verdict
from sn37.ports.clock import Clock
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    ScorerUnavailable,
    StoreUnavailable,
    Unavailable,
)
from sn37.ports.scorer import Scorer
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink

ATTEMPTS = 3  # per entry, when the device or worker fails
PAUSE_S = 5.0
SHORT = frozenset({Reason.TIMEOUT, Reason.MEMORY})


class SecondOpinions:
    """Concludes a round, and checks the entry that would hold the crown after it.

    Each opinion is recorded before the next one is computed, so a validator that is killed
    continues where it was. The result is a function of the records, see ``conclude``.
    """

    def __init__(
        self,
        *,
        keeper: StateKeeper,
        store: StateStore,
        scorer: Scorer,
        jobs: JobBuilder,
        receipts: ReceiptWriter,
        rule: WinnerRule,
        clock: Clock,
        sink: EventSink,
    ) -> None:
        self._keeper = keeper
        self._store = store
        self._scorer = scorer
        self._jobs = jobs
        self._receipts = receipts
        self._rule = rule
        self._clock = clock
        self._sink = sink

    async def conclude(self, plan: RoundPlan, rules: Competition, past: PastEvidence) -> Conclusion:
        """Return the conclusion, in which the crown's holder agrees with its second losses.

        Computes at most one opinion per entry.
        """
        while True:
            conclusion = await asyncio.to_thread(  # seconds where many leaders have no place
                conclude,
                self._opened(plan),
                rules=rules,
                past=past,
                submissions=self._keeper.state.submissions,
                rule=self._rule,
            )
            first = conclusion.result.champion
            if first is None or not await self._is_due(plan, rules, first):
                return conclusion
            opinion = await self._ask(plan, rules, first)
            await self._record(plan, opinion)

    async def _is_due(self, plan: RoundPlan, rules: Competition, first: EntryKey) -> bool:
        opened = self._opened(plan)
        outcome = opened.outcomes.get(first)
        if outcome is None or outcome.verdict is not Verdict.SCORED or first in opened.opinions:
            return False
        if version_of(opened, {task.name: task.method for task in rules.tasks}) < VERSION:
            return False  # opened by an older version, whose rules still apply
        return first != plan.champion or not await self._is_checked(opened, first)

    async def _is_checked(self, opened: OpenRound, champion: EntryKey) -> bool:
        """True if this validator has compared the champion's losses in this environment."""
        now = opened.environments.get(champion, {})
        began = self._keeper.state.beginning
        since = Block(0)  # rounds that were adopted were checked by another validator
        if began is not None and began.way is ColdStart.RECEIPTS:
            since = began.block
        return any(
            opinion.view is View.AGREES and is_of_same_kind(opinion.environment, now)
            for block, opinion in (await self._store.opinions(champion)).items()
            if block >= since
        )

    async def _ask(self, plan: RoundPlan, rules: Competition, key: EntryKey) -> Opinion:
        """Return the second implementation's opinion; retry a few times after our own failures."""
        environment = self._opened(plan).environments.get(key, {})
        for attempt in range(1, ATTEMPTS + 1):
            try:
                within_s = WALL_FACTOR * rules.timeout_s + BUSY_S  # the scorer ends it earlier
                with step(f"a second opinion of {key.hotkey}", within_s=within_s):
                    return await self._compare(plan, rules, key)
            except ModelRejected as error:
                detail = f"the second implementation: {error.reason.value}: {error}"
                # It needs more time and memory than ours. A lack of these removes no champion.
                is_short = _holds_the_crown(key, plan) and error.reason in SHORT
                view = View.UNAVAILABLE if is_short else View.DIFFERS
                return Opinion(key=key, view=view, detail=detail, environment=environment)
            except (ScorerUnavailable, StoreUnavailable, ModelNotPublic) as error:
                self._sink.emit(
                    Degraded(what=dependency_of(error), error=str(error), retry_in_s=PAUSE_S)
                )
                failure: Unavailable = error
                if attempt < ATTEMPTS:
                    await self._clock.sleep(PAUSE_S)
        return Opinion(
            key=key,
            view=View.UNAVAILABLE,
            detail=f"no second opinion is available: {failure}",
            environment=environment,
        )

    async def _compare(self, plan: RoundPlan, rules: Competition, key: EntryKey) -> Opinion:
        commitment = self._keeper.state.submissions[key].commitment
        with fetch_step(commitment, rules.constraints):
            job = await self._jobs.build(plan, rules, commitment)
        ours = self._opened(plan).journal[key]
        generated = rules.answer_budgets.keys()
        chosen = drawn_samples(scored_sizes(ours), plan.manifest_digest, generated=generated)
        async with aclosing(self._scorer.score(second_job(job, chosen))) as stream:
            theirs = [bounded(losses, rules) async for losses in stream]
        environment = self._opened(plan).environments.get(key, {})
        pairs = compared(chosen, ours, theirs)
        return judge(
            key,
            pairs,
            environment,
            worst=worst_losses(rules),
            choices=choice_tasks(rules),
            generated=generated,
        )

    async def _record(self, plan: RoundPlan, opinion: Opinion) -> None:
        opened = self._opened(plan)
        extended = OpenRound(
            plan=opened.plan,
            journal=opened.journal,
            environments=opened.environments,
            opinions={opinion.key: opinion},
        )
        receipt = self._receipts.write(extended, self._keeper.state.submissions[opinion.key])
        await self._keeper.record_opinion(plan.key, opinion, receipt)
        self._sink.emit(SecondOpinionGiven(round=plan.key, opinion=opinion))

    def _opened(self, plan: RoundPlan) -> OpenRound:
        return self._keeper.state.open_rounds[plan.key]


def _holds_the_crown(key: EntryKey, plan: RoundPlan) -> bool:
    """True for a champion; false for the heir of a vacant crown, which never held it."""
    return key == plan.champion and (plan.premises is None or plan.premises.former == key)
