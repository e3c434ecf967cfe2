"""Evaluation of a model: scored as in a validator's round, and compared with the champion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.base_sources import Local, Published, source_of
from sn37.app.mining.champions import Champion, champions
from sn37.app.mining.connections import ReadConnection
from sn37.app.mining.evaluation import Evaluation, duel, first_round
from sn37.app.mining.miner_tools import MinerTools
from sn37.app.samples.samples_at import RoundSamples, samples_at
from sn37.app.samples.sources import Sources
from sn37.app.schedule.lookup import competition_of, rules_of_network, running_competition
from sn37.app.training.config import run_of
from sn37.app.training.split import frozen
from sn37.domain.data.batches import TaskBatch
from sn37.domain.ids import Block, Digest, RoundKey
from sn37.domain.reasons import Reason
from sn37.domain.round.evidence import task_scores, weigh
from sn37.domain.round.near_duplicates import distance
from sn37.domain.round.signers import origins_of, signers_of
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import RoundTiming, Schedule
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob, job_under
from sn37.domain.scoring.worst_loss import are_too_many, bounded, num_lost
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ModelRejected
from sn37.ports.scorer import Scorer

# A miner's machine may be slow; the time it took is shown beside what a validator allows.
SCORING_S = 6 * 3600.0

# Called with what is scored, and how many of how many blocks of samples are done.
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Model, competition and samples of an evaluation."""

    source: Local | Published
    competition: int
    at: Block | None = None  # a round's sync block; ``None``: as if one began now
    tokenizer: Path | None = None  # folder of the competition's; ``None``: download it
    trained: Path | None = None  # folder of the run that trained it; ``None``: the one beside it


def source_of_model(text: str) -> Local | Published:
    """Return the folder or commit that the text names.

    Raises:
        UsageError: The text names something else, or nothing.
    """
    source = source_of(text)
    if not isinstance(source, Local | Published):
        raise UsageError(
            f"{text}: expected a folder or NAMESPACE/NAME@COMMIT; fetch other models first with: "
            "sn37 miner base"
        )
    return source


async def evaluate(tools: MinerTools, request: EvaluateRequest, *, told: Told) -> Evaluation:
    """Return admission, scores and evidence of a model, computed as a validator computes them.

    Raises:
        CommandError, UsageError: It cannot be evaluated here; says why and what to do.
        ModelNotPublic: The repository cannot be read.
        Unavailable: Chain, host, source or device failed; the same command tries again.
    """
    settings = tools.settings
    loaded = rules_of_network(settings)
    competition_of(loaded, request.competition)  # refuse an unknown one before anything is read
    tools.require_scorer()
    async with tools.reading() as network:
        head = (await network.chain.head()).number
        block = head if request.at is None else request.at
        if block > head:
            raise CommandError(f"block {block} does not exist yet; the newest is {head}")
        rules = running_competition(loaded, request.competition, block, settings)
        with ExitStack() as cleanup:
            examined = await _examined(network, tools, request.source, rules, cleanup)
            found = Evaluation(
                rules=rules, block=block, artifact=examined.artifact, refusal=examined.refusal
            )
            if examined.artifact is None:
                return found
            known = await champions(network.chain, loaded.schedule, tools.state())
            rival = await _rival(network, known.get(rules.id), rules)
            if (
                rival is not None
                and rival.artifact.tensor_digest == examined.artifact.tensor_digest
            ):
                return replace(found, same_as=rival.champion.commitment)
            samples = await _samples(network, tools, loaded.schedule, found, request)
            tokenizer = await tools.needed_tokenizer(rules, request.tokenizer)
            job = replace(
                job_under(
                    rules,
                    artifact=examined.artifact,
                    batches=samples.batches,
                    tokenizer=tokenizer,
                ),
                timeout_s=SCORING_S,
            )
            found = replace(
                found,
                num_samples=sum(len(b.samples) for b in samples.batches),
                num_left_out=samples.num_left_out,
                period=_period(samples.batches),
            )
            timing = loaded.schedule.timing
            return await _compared(tools, found, job, rival, timing=timing, head=head, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rival:
    """The champion, with its model on disk."""

    champion: Champion
    artifact: ModelArtifact


async def _compared(
    tools: MinerTools,
    found: Evaluation,
    job: ScoringJob,
    rival: _Rival | None,
    *,
    timing: RoundTiming,
    head: Block,
    told: Told,
) -> Evaluation:
    rules, theirs = found.rules, tuple[BlockLosses, ...]()
    scorer = tools.scorer()
    try:
        if rival is not None:
            champions_job = replace(job, artifact=rival.artifact)
            theirs = await _champions_losses(scorer, champions_job, rules, told)
        ours = await _losses(scorer, job, rules, "the model", told)
    except ModelRejected as error:
        return replace(found, refusal=Violation(reason=error.reason, detail=str(error)))
    finally:
        await scorer.aclose()
    if detail := _lost(ours, rules):
        return replace(found, refusal=Violation(reason=Reason.NON_FINITE, detail=detail))
    found = replace(
        found,
        tasks=task_scores(ours, rules),
        scoring_s=sum(block.seconds for block in ours),
        first_round=first_round(rules, timing, head),
    )
    if rival is None:
        return found
    try:
        compared = duel(
            rival.champion.commitment,
            known_from=rival.champion.known_from,
            champion_tasks=task_scores(theirs, rules),
            evidence=({found.block: weigh(theirs, rules)}, {found.block: weigh(ours, rules)}),
            origins=origins_of(signers_of(job.batches), rules),
            distance=distance(theirs, ours),
            rules=rules,
            timing=timing,
            head=head,
        )
    except ValueError as error:
        raise CommandError(f"no comparison with the champion: {error}") from error
    return replace(found, duel=compared)


async def _examined(
    network: ReadConnection,
    tools: MinerTools,
    source: Local | Published,
    rules: Competition,
    cleanup: ExitStack,
) -> Examined:
    """Return the result of the admission. ``cleanup`` removes the files downloaded for it."""
    match source:
        case Local(folder=folder):
            try:
                return tools.examine_folder(folder, rules.constraints, weights=True)
            except OSError as error:
                raise CommandError(f"{folder}: {error.strerror or error}") from error
        case Published(repo=repo, name=name):
            commit = await network.examiner.commit_of(repo, name)
            cleanup.callback(network.examiner.discard, repo, commit)
            return await network.examiner.examine(repo, commit, rules.constraints, weights=True)


async def _rival(
    network: ReadConnection, champion: Champion | None, rules: Competition
) -> _Rival | None:
    """Fetch the champion's model. It stays on disk for the next time; older ones are removed."""
    if champion is None:
        return None
    commitment = champion.commitment
    await network.models.evict(keep=[commitment.model])
    try:
        artifact = await network.models.fetch(commitment, rules.constraints)
    except ModelRejected as error:
        raise CommandError(f"the champion by {champion.known_from} is refused: {error}") from error
    return _Rival(champion=champion, artifact=artifact)


async def _samples(
    network: ReadConnection,
    tools: MinerTools,
    schedule: Schedule,
    found: Evaluation,
    request: EvaluateRequest,
) -> RoundSamples:
    key = RoundKey(found.rules.id, found.block)
    return await samples_at(
        network.chain,
        Sources(network.find_source),
        schedule,
        found.rules,
        key,
        kept=tools.pools(key),
        known=_learnt(request),
    )


def _learnt(request: EvaluateRequest) -> frozenset[Digest]:
    """Return content hashes of the rows that the model was trained on, as far as known."""
    run = request.trained
    if run is None and isinstance(request.source, Local):
        run = run_of(request.source.folder)
    split = None if run is None else frozen(run)
    if split is None:
        if request.trained is not None:
            raise CommandError(f"--trained {request.trained}: not a run of sn37 miner train")
        return frozenset()
    return frozenset(s.content_hash for batch in split.training for s in batch.samples)


async def _champions_losses(
    scorer: Scorer, job: ScoringJob, rules: Competition, told: Told
) -> tuple[BlockLosses, ...]:
    try:
        blocks = await _losses(scorer, job, rules, "the champion", told)
    except ModelRejected as error:
        raise CommandError(f"the champion cannot be scored here: {error}") from error
    if detail := _lost(blocks, rules):
        raise CommandError(f"no comparison with the champion: {detail}")
    return blocks


def _lost(blocks: Sequence[BlockLosses], rules: Competition) -> str:
    """Return why a round would refuse such losses, or ""."""
    lost, total = num_lost(blocks, rules), sum(len(block.losses) for block in blocks)
    return f"{lost} of {total} losses are NaN or infinite" if are_too_many(lost, total) else ""


async def _losses(
    scorer: Scorer, job: ScoringJob, rules: Competition, what: str, told: Told
) -> tuple[BlockLosses, ...]:
    blocks, total = list[BlockLosses](), len(job.blocks())
    async with aclosing(scorer.score(job)) as stream:
        async for block in stream:
            blocks.append(bounded(block, rules))
            told(what, len(blocks), total)
    return tuple(blocks)


def _period(batches: Sequence[TaskBatch]) -> tuple[datetime, datetime] | None:
    """Return the times of the oldest and the newest sample, if any has a time."""
    times: Iterable[datetime | None] = (
        s.provenance.produced_at for b in batches for s in b.samples
    )
    known = sorted(t for t in times if t is not None)
    return (known[0], known[-1]) if known else None
