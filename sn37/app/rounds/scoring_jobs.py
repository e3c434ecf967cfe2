"""Jobs for scoring models, made from a round's plan."""

from __future__ import annotations

from dataclasses import replace

from sn37.app.rounds.model_fetch import fetch_model
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.data.batches import TaskBatch
from sn37.domain.known_facts import known
from sn37.domain.round.state import RoundPlan
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.jobs import ScoringJob, job_under
from sn37.domain.submission.commitment import Commitment
from sn37.ports.model_store import ModelStore


class JobBuilder:
    """Builder of scoring jobs from plan, rules and the prescribed tokenizer's folder."""

    def __init__(self, store: ModelStore, keeper: StateKeeper) -> None:
        self._store = store
        self._keeper = keeper

    async def build(
        self, plan: RoundPlan, rules: Competition, commitment: Commitment, *, skip_blocks: int = 0
    ) -> ScoringJob:
        """Return the job; it is the same for every model of the round except for the artifact.

        A model that was evicted is fetched again.

        Raises:
            StoreUnavailable: The prescribed tokenizer or an evicted model cannot be fetched.
            ModelNotPublic: An evicted model can no longer be read.
        """
        artifact = await fetch_model(self._store, self._keeper, commitment, rules.constraints)
        tokenizer = await self._store.tokenizer(rules.tokenizer) if rules.tokenizer else None
        batches = tuple(d.batch for d in plan.draws)
        job = job_under(rules, artifact=artifact, batches=batches, tokenizer=tokenizer)
        return replace(job, skip_blocks=skip_blocks)

    async def build_base(self, rules: Competition, batches: tuple[TaskBatch, ...]) -> ScoringJob:
        """Return the job that scores the competition's base model, which it must have.

        Its time limit is that of an entry, scaled by the number of samples.

        Raises:
            StoreUnavailable: The base model or the tokenizer cannot be fetched.
        """
        base = known(rules.base_model, "it is asked for where there is a base model")
        artifact = await self._store.base_model(base, rules.constraints)
        tokenizer = await self._store.tokenizer(rules.tokenizer) if rules.tokenizer else None
        num_samples = sum(len(batch.samples) for batch in batches)
        share = num_samples / sum(task.num_samples for task in rules.tasks)
        job = job_under(rules, artifact=artifact, batches=batches, tokenizer=tokenizer)
        return replace(job, timeout_s=rules.timeout_s * max(1.0, share))
