"""From a round's plan to the job of scoring one model."""

from __future__ import annotations

from sn37.app.rounds.model_fetch import bring
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.data.batches import TaskBatch
from sn37.domain.round.state import RoundPlan
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.submission.commitment import Commitment
from sn37.ports.model_store import ModelStore


class JobBuilder:
    """Adds the prescribed tokenizer's folder to what plan and rules say."""

    def __init__(self, store: ModelStore, keeper: StateKeeper) -> None:
        self._store = store
        self._keeper = keeper

    async def build(
        self, plan: RoundPlan, rules: Competition, commitment: Commitment, *, skip_blocks: int = 0
    ) -> ScoringJob:
        """The job; the same for every model of the round but for the artifact.

        A model that has been evicted since it was fetched is fetched once more.

        Raises:
            StoreUnavailable: The prescribed tokenizer or an evicted model cannot be fetched.
            ModelNotPublic: An evicted model can no longer be read.
        """
        artifact = await bring(self._store, self._keeper, commitment, rules.constraints)
        tokenizer = await self._store.tokenizer(rules.tokenizer) if rules.tokenizer else None
        return ScoringJob(
            artifact=artifact,
            constraints=rules.constraints,
            batches=tuple(d.batch for d in plan.draws),
            timeout_s=rules.timeout_s,
            tokenizer=tokenizer,
            template=rules.template,
            skip_blocks=skip_blocks,
        )

    async def build_base(self, rules: Competition, batches: tuple[TaskBatch, ...]) -> ScoringJob:
        """The job of scoring the competition's base model, which has one, on these samples.

        It has as much more time than an entry as it has more samples.

        Raises:
            StoreUnavailable: The base model or the tokenizer cannot be fetched.
        """
        assert rules.base_model is not None
        artifact = await self._store.base_model(rules.base_model, rules.constraints)
        tokenizer = await self._store.tokenizer(rules.tokenizer) if rules.tokenizer else None
        num_samples = sum(len(batch.samples) for batch in batches)
        share = num_samples / sum(task.num_samples for task in rules.tasks)
        return ScoringJob(
            artifact=artifact,
            constraints=rules.constraints,
            batches=batches,
            timeout_s=rules.timeout_s * max(1.0, share),
            tokenizer=tokenizer,
            template=rules.template,
        )
