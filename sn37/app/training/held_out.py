"""Admission and held-out score of a model in training, as a validator would compute them."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from sn37.app.errors import CommandError
from sn37.app.training.split import Split
from sn37.app.training.training_tools import TrainingTools
from sn37.domain.known_facts import known
from sn37.domain.round.evidence import task_scores, total_score
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.scoring.worst_loss import bounded
from sn37.domain.submission.models import ModelArtifact
from sn37.domain.training import TrainingJob
from sn37.ports.errors import ModelRejected
from sn37.ports.scorer import Scorer

SCORING_S = 6 * 3600.0  # for one evaluation; a miner's machine may be slow


def admitted(tools: TrainingTools, folder: Path, rules: Competition, what: str) -> ModelArtifact:
    """Return the model in ``folder`` after a validator's admission.

    Raises:
        ModelRejected: A validator would not admit it.
    """
    try:
        examined = tools.examine_folder(folder, rules.constraints, weights=True)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror or error}") from error
    if (refusal := examined.refusal) is not None:
        raise ModelRejected(
            f"{what} {folder}: a validator would refuse it in competition {rules.id} "
            f"({rules.name}): {refusal.reason.value}: {refusal.detail}",
            reason=refusal.reason,
        )
    return known(examined.artifact, "its weights were checked, and were not refused")


async def held_out_score(
    scorer: Scorer, artifact: ModelArtifact, job: TrainingJob, rules: Competition, data: Split
) -> float:
    """Return the score as in a round, over the tasks that have held-out samples.

    Raises:
        ModelRejected, ScorerUnavailable: See ``Scorer``.
    """
    order = ScoringJob(
        artifact=artifact,
        constraints=rules.constraints,
        batches=data.held_out,
        timeout_s=SCORING_S,
        tokenizer=job.tokenizer,
        template=job.template,
    )
    async with aclosing(scorer.score(order)) as stream:
        blocks = [bounded(block, rules) async for block in stream]
    return total_score(task_scores(blocks, rules))
