"""Derive everything a validator decided from what it recorded, and compare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sn37.app.audit_receipts import check_receipts
from sn37.app.decision import conclude
from sn37.app.differences import Difference, compare
from sn37.app.evidence import past_evidence
from sn37.app.receipts import VerifySignature
from sn37.app.statements import UnreadableStatement, read_statement, state_round
from sn37.app.submit import weights_after
from sn37.domain.canonical import as_json
from sn37.domain.ids import Block, Digest
from sn37.domain.receipt import SignedReceipt
from sn37.domain.schedule import Schedule
from sn37.domain.state import OpenRound, RoundResult, ValidatorState, WeightsRecord
from sn37.domain.winner import WinnerRule
from sn37.ports.state_store import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What was looked at, and what of it does not follow."""

    rounds: int
    receipts: int
    weights: int
    differences: tuple[Difference, ...]


class Auditor:
    """Goes through a state from its first round on.

    Losses have to be those of the signed receipts, verdicts and crowns what the schedule's
    rules make of them, weights what the standings of the rounds known then call for.
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

    async def run(self) -> AuditResult:
        """Every recorded round and every row of weights."""
        state = await self._store.load()
        found: list[Difference] = []
        num_receipts = 0
        for rounds in state.rounds.values():
            for position, result in enumerate(rounds):
                receipts = await self._store.receipts(result.key)
                num_receipts += len(receipts)
                found += await self._round(state, result, rounds[:position], receipts)
        for record in state.weights:
            found += self._weights(state, record)
        return AuditResult(
            rounds=sum(map(len, state.rounds.values())),
            receipts=num_receipts,
            weights=len(state.weights),
            differences=tuple(found),
        )

    async def _round(
        self,
        state: ValidatorState,
        result: RoundResult,
        before: tuple[RoundResult, ...],
        receipts: tuple[SignedReceipt, ...],
    ) -> list[Difference]:
        key = result.key
        where = f"competition {key.competition}, sync block {key.sync_block}"
        rules = self._schedule.competition(key.competition, key.sync_block)
        if rules is None:
            return [Difference(where, "recorded", "no such competition in the schedule")]
        if result.skipped is not None:
            blank = RoundResult(key=key, sync=result.sync, skipped=result.skipped)
            return list(compare(where, as_json(result), as_json(blank)))
        opened = await self._store.recorded(key)
        if opened is None:
            return [Difference(where, "finished", "never opened")]
        if unknown := [e for e in opened.outcomes if e not in state.submissions]:
            return [Difference(where, f"{unknown[0].hotkey} took part", "no such submission")]
        found = list(
            check_receipts(
                opened,
                receipts,
                rules=rules,
                submissions=state.submissions,
                fingerprint=self._fingerprint,
                verify=self._verify,
            )
        )
        judged = [r for r in before if r.skipped is None]
        crown = judged[-1].champion if judged else None
        is_first_adopted = not judged and state.beginning is not None
        # It may have become ineligible in between.
        if opened.plan.champion is not None and not is_first_adopted:
            found += compare(
                f"{where}, champion before", as_json(opened.plan.champion), as_json(crown)
            )
        found += compare(
            f"{where}, entries", as_json(list(opened.outcomes)), as_json(list(opened.plan.entries))
        )
        found += await self._statement(where, opened, result, before, receipts)
        if state.beginning is not None and key.sync_block < state.beginning.follows_from.get(
            key.competition, Block(0)
        ):
            return found  # adopted; what its crown rested on was not offered
        past = await past_evidence(
            self._store, self._schedule, key.competition, before, opened.plan.entries
        )
        derived = conclude(
            opened, rules=rules, past=past, submissions=state.submissions, rule=self._rule
        ).result
        found += compare(where, as_json(_without_words(result)), as_json(_without_words(derived)))
        return found

    async def _statement(
        self,
        where: str,
        opened: OpenRound,
        result: RoundResult,
        before: tuple[RoundResult, ...],
        receipts: tuple[SignedReceipt, ...],
    ) -> list[Difference]:
        """What was signed of the whole round; rounds of an older version have no statement."""
        signed = await self._store.statement(result.key)
        if signed is None:
            return []
        try:
            said = read_statement(signed, self._verify)
        except UnreadableStatement as error:
            return [Difference(f"{where}, statement", "there", f"it cannot be believed: {error}")]
        judged = [r.key for r in before if r.skipped is None]
        due = state_round(
            opened,
            result,
            submissions=said.submissions,  # as they were then
            receipts=receipts,
            previous=await self._store.statement(judged[-1]) if judged else None,
            netuid=self._schedule.netuid,
            fingerprint=self._fingerprint,
            code_version=said.code_version,
        )
        if not judged:  # what came before it may not have been adopted
            due = replace(due, previous=said.previous)
        return list(compare(f"{where}, statement", as_json(said), as_json(due)))

    def _weights(self, state: ValidatorState, record: WeightsRecord) -> Iterator[Difference]:
        newest = record.newest_rounds
        known = {
            c: tuple(r for r in held if c in newest and r.key.sync_block <= newest[c])
            for c, held in state.rounds.items()
        }
        derived = weights_after(replace(state, rounds=known), self._schedule, record.sent_at)
        yield from compare(
            f"weights of sync block {record.sync_block}",
            as_json(record.weights),
            as_json(derived),
        )


def _without_words(result: RoundResult) -> RoundResult:
    """Explanations may be worded differently by another version."""
    return replace(result, entries=tuple(replace(e, detail="") for e in result.entries))
