"""Audit of a state: derives all decisions again from the records and compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sn37.app.audit.derived_past import Past
from sn37.app.audit.differences import Difference, compare
from sn37.app.audit.gaps import Gap, gaps_of
from sn37.app.audit.receipt_checks import check_draws, check_receipts, check_screening
from sn37.app.audit.signers import SignedPair, pairs_by_signer
from sn37.app.audit.soundness import check_soundness
from sn37.app.receipts.signing import VerifySignature
from sn37.app.receipts.statements import (
    LATER_VERSION,
    UnreadableStatement,
    read_statement,
    state_round,
    version_of,
)
from sn37.app.rounds.conclusion import conclude
from sn37.app.rounds.outcomes import later_result
from sn37.app.rounds.past_evidence import NO_EVIDENCE, PastEvidence, past_evidence
from sn37.app.rounds.weights_due import weights_after
from sn37.domain.canonical import as_json
from sn37.domain.ids import Digest
from sn37.domain.records.history_pruning import Forgotten, forgotten_of
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.evidence import ALL_ROUNDS
from sn37.domain.round.state import (
    ColdStart,
    OpenRound,
    RoundResult,
    ScoredLater,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.round.winner import WinnerRule
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.state_store import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Number of audited records, and the differences that were found."""

    rounds: int
    receipts: int
    weights: int
    differences: tuple[Difference, ...]
    forgotten: tuple[Forgotten, ...] = ()  # rounds of which only the rest was audited
    pairs: tuple[SignedPair, ...] = ()  # effect of each signer on the crowns, if requested


class Auditor:
    """Auditor of a state, from its first round on.

    Losses must equal those of the signed receipts. Verdicts and crowns must follow from them by
    the schedule's rules. Weights must follow from the standings of the rounds known at that time.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        schedule: Schedule,
        fingerprint: Digest,
        rule: WinnerRule,
        verify: VerifySignature,
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._fingerprint = fingerprint
        self._rule = rule
        self._verify = verify

    async def run(
        self,
        *,
        by_signer: bool = False,
        told: Callable[[str, int, int], None] = lambda what, done, total: None,
    ) -> AuditResult:
        """Audit every recorded round, row of weights and submission.

        Time is linear in the number of rounds.

        Args:
            by_signer: Also show the effect of each signer's rows on the crowns.
            told: Called after each record with what was audited, and how many of how many are done.
        """
        state = await self._store.load()
        num_rounds = sum(map(len, state.rounds.values()))
        total, done = num_rounds + len(state.weights), 0
        found: list[Difference] = []
        num_receipts = 0
        beginning, began = state.beginning, ALL_ROUNDS
        if beginning is not None and beginning.way is ColdStart.RECEIPTS:
            began = beginning.block  # earlier records are another validator's
        for competition, rounds in state.rounds.items():
            past = Past(competition, rounds, since=began)
            for result in rounds:
                receipts = await self._store.receipts(result.key)
                num_receipts += len(receipts)
                where = f"competition {competition}, sync block {result.key.sync_block}"
                try:
                    found += await self._round(where, state, result, past, receipts)
                except ValueError as error:  # losses that no round can have
                    found.append(Difference(where, "recorded", f"impossible: {error}"))
                    past.is_whole = False
                done += 1
                told("rounds", done, total)
            found += past.check(state.submissions.values())
        for record in state.weights:
            found += self._weights(state, record)
            done += 1
            told("weights", done, total)
        return AuditResult(
            rounds=num_rounds,
            receipts=num_receipts,
            weights=len(state.weights),
            differences=tuple(found),
            forgotten=forgotten_of(state),
            pairs=await pairs_by_signer(self._store, self._schedule, state) if by_signer else (),
        )

    async def _round(
        self,
        where: str,
        state: ValidatorState,
        result: RoundResult,
        past: Past,
        receipts: tuple[SignedReceipt, ...],
    ) -> list[Difference]:
        key = result.key
        rules = self._schedule.competition(key.competition, key.sync_block)
        if rules is None:
            return [Difference(where, "recorded", "no such competition in the schedule")]
        if result.skipped is not None and result.later is None:
            blank = RoundResult(key=key, sync=result.sync, skipped=result.skipped)
            return list(compare(where, as_json(result), as_json(blank)))
        opened = await self._store.recorded(key)
        if opened is None:
            return [Difference(where, "finished", "never opened")]
        if unknown := [e for e in opened.outcomes if e not in state.submissions]:
            return [Difference(where, f"{unknown[0].hotkey} took part", "no such submission")]
        gaps = gaps_of(opened, result, receipts, past=past, beginning=state.beginning)
        drawn = await self._store.drawn(key)
        found = list(check_draws(opened, drawn, rules))
        found += check_screening(
            opened,
            {d.task: d.manifest for d in drawn},
            rules,
            is_due=not gaps & (Gap.FORGOTTEN | Gap.FOREIGN_ROWS),
        )
        found += check_receipts(
            opened,
            receipts,
            drawn=drawn,
            rules=rules,
            submissions=state.submissions,
            fingerprint=self._fingerprint,
            verify=self._verify,
        )
        if (later := result.later) is not None:
            if Gap.FORGOTTEN not in gaps:
                found += await self._missed_round(
                    where, state, opened, result, later, receipts, rules
                )
                found += _when_it_counts(where, result, later, state)
            past.add_later(opened, later, rules)
            return found
        if Gap.FORGOTTEN not in gaps:
            found += await self._whole_round(
                where, state, opened, result, past, receipts, rules, gaps
            )
        else:
            found += compare(f"{where}, sync", as_json(result.sync), as_json(opened.plan.sync))
            past.is_whole, past.forgotten = False, key.sync_block
        past.add(opened, result, rules)
        return found

    async def _whole_round(
        self,
        where: str,
        state: ValidatorState,
        opened: OpenRound,
        result: RoundResult,
        past: Past,
        receipts: tuple[SignedReceipt, ...],
        rules: Competition,
        gaps: Gap,
    ) -> list[Difference]:
        """Audit a complete round: derive its end from its records."""
        found: list[Difference] = []
        if Gap.FIRST_ADOPTED not in gaps:
            found += _crown_before(where, opened, past, gaps)
        found += _judged_before(where, opened, result, gaps)
        found += compare(
            f"{where}, entries",
            as_json(sorted(opened.outcomes)),
            as_json(sorted(opened.plan.entries)),
        )
        for entry in opened.environments.keys() - opened.outcomes.keys():
            found.append(Difference(f"{where}, environment", entry.hotkey, "it did not take part"))
        found += await self._statement(where, opened, result, past, receipts, rules, gaps)
        if Gap.PAST_MISSING in gaps:
            past.is_whole = False
            return found
        conclusion = conclude(
            opened,
            rules=rules,
            past=past.of(opened.plan, await self._absent(opened)),
            submissions=state.submissions,
            rule=self._rule,
        )
        past.conclude(opened.plan, conclusion)
        derived = replace(conclusion.result, num_judged_before=result.num_judged_before)
        if Gap.COPIES_UNCHECKED in gaps:
            derived = replace(derived, near_duplicates=None)
        if Gap.DEFENCES_UNCOUNTED in gaps:
            derived = replace(derived, missed_defences=None)
        found += compare(where, as_json(_without_words(result)), as_json(_without_words(derived)))
        return found

    async def _missed_round(
        self,
        where: str,
        state: ValidatorState,
        opened: OpenRound,
        result: RoundResult,
        later: ScoredLater,
        receipts: tuple[SignedReceipt, ...],
        rules: Competition,
    ) -> list[Difference]:
        """Audit a missed round that was scored later, which has evidence but no verdict."""
        due = later_result(opened, rules, state.submissions, skipped=result.skipped, later=later)
        found = list(compare(where, as_json(_without_words(result)), as_json(_without_words(due))))
        entries = as_json(sorted(opened.outcomes)), as_json(sorted(opened.plan.entries))
        found += compare(f"{where}, entries", *entries)
        signed = await self._store.statement(result.key)
        if signed is None:
            return [*found, Difference(f"{where}, statement", "missing", "it was scored later")]
        try:
            said = read_statement(signed, self._verify)
        except UnreadableStatement as error:
            return [*found, Difference(f"{where}, statement", "there", f"not valid: {error}")]
        stated = state_round(
            opened,
            result,
            submissions=said.submissions,
            receipts=receipts,
            previous=None,
            netuid=self._schedule.netuid,
            fingerprint=self._fingerprint,
            code_version=said.code_version,
            version=LATER_VERSION,
        )
        found += compare(f"{where}, statement", as_json(said), as_json(stated))
        found += check_soundness(where, opened, rules, None)
        return found

    async def _absent(self, opened: OpenRound) -> PastEvidence:
        """Return the evidence of competing entries that did not take part in the round."""
        plan = opened.plan
        absent = plan.compared - set(plan.entries)
        if not absent:
            return NO_EVIDENCE
        competition = plan.key.competition
        found = await past_evidence(self._store, self._schedule, competition, plan.compared)
        return PastEvidence(by_entry={key: found.of(key) for key in absent})

    async def _statement(
        self,
        where: str,
        opened: OpenRound,
        result: RoundResult,
        past: Past,
        receipts: tuple[SignedReceipt, ...],
        rules: Competition,
        gaps: Gap,
    ) -> list[Difference]:
        """Audit the statement on the whole round; rounds of an older version have none."""
        signed = await self._store.statement(result.key)
        if signed is None:
            return []
        try:
            said = read_statement(signed, self._verify)
        except UnreadableStatement as error:
            return [Difference(f"{where}, statement", "there", f"not valid: {error}")]
        past.add_statement(said)
        previous = None if past.previous is None else await self._store.statement(past.previous)
        due = state_round(
            opened,
            result,
            submissions=said.submissions,  # as they were at that time
            receipts=receipts,
            previous=previous,
            netuid=self._schedule.netuid,
            fingerprint=said.schedule_fingerprint if Gap.FIRST_RULE in gaps else self._fingerprint,
            code_version=said.code_version,
            version=said.version
            if Gap.UNSCORED in gaps
            else version_of(opened, {task.name: task.method for task in rules.tasks}),
        )
        if Gap.PREVIOUS_GONE in gaps:
            due = replace(due, previous=said.previous)
        found = list(compare(f"{where}, statement", as_json(said), as_json(due)))
        if due.version > 1:
            found += check_soundness(where, opened, rules, result.champion)
        return found

    def _weights(self, state: ValidatorState, record: WeightsRecord) -> Iterator[Difference]:
        newest, where = record.newest_rounds, f"weights of sync block {record.sync_block}"
        for competition, block in newest.items():
            if all(r.key.sync_block != block for r in reversed(state.rounds.get(competition, ()))):
                yield Difference(f"{where}, newest round", str(block), "no such round")
        known = {
            c: tuple(r for r in held if c in newest and r.key.sync_block <= newest[c])
            for c, held in state.rounds.items()
        }
        before = next(
            (w.weights for w in reversed(state.weights) if w.sync_block < record.sync_block), None
        )
        derived = weights_after(
            replace(state, rounds=known), self._schedule, record.sent_at, before=before
        )
        yield from compare(where, as_json(record.weights), as_json(derived))


def _when_it_counts(
    where: str, result: RoundResult, later: ScoredLater, state: ValidatorState
) -> Iterator[Difference]:
    """Check that it was recorded between two judged rounds, the second newer than itself."""
    judged = [
        r.key.sync_block for r in state.rounds.get(result.key.competition, ()) if r.skipped is None
    ]
    if later.after >= min(judged, default=0) and later.after not in judged:
        yield Difference(f"{where}, counts after", str(later.after), "no such round")
    if any(later.after < block < result.key.sync_block for block in judged):
        yield Difference(f"{where}, counts after", str(later.after), "a round before it")


def _crown_before(where: str, opened: OpenRound, past: Past, gaps: Gap) -> Iterator[Difference]:
    """Check that the round began with the previous round's crown, or with that of an heir."""
    plan, premises = opened.plan, opened.plan.premises
    found: list[tuple[str, object, object]] = []
    if premises is not None:
        found.append(("former champion", premises.former, past.former))
        if Gap.FOREIGN_ROWS not in gaps:
            found.append(("rounds judged before", premises.num_judged, past.num_judged))
        is_kept = plan.champion == past.crown
        shielded = past.newest is not None and past.newest.is_shielded and is_kept
        missed = past.may_have_missed(plan.key) if is_kept else range(1)
        counted = premises.missed_defences
        if counted not in missed and (counted is not None or past.counts_defences):
            found.append(("missed defences", counted, missed[-1]))
        found.append(("shielded", premises.is_shielded, shielded))
        # The champion may have become ineligible in between: then an heir has evidence, or none.
        if not is_kept and plan.champion not in {*past.evidence, None}:
            found.append(("champion before", plan.champion, past.crown))
    elif plan.champion is not None:
        found.append(("champion before", plan.champion, past.crown))
    for what, recorded, due in found:
        yield from compare(f"{where}, {what}", as_json(recorded), as_json(due))


def _judged_before(
    where: str, opened: OpenRound, result: RoundResult, gaps: Gap
) -> Iterator[Difference]:
    """Check the number of judged rounds before a round that the state does not have.

    It is that of the plan in the first adopted round, and 0 in others and in older records.
    """
    premises = opened.plan.premises
    is_first = Gap.FIRST_ADOPTED | Gap.FOREIGN_ROWS in gaps
    due = premises.num_judged if premises and is_first else 0
    if result.num_judged_before not in (0, due):
        recorded, expected = as_json(result.num_judged_before), as_json(due)
        yield from compare(f"{where}, rounds judged before, not recorded", recorded, expected)


def _without_words(result: RoundResult) -> RoundResult:
    """Return the result without explanations, which other versions may word differently."""
    return replace(result, entries=tuple(replace(e, detail="") for e in result.entries))
