"""Builders: scoring jobs, rounds, receipts and recorded state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from sn37.domain.canonical import JsonValue, canonical_digest, canonical_json
from sn37.domain.data.batches import SampleBlock, TaskBatch
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, BlockRef, CompetitionId, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.ids import TaskName as _TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.records.statement import RoundRecord, SignedRound
from sn37.domain.round.signers import signers_of
from sn37.domain.round.state import (
    Beginning,
    ColdStart,
    EntryOutcome,
    EntryResult,
    OpenRound,
    Premises,
    RoundPlan,
    RoundResult,
    TaskDraw,
    TaskScore,
    WeightsRecord,
)
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.submission.submission import Verdict
from sn37.domain.weight_vector import WeightVector
from sn37.testing.builders.competitions import a_block_ref
from sn37.testing.builders.models import (
    a_commitment,
    an_artifact,
    an_entry_key,
    hex_digest,
    some_constraints,
)
from sn37.testing.builders.samples import some_samples


def a_round_key(competition: int = 1, sync_block: int = 720) -> RoundKey:
    return RoundKey(CompetitionId(competition), Block(sync_block))


def a_batch(
    task: str = "text",
    *,
    method: Method = Method.REFERENCE_LOSS,
    samples: tuple[Sample, ...] | None = None,
) -> TaskBatch:
    return TaskBatch(
        task=_TaskName(task), method=method, samples=some_samples() if samples is None else samples
    )


def a_job(
    *,
    artifact: ModelArtifact | None = None,
    constraints: ModelConstraints | None = None,
    batches: tuple[TaskBatch, ...] | None = None,
    timeout_s: float = 60.0,
    tokenizer: PurePath | None = None,
    template: str | None = None,
    skip_blocks: int = 0,
    max_new_tokens: int = 8,
    stop: tuple[str, ...] = (),
) -> ScoringJob:
    batches = (a_batch(),) if batches is None else batches
    return ScoringJob(
        artifact=artifact or an_artifact(),
        constraints=constraints or some_constraints(),
        batches=batches,
        timeout_s=timeout_s,
        tokenizer=tokenizer,
        template=template,
        skip_blocks=skip_blocks,
        budgets={b.task: max_new_tokens for b in batches if b.method.traits.is_generated},
        stop=stop,
    )


def losses(
    *values: float,
    task: str = "text",
    first: int = 0,
    tokens: int | None = None,
    seconds: float = 0.5,
) -> BlockLosses:
    """Return a block of losses; sixteen times 1.0 when no value is given."""
    values = values or (1.0,) * 16
    return BlockLosses(
        block=SampleBlock(_TaskName(task), first, first + len(values)),
        losses=values,
        tokens=10 * len(values) if tokens is None else tokens,
        seconds=seconds,
    )


def a_draw(batch: TaskBatch | None = None, *, pool_size: int = 1000) -> TaskDraw:
    batch = batch or a_batch()
    return TaskDraw(batch=batch, pool_size=pool_size, pool_digest=hex_digest(f"pool {batch.task}"))


def a_round_plan(
    key: RoundKey | None = None,
    *,
    sync: BlockRef | None = None,
    champion: EntryKey | None = None,
    entries: Sequence[EntryKey] | None = None,
    draws: tuple[TaskDraw, ...] | None = None,
    manifest_digest: str | None = None,
    listed: tuple[EntryResult, ...] = (),
    premises: Premises | None = None,
) -> RoundPlan:
    """Return a plan, by default with one entry, one task and no champion yet."""
    key = key or a_round_key()
    if entries is None:
        entries = (champion or an_entry_key(),)
    draws = (a_draw(),) if draws is None else draws
    return RoundPlan(
        key=key,
        sync=sync or a_block_ref(key.sync_block),
        champion=champion,
        entries=tuple(entries),
        draws=draws,
        manifest_digest=hex_digest(f"manifest {key!r}")
        if manifest_digest is None
        else Digest(manifest_digest),
        listed=listed,
        signers=signers_of(d.batch for d in draws),
        premises=premises,
    )


def an_outcome(
    key: EntryKey | None = None,
    *,
    verdict: Verdict = Verdict.SCORED,
    reason: Reason | None = None,
    detail: str = "",
) -> EntryOutcome:
    return EntryOutcome(key=key or an_entry_key(), verdict=verdict, reason=reason, detail=detail)


def a_task_score(task: str = "text", raw: float = 1.0, *, weight: float = 1.0) -> TaskScore:
    return TaskScore(task=_TaskName(task), raw=raw, normalized=raw, weighted=raw * weight)


def an_entry_result(
    key: EntryKey | None = None,
    *,
    repo: str | None = None,
    verdict: Verdict = Verdict.SCORED,
    reason: Reason | None = None,
    detail: str = "",
    score: float | None = 1.0,
    num_samples: int = 32,
) -> EntryResult:
    """Return a result scored on one task; results with other verdicts have no score."""
    key = key or an_entry_key()
    scored = score is not None and verdict is Verdict.SCORED
    return EntryResult(
        key=key,
        repo=f"{key.hotkey}/model" if repo is None else repo,
        verdict=verdict,
        reason=reason,
        detail=detail,
        score=score if scored else None,
        tasks=(a_task_score(raw=score),) if score is not None and scored else (),
        num_samples=num_samples if scored else 0,
    )


def a_round_result(
    key: RoundKey | None = None,
    *,
    sync: BlockRef | None = None,
    manifest_digest: str | None = None,
    champion: EntryKey | None = None,
    entries: tuple[EntryResult, ...] | None = None,
    skipped: Reason | None = None,
) -> RoundResult:
    """Return a round that its only entry won, or a skipped one without entries or manifest."""
    key = key or a_round_key()
    sync = sync or a_block_ref(key.sync_block)
    if skipped is not None:
        return RoundResult(key=key, sync=sync, champion=champion, skipped=skipped)
    champion = champion or an_entry_key()
    return RoundResult(
        key=key,
        sync=sync,
        manifest_digest=hex_digest(f"manifest {key!r}")
        if manifest_digest is None
        else Digest(manifest_digest),
        champion=champion,
        entries=(an_entry_result(champion),) if entries is None else entries,
        missed_defences=0,
    )


def a_receipt(
    key: RoundKey | None = None,
    *,
    commitment: Commitment | None = None,
    manifest: Mapping[_TaskName, tuple[tuple[str, Digest], ...]] | None = None,
    losses: Mapping[_TaskName, tuple[float, ...]] | None = None,
) -> Receipt:
    """Return a receipt, by default of two samples of one task."""
    key = key or a_round_key()
    text = _TaskName("text")
    manifest = manifest or {
        text: (("row-1", hex_digest("one")), ("row-2", hex_digest("two"))),
    }
    rows: list[JsonValue] = [[t, row, c] for t, held in manifest.items() for row, c in held]
    return Receipt(
        round=key,
        sync_hash=a_block_ref(key.sync_block).hash,
        commitment=commitment or a_commitment("alice", 100, competition=key.competition),
        tensor_digest=hex_digest("tensors"),
        manifest=manifest,
        manifest_digest=canonical_digest(rows),
        pools={task: (1000, hex_digest(f"pool {task}")) for task in manifest},
        losses=losses or {task: (1.5,) * len(held) for task, held in manifest.items()},
        code_version="0.1.0",
        schedule_fingerprint=Digest("f" * 64),
        environment={"dtype": "bfloat16", "device": "cpu"},
    )


def a_signed_receipt(text: str = "first", *, hotkey: str = "validator") -> SignedReceipt:
    """Return a document with a signature of the right length that never verifies."""
    return SignedReceipt(
        document=canonical_json({"version": 1, "text": text}),
        hotkey=Hotkey(hotkey),
        signature=hex_digest(text).encode(),
    )


def some_weights(shares: Mapping[str, float] | None = None) -> WeightVector:
    """Return weights, by default all for alice."""
    return WeightVector({Hotkey(h): s for h, s in (shares or {"alice": 1.0}).items()})


def a_weights_record(
    sync_block: int = 720, *, weights: WeightVector | None = None, extrinsic: str | None = None
) -> WeightsRecord:
    return WeightsRecord(
        sync_block=Block(sync_block),
        weights=weights or some_weights(),
        sent_at=Block(sync_block + 5),
        extrinsic=extrinsic,
    )


def a_beginning(
    way: ColdStart = ColdStart.NOTHING,
    *,
    block: int = 700,
    source: str | None = None,
    num_rounds_rescored: int = 0,
    follows_from: Mapping[int, int] | None = None,
) -> Beginning:
    return Beginning(
        way=way,
        block=Block(block),
        source=None if source is None else Hotkey(source),
        num_rounds_rescored=num_rounds_rescored,
        follows_from={CompetitionId(c): Block(b) for c, b in (follows_from or {}).items()},
    )


def a_round_record(key: RoundKey | None = None) -> RoundRecord:
    """Return a finished round with one scored entry, as another validator published it."""
    key = key or a_round_key()
    entry = an_entry_key()
    plan = a_round_plan(key, champion=entry, draws=())
    receipt = a_signed_receipt("receipt", hotkey="other")
    return RoundRecord(
        opened=OpenRound(
            plan=plan,
            journal={entry: (losses(tokens=0, seconds=0.0),)},
            outcomes={entry: an_outcome(entry)},
            environments={entry: {"device": "cpu"}},
        ),
        result=a_round_result(key, champion=entry),
        published=SignedRound(
            key=key, statement=a_signed_receipt("statement", hotkey="other"), receipts=(receipt,)
        ),
    )
