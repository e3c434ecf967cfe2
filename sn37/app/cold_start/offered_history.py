"""Histories offered by other validators: reading them and deriving them again from losses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sn37.app.cold_start.offered_round import ReadRound, RoundReader
from sn37.app.cold_start.succession import broken_beginning, broken_succession
from sn37.app.receipts.statements import digest_of
from sn37.app.rounds.conclusion import Conclusion, conclude
from sn37.app.rounds.outcomes import later_result
from sn37.app.rounds.past_evidence import PastEvidence
from sn37.domain.ids import Block, BlockRef, CompetitionId, EntryKey, Hotkey, RoundKey
from sn37.domain.known_facts import known
from sn37.domain.metagraph import Metagraph
from sn37.domain.reasons import Reason
from sn37.domain.records.statement import RoundRecord
from sn37.domain.round.defences import missed_after, seen_after
from sn37.domain.round.evidence import weigh
from sn37.domain.round.signers import Origin, origins_of
from sn37.domain.round.state import RoundResult, ScoredLater
from sn37.domain.round.winner import WinnerRule
from sn37.domain.schedule.schedule import COLD_ROUNDS, Schedule
from sn37.domain.submission.commitment import Commitment, CommitmentBook
from sn37.domain.submission.eligibility import MAX_FAILURES
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.errors import OfferRefused
from sn37.ports.receipt_source import ReceiptSource

# Share of the stake of all permit holders. With a subnet's 64 permits the mean is 1.6 %, so a
# validator below this share got its permit for little money.
MIN_STAKE_PERCENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedHistory:
    """All rounds of one validator, whose crowns follow from its losses."""

    name: str  # of the source
    validator: Hotkey  # signer of the newest statements
    records: tuple[RoundRecord, ...]  # by sync block, then competition
    submissions: Mapping[EntryKey, Submission]  # after the newest round that lists them
    # Per competition, the coronation from which on all crowns were derived again.
    follows_from: Mapping[CompetitionId, Block]


@dataclass(slots=True)
class _Progress:
    """Progress of the derivation of one competition."""

    evidence: dict[EntryKey, dict[Block, tuple[float, ...]]] = field(default_factory=dict)
    origins: dict[Block, tuple[Origin, ...]] = field(default_factory=dict)
    was_shielded: bool | None = None  # the champion; None where its crown was not derived
    before: ReadRound | None = None
    crown: EntryKey | None = None  # after ``before``
    seen: tuple[bool, ...] = ()  # offered rounds of its reign: true if it missed the round
    later: list[ReadRound] = field(default_factory=list)  # scored later, not yet evidence
    retired: set[EntryKey] = field(default_factory=set)


class HistoryReader:
    """Reader that derives every verdict and crown of an offer again, round by round."""

    def __init__(self, *, rounds: RoundReader, schedule: Schedule, rule: WinnerRule) -> None:
        self._rounds = rounds
        self._schedule = schedule
        self._rule = rule

    async def read(
        self, source: ReceiptSource, *, metagraph: Metagraph, book: CommitmentBook
    ) -> OfferedHistory:
        """Return the history that a source offers.

        Args:
            metagraph: Of this subnet at the newest block, like ``book``.

        Raises:
            OfferRefused: It is not valid; the message says why in one line.
            ReceiptsUnavailable, ChainUnavailable: It cannot be read now.
        """
        rounds: list[ReadRound] = []
        for key in await source.index():
            rounds.append(await self._rounds.read(key, await source.fetch(key)))
            await asyncio.sleep(0)  # a long history must not block the heartbeat
        judged = [r for r in rounds if r.statement.later is None]
        by_competition = {
            c: [r for r in judged if r.statement.key.competition == c]
            for c in sorted({r.statement.key.competition for r in judged})
        }
        self._require_recent(by_competition, metagraph.at)
        validator = _require_believable(by_competition, metagraph)
        _require_chain_s_commitments(rounds, book)
        submissions = _newest(judged)
        records: list[RoundRecord] = []
        for competition, held in by_competition.items():
            later = [
                r
                for r in rounds
                if r.statement.later and r.statement.key.competition == competition
            ]
            for read in later:
                _require_in_place(read, held, validator, submissions)
            records += await self._derive(held, later)
            records += [_record_of_missed(r, submissions) for r in later]
        return OfferedHistory(
            name=source.name,
            validator=validator,
            records=tuple(
                sorted(records, key=lambda r: (r.result.key.sync_block, r.result.key.competition))
            ),
            submissions=submissions,
            follows_from={
                c: held[_last_coronation(held)].statement.key.sync_block
                for c, held in by_competition.items()
            },
        )

    def _require_recent(
        self, rounds: Mapping[CompetitionId, Sequence[ReadRound]], head: BlockRef
    ) -> None:
        """Check that every active competition has recent rounds."""
        timing = self._schedule.timing
        oldest = timing.sync_block(head.number) - COLD_ROUNDS * timing.cadence
        for rules in self._schedule.at(head.number):
            if not rounds.get(rules.id):
                raise OfferRefused(f"it has no rounds of competition {rules.id}")
            newest = rounds[rules.id][-1].statement.key.sync_block
            if newest < oldest:
                raise OfferRefused(
                    f"competition {rules.id}: its newest round is {newest}, more than "
                    f"{COLD_ROUNDS} rounds ago"
                )

    async def _derive(
        self, held: Sequence[ReadRound], later: Sequence[ReadRound]
    ) -> list[RoundRecord]:
        """Return the records of one competition, each derived from those before it.

        Crowns before the last coronation are not checked: their evidence may be older than the
        first offered round, and no current crown depends on them.

        Args:
            held: The judged rounds.
            later: Missed rounds that were scored later, evidence for some of them.
        """
        progress, records = _Progress(later=list(later)), list[RoundRecord]()
        first = held[0].statement.premises
        follows_from = _last_coronation(held)
        for position, read in enumerate(held):
            _count_later(progress, read.statement.key.sync_block)
            self._require_next(progress, read)
            past = PastEvidence(by_entry=dict(progress.evidence), origins=progress.origins)
            derived = conclude(
                read.opened,
                rules=read.rules,
                past=past,
                submissions=read.submissions,
                rule=self._rule,
                flags_copies=position >= follows_from,  # older flags are not needed
            )
            if position >= follows_from:
                _require_same(read, derived, progress.retired)
            is_derived = derived.result.champion == read.statement.winner
            progress.was_shielded = derived.result.is_shielded if is_derived else None
            ended = replace(read.opened, outcomes=derived.outcomes)
            result = replace(
                derived.result,
                champion=read.statement.winner,
                missed_defences=missed_after(ended, read.statement.winner),
                num_judged_before=first.num_judged if first and not position else 0,
            )
            records.append(RoundRecord(opened=read.opened, result=result, published=read.published))
            _advance(progress, read, result)
            await asyncio.sleep(0)  # each takes tens of milliseconds, and there may be thousands
        return records

    def _require_next(self, progress: _Progress, read: ReadRound) -> None:
        """Check that a round names the previous statement and continues its crown."""
        key, before = read.statement.key, progress.before
        if before is None:
            timing = self._schedule.timing
            began = min(
                stage.from_block
                for stage in self._schedule.stages
                if any(rules.id == key.competition for rules in stage.competitions)
            )
            num_rounds = max((key.sync_block - began) // timing.cadence, 0)
            fault = broken_beginning(read.statement, num_rounds=num_rounds)
        elif read.statement.previous != digest_of(before.published.statement.document):
            fault = (
                f"a round between {before.statement.key.sync_block} and it is missing or was "
                "replaced"
            )
        else:
            fault = broken_succession(
                before.statement,
                read.statement,
                with_evidence=progress.evidence,
                was_shielded=progress.was_shielded,
                seen=progress.seen,
            )
        if fault is not None:
            raise OfferRefused(f"{key}: {fault}")


def believable(metagraph: Metagraph) -> frozenset[Hotkey]:
    """Return the validators that may be trusted: a permit, and enough of the holders' stake."""
    total = sum(n.stake_rao for n in metagraph.neurons if n.validator_permit)
    return metagraph.trusted_signers(min_stake_rao=total * MIN_STAKE_PERCENT // 100)


def without_contradictions(
    found: Sequence[OfferedHistory], tell: Callable[[str], None]
) -> Sequence[OfferedHistory]:
    """Return the histories of validators that do not contradict themselves.

    Differences between two validators are reported.
    """
    liars: set[Hotkey] = set()
    crowns: dict[RoundKey, tuple[OfferedHistory, RoundRecord]] = {}
    for history in found:
        for record in history.records:
            key = record.result.key
            other, theirs = crowns.setdefault(key, (history, record))
            where = str(key)
            signers = {r.published.statement.hotkey for r in (record, theirs)}
            documents = {r.published.statement.document for r in (record, theirs)}
            if len(signers) == 1 and len(documents) == 2 and not liars & signers:
                tell(f"{where}: {signers.copy().pop()} signed two different statements")
                liars |= signers
            elif record.result.later is not None or theirs.result.later is not None:
                continue  # it has no champion
            elif record.result.champion != theirs.result.champion:
                tell(f"{where}: {other.name} and {history.name} have different champions")
    return [h for h in found if h.validator not in liars]


def _require_in_place(
    read: ReadRound,
    judged: Sequence[ReadRound],
    validator: Hotkey,
    submissions: Mapping[EntryKey, Submission],
) -> None:
    """Check a round scored later: same validator, and evidence for newer rounds only.

    Raises:
        OfferRefused: One of these does not hold.
    """
    later, sync = _later(read), read.statement.key.sync_block
    blocks = [r.statement.key.sync_block for r in judged]
    if read.published.statement.hotkey != validator:
        raise OfferRefused(f"{read.statement.key}: scored later by another validator")
    if later.after >= blocks[0] and later.after not in blocks:
        raise OfferRefused(f"{read.statement.key}: it counts after a round that does not exist")
    if any(later.after < block < sync for block in blocks):
        raise OfferRefused(f"{read.statement.key}: it counts in an earlier round")
    if strangers := read.opened.outcomes.keys() - submissions.keys():
        raise OfferRefused(
            f"{read.statement.key}: {min(strangers).hotkey} took part in no other round"
        )
    for entry in read.opened.journal:
        ours, theirs = read.submissions[entry].artifact, submissions[entry].artifact
        if ours is None or theirs is None or ours.tensor_digest != theirs.tensor_digest:
            raise OfferRefused(
                f"{read.statement.key}: {entry.hotkey} had other weights in the judged rounds"
            )


def _require_believable(
    rounds: Mapping[CompetitionId, Sequence[ReadRound]], metagraph: Metagraph
) -> Hotkey:
    """Return the validator that signed all of it: each statement names the previous digest."""
    signers = {held[-1].published.statement.hotkey for held in rounds.values()}
    if len(signers) != 1:
        raise OfferRefused(f"its newest statements are signed by {len(signers)} validators")
    (validator,) = signers
    neuron = metagraph.find(validator)
    if neuron is None or not neuron.validator_permit:
        raise OfferRefused(f"its signer {validator} has no validator permit")
    if validator not in believable(metagraph):
        raise OfferRefused(
            f"its signer {validator} has less than {MIN_STAKE_PERCENT} % of the validators' stake"
        )
    return validator


def _require_chain_s_commitments(rounds: Sequence[ReadRound], book: CommitmentBook) -> None:
    """Check commitments against the chain; those it no longer has must be equal in all rounds.

    Positions within a block are not compared: a reader of the chain knows them only while two
    commitments share the block.
    """
    known: dict[EntryKey, Commitment] = {
        c.key: replace(c, extrinsic_index=0) for c in book.well_formed.values()
    }
    for read in rounds:
        for submission in read.statement.submissions:
            offered = replace(submission.commitment, extrinsic_index=0)
            if known.setdefault(offered.key, offered) != offered:
                raise OfferRefused(
                    f"{read.statement.key}: {offered.hotkey} committed something else at block "
                    f"{offered.block}"
                )


def _require_same(read: ReadRound, derived: Conclusion, retired: set[EntryKey]) -> None:
    said, found = read.statement.winner, derived.result.champion
    if said != found:
        raise OfferRefused(
            f"{read.statement.key}: the crown does not follow from the losses: the "
            f"statement says {said.hotkey if said else 'nobody'}, the losses give "
            f"{found.hotkey if found else 'nobody'}"
        )
    lost = {k for k, o in derived.outcomes.items() if o.reason is Reason.RACED_OUT}
    for entry in read.statement.entries:
        is_out = entry in lost or entry in derived.beaten or entry in retired
        if read.submissions[entry].retired != is_out:
            raise OfferRefused(
                f"{read.statement.key}: {entry.hotkey} is retired without cause, or should be "
                "retired"
            )


def _advance(progress: _Progress, read: ReadRound, result: RoundResult) -> None:
    if progress.before is not None:
        progress.seen = seen_after(progress.seen, progress.crown, result)
    progress.before, progress.crown = read, result.champion
    progress.retired |= {s.commitment.key for s in read.statement.submissions if s.retired}
    _add_evidence(progress, read)


def _add_evidence(progress: _Progress, read: ReadRound) -> None:
    signers = read.opened.plan.signers
    progress.origins[read.statement.key.sync_block] = origins_of(signers, read.rules)
    for entry, outcome in read.opened.outcomes.items():
        if outcome.verdict is Verdict.SCORED:
            values = weigh(read.opened.journal[entry], read.rules)
            progress.evidence.setdefault(entry, {})[read.statement.key.sync_block] = values


def _count_later(progress: _Progress, sync_block: Block) -> None:
    """Count rounds scored later as evidence in the rounds that were opened afterwards."""
    for read in tuple(progress.later):
        if _later(read).after < sync_block:
            _add_evidence(progress, read)
            progress.later.remove(read)


def _later(read: ReadRound) -> ScoredLater:
    return known(read.statement.later, "it is one of the rounds that were scored later")


def _record_of_missed(read: ReadRound, submissions: Mapping[EntryKey, Submission]) -> RoundRecord:
    result = later_result(read.opened, read.rules, submissions, skipped=None, later=_later(read))
    return RoundRecord(opened=read.opened, result=result, published=read.published)


def _last_coronation(held: Sequence[ReadRound]) -> int:
    """Return the position of the last round that changed the crown's holder; 0 if none did."""
    changed = (i for i, r in enumerate(held) if r.statement.champion != r.statement.winner)
    return max(changed, default=0)


def _newest(rounds: Sequence[ReadRound]) -> Mapping[EntryKey, Submission]:
    """Return the submissions to adopt, without failures that this validator has not seen."""
    newest = {s.commitment.key: s for read in rounds for s in read.statement.submissions}
    return {
        key: replace(s, failures=min(s.failures, MAX_FAILURES - 1)) for key, s in newest.items()
    }
