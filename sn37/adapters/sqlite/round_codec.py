"""Plans, outcomes, results and weights as JSON and back, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sn37.adapters.sqlite.codec import from_key, from_reason, to_key, to_reason
from sn37.adapters.sqlite.json_values import (
    from_float,
    optional,
    to_bool,
    to_float,
    to_int,
    to_list,
    to_record,
    to_str,
)
from sn37.adapters.sqlite.premises import from_clocks, from_premises, to_clocks, to_premises
from sn37.adapters.sqlite.screenings import to_screenings
from sn37.domain.canonical import JsonValue, as_json
from sn37.domain.ids import (
    Block,
    BlockRef,
    CompetitionId,
    Digest,
    EntryKey,
    Hotkey,
    RoundKey,
    TaskName,
)
from sn37.domain.round.signers import SampleSigners, packed, unpacked
from sn37.domain.round.state import (
    Beginning,
    ColdStart,
    EntryOutcome,
    EntryResult,
    RoundPlan,
    RoundResult,
    ScoredLater,
    TaskDraw,
    TaskScore,
    WeightsRecord,
)
from sn37.domain.scoring.jobs import ControlKind, ControlLoss
from sn37.domain.scoring.opinion import Compared, Opinion, View
from sn37.domain.submission.submission import Verdict
from sn37.domain.weight_vector import WeightVector


def from_block_ref(ref: BlockRef) -> JsonValue:
    return [ref.number, ref.hash]


def to_block_ref(value: JsonValue) -> BlockRef:
    number, hash_ = to_list(value)
    return BlockRef(Block(to_int(number)), to_str(hash_))


def from_round_key(key: RoundKey) -> JsonValue:
    return [key.competition, key.sync_block]


def to_round_key(value: JsonValue) -> RoundKey:
    competition, sync_block = to_list(value)
    return RoundKey(CompetitionId(to_int(competition)), Block(to_int(sync_block)))


def from_plan(plan: RoundPlan) -> JsonValue:
    """Return the plan as JSON, without the draws, which have their own table."""
    return {
        "key": from_round_key(plan.key),
        "sync": from_block_ref(plan.sync),
        "champion": None if plan.champion is None else from_key(plan.champion),
        "entries": [from_key(e) for e in plan.entries],
        "manifest_digest": plan.manifest_digest,
        "listed": [from_entry_result(r) for r in plan.listed],
        "unreadable": [from_key(e) for e in sorted(plan.unreadable)],
        "unprobed": [from_key(e) for e in sorted(plan.unprobed)],
        "premises": None if plan.premises is None else from_premises(plan.premises),
        "signers": None if plan.signers is None else packed(plan.signers),
        "screenings": None if plan.screenings is None else as_json(plan.screenings),
    }


def to_plan(value: JsonValue, draws: tuple[TaskDraw, ...]) -> RoundPlan:
    fields = to_record(value)
    return RoundPlan(
        key=to_round_key(fields["key"]),
        sync=to_block_ref(fields["sync"]),
        champion=optional(to_key, fields["champion"]),
        entries=tuple(to_key(e) for e in to_list(fields["entries"])),
        draws=draws,
        manifest_digest=Digest(to_str(fields["manifest_digest"])),
        listed=tuple(to_entry_result(r) for r in to_list(fields["listed"])),
        unreadable=frozenset(to_key(e) for e in to_list(fields["unreadable"])),
        # A plan of an older version has neither.
        unprobed=frozenset(to_key(e) for e in to_list(fields.get("unprobed", []))),
        signers=optional(to_signers, fields.get("signers")),
        premises=optional(to_premises, fields.get("premises")),
        screenings=optional(to_screenings, fields.get("screenings")),
    )


def to_signers(value: JsonValue) -> SampleSigners:
    fields = to_record(value)
    return unpacked(
        [to_str(hotkey) for hotkey in to_list(fields["hotkeys"])],
        {
            task: [optional(to_int, place) for place in to_list(places)]
            for task, places in to_record(fields["samples"]).items()
        },
    )


def from_outcome(outcome: EntryOutcome) -> JsonValue:
    return {
        "key": from_key(outcome.key),
        "verdict": outcome.verdict.value,
        "reason": from_reason(outcome.reason),
        "detail": outcome.detail,
    }


def to_outcome(value: JsonValue) -> EntryOutcome:
    fields = to_record(value)
    return EntryOutcome(
        key=to_key(fields["key"]),
        verdict=Verdict(to_str(fields["verdict"])),
        reason=to_reason(fields["reason"]),
        detail=to_str(fields["detail"]),
    )


def from_controls(controls: Sequence[ControlLoss]) -> JsonValue:
    return [
        [c.kind.value, from_float(c.entropy_bits), from_float(c.measured_bits)] for c in controls
    ]


def to_controls(value: JsonValue) -> tuple[ControlLoss, ...]:
    return tuple([_to_control(c) for c in to_list(value)])


def _to_control(value: JsonValue) -> ControlLoss:
    kind, entropy, measured = to_list(value)
    return ControlLoss(ControlKind(to_str(kind)), to_float(entropy), to_float(measured))


def from_opinion(opinion: Opinion) -> JsonValue:
    return {
        "key": from_key(opinion.key),
        "view": opinion.view.value,
        "samples": [
            [s.task, s.position, from_float(s.ours), from_float(s.theirs)] for s in opinion.samples
        ],
        "detail": opinion.detail,
        "environment": dict(opinion.environment),
    }


def to_opinion(value: JsonValue) -> Opinion:
    fields = to_record(value)
    return Opinion(
        key=to_key(fields["key"]),
        view=View(to_str(fields["view"])),
        samples=tuple([_to_compared(s) for s in to_list(fields["samples"])]),
        detail=to_str(fields["detail"]),
        environment={n: to_str(text) for n, text in to_record(fields["environment"]).items()},
    )


def _to_compared(value: JsonValue) -> Compared:
    task, position, ours, theirs = to_list(value)
    return Compared(
        task=TaskName(to_str(task)),
        position=to_int(position),
        ours=to_float(ours),
        theirs=to_float(theirs),
    )


def from_task_score(score: TaskScore) -> JsonValue:
    return {
        "task": score.task,
        "raw": from_float(score.raw),
        "normalized": from_float(score.normalized),
        "weighted": from_float(score.weighted),
    }


def to_task_score(value: JsonValue) -> TaskScore:
    fields = to_record(value)
    return TaskScore(
        task=TaskName(to_str(fields["task"])),
        raw=to_float(fields["raw"]),
        normalized=to_float(fields["normalized"]),
        weighted=to_float(fields["weighted"]),
    )


def from_entry_result(result: EntryResult) -> JsonValue:
    return {
        "key": from_key(result.key),
        "repo": result.repo,
        "verdict": result.verdict.value,
        "reason": from_reason(result.reason),
        "detail": result.detail,
        "score": None if result.score is None else from_float(result.score),
        "tasks": [from_task_score(t) for t in result.tasks],
        "num_samples": result.num_samples,
    }


def to_entry_result(value: JsonValue) -> EntryResult:
    fields = to_record(value)
    return EntryResult(
        key=to_key(fields["key"]),
        repo=to_str(fields["repo"]),
        verdict=Verdict(to_str(fields["verdict"])),
        reason=to_reason(fields["reason"]),
        detail=to_str(fields["detail"]),
        score=optional(to_float, fields["score"]),
        tasks=tuple([to_task_score(t) for t in to_list(fields["tasks"])]),
        num_samples=to_int(fields["num_samples"]),
    )


def from_result(result: RoundResult) -> JsonValue:
    return {
        "key": from_round_key(result.key),
        "sync": from_block_ref(result.sync),
        "manifest_digest": result.manifest_digest,
        "champion": None if result.champion is None else from_key(result.champion),
        "entries": [from_entry_result(r) for r in result.entries],
        "skipped": from_reason(result.skipped),
        "later": None if result.later is None else _from_later(result.later),
        "near_duplicates": None
        if result.near_duplicates is None
        else [[from_key(key) for key in pair] for pair in result.near_duplicates],
        "is_shielded": result.is_shielded,
        "clocks": from_clocks(result.clocks),
        "missed_defences": result.missed_defences,
        "postponed": [from_key(key) for key in result.postponed],
        "forgotten_at": None if result.forgotten_at is None else result.forgotten_at.isoformat(),
    }


def to_result(value: JsonValue) -> RoundResult:
    fields = to_record(value)
    digest = fields["manifest_digest"]
    return RoundResult(
        key=to_round_key(fields["key"]),
        sync=to_block_ref(fields["sync"]),
        manifest_digest=None if digest is None else Digest(to_str(digest)),
        champion=optional(to_key, fields["champion"]),
        entries=tuple([to_entry_result(r) for r in to_list(fields["entries"])]),
        skipped=to_reason(fields["skipped"]),
        later=optional(_to_later, fields.get("later")),
        # A result of an older version has none of these. Its rule shielded every champion.
        near_duplicates=optional(_to_pairs, fields.get("near_duplicates")),
        postponed=tuple(to_key(key) for key in to_list(fields.get("postponed", []))),
        is_shielded=to_bool(fields.get("is_shielded", fields["champion"] is not None)),
        clocks=to_clocks(fields.get("clocks", [])),
        missed_defences=optional(to_int, fields.get("missed_defences")),
        forgotten_at=optional(_to_moment, fields.get("forgotten_at")),
    )


def _from_later(later: ScoredLater) -> JsonValue:
    return {"source": later.source, "after": later.after, "at": later.at}


def _to_later(value: JsonValue) -> ScoredLater:
    fields = to_record(value)
    return ScoredLater(
        source=Hotkey(to_str(fields["source"])),
        after=Block(to_int(fields["after"])),
        at=Block(to_int(fields["at"])),
    )


def _to_pairs(value: JsonValue) -> tuple[tuple[EntryKey, EntryKey], ...]:
    pairs = [to_list(pair) for pair in to_list(value)]
    return tuple((to_key(later), to_key(earlier)) for later, earlier in pairs)


def _to_moment(value: JsonValue) -> datetime:
    return datetime.fromisoformat(to_str(value))


def from_weights(record: WeightsRecord) -> JsonValue:
    return {
        "sync_block": record.sync_block,
        "weights": {h: from_float(share) for h, share in record.weights.shares.items()},
        "sent_at": record.sent_at,
        "extrinsic": record.extrinsic,
        "newest_rounds": [[c, block] for c, block in sorted(record.newest_rounds.items())],
    }


def to_weights(value: JsonValue) -> WeightsRecord:
    fields = to_record(value)
    shares = to_record(fields["weights"])
    rounds = [to_round_key(pair) for pair in to_list(fields.get("newest_rounds", []))]
    return WeightsRecord(
        sync_block=Block(to_int(fields["sync_block"])),
        weights=WeightVector({Hotkey(h): to_float(share) for h, share in shares.items()}),
        sent_at=Block(to_int(fields["sent_at"])),
        extrinsic=optional(to_str, fields["extrinsic"]),
        newest_rounds={key.competition: key.sync_block for key in rounds},
    )


def from_beginning(beginning: Beginning) -> JsonValue:
    return {
        "way": beginning.way.value,
        "block": beginning.block,
        "source": beginning.source,
        "num_rescored": beginning.num_rounds_rescored,  # the name in existing states
        "follows_from": [[c, block] for c, block in sorted(beginning.follows_from.items())],
    }


def to_beginning(value: JsonValue) -> Beginning:
    fields = to_record(value)
    rounds = [to_round_key(pair) for pair in to_list(fields["follows_from"])]
    source = optional(to_str, fields["source"])
    return Beginning(
        way=ColdStart(to_str(fields["way"])),
        block=Block(to_int(fields["block"])),
        source=None if source is None else Hotkey(source),
        num_rounds_rescored=to_int(fields.get("num_rescored", 0)),
        follows_from={key.competition: key.sync_block for key in rounds},
    )
