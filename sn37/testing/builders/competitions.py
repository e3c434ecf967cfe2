"""Builders: competitions, schedules and the members of a subnet."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from sn37.domain.ids import Block, BlockRef, Coldkey, CompetitionId, Hotkey, Netuid, TaskName, Uid
from sn37.domain.metagraph import RAO_PER_TAO, Metagraph, Neuron
from sn37.domain.schedule.competition import (
    Competition,
    Freshness,
    ParameterValue,
    Source,
    Task,
    TokenizerRef,
)
from sn37.domain.schedule.epsilon import Epsilon, FixedEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.normalization import Identity, Normalization
from sn37.domain.schedule.schedule import RoundTiming, Schedule, Stage
from sn37.testing.builders.models import a_revision, some_constraints


def a_block_ref(number: int = 1000) -> BlockRef:
    """Return a block of ``FakeChain``; its hash depends on its number only."""
    return BlockRef(Block(number), "0x" + sha256(f"block {number}".encode()).hexdigest())


def a_neuron(
    hotkey: str = "alice",
    *,
    uid: int = 0,
    coldkey: str | None = None,
    stake_tao: float = 0,
    validator_permit: bool = False,
    registered_at: int = 0,
    last_update: int = 0,
) -> Neuron:
    return Neuron(
        uid=Uid(uid),
        hotkey=Hotkey(hotkey),
        coldkey=Coldkey(f"{hotkey}-cold" if coldkey is None else coldkey),
        stake_rao=round(stake_tao * RAO_PER_TAO),
        validator_permit=validator_permit,
        registered_at=Block(registered_at),
        last_update=Block(last_update),
    )


def a_metagraph(*hotkeys: str, at: int = 1000) -> Metagraph:
    """Return a metagraph of plain neurons with these hotkeys, at uids 0, 1, ..."""
    return Metagraph(
        at=a_block_ref(at), neurons=tuple(a_neuron(h, uid=uid) for uid, h in enumerate(hotkeys))
    )


def a_source(
    name: str = "fake",
    *,
    freshness: Freshness = Freshness.NONE,
    max_age_s: int | None = None,
    signers_netuid: int | None = None,
    min_stake_tao: int = 0,
    signer_share: float = 1.0,
    min_signers: int = 0,
    max_deviations: float | None = None,
    parameters: Mapping[str, ParameterValue] | None = None,
) -> Source:
    if max_age_s is None:
        max_age_s = 3600 if freshness is Freshness.LIVE else 0
    return Source(
        name=name,
        freshness=freshness,
        max_age_s=max_age_s,
        signers_netuid=signers_netuid,
        min_stake_tao=min_stake_tao,
        signer_share=signer_share,
        min_signers=min_signers,
        max_deviations=max_deviations,
        parameters=parameters or {},
    )


def a_task(
    name: str = "text",
    *,
    source: Source | None = None,
    method: Method = Method.REFERENCE_LOSS,
    weight: float = 1.0,
    num_samples: int = 32,
    normalization: Normalization | None = None,
    max_new_tokens: int | None = None,
) -> Task:
    if method.traits.is_generated:
        max_new_tokens = max_new_tokens or 8
    return Task(
        name=TaskName(name),
        source=source or a_source(),
        method=method,
        weight=weight,
        num_samples=num_samples,
        normalization=normalization or Identity(),
        max_new_tokens=max_new_tokens,
    )


def a_competition(
    id: int = 1,  # noqa: A002 - the field's name
    *,
    name: str | None = None,
    reward_share: float = 1.0,
    constraints: ModelConstraints | None = None,
    tasks: tuple[Task, ...] | None = None,
    delay_blocks: int = 360,
    epsilon: Epsilon | None = None,
    timeout_s: float = 60.0,
    tokenizer: TokenizerRef | None = None,
    template: str | None = None,
) -> Competition:
    return Competition(
        id=CompetitionId(id),
        name=f"competition {id}" if name is None else name,
        reward_share=reward_share,
        constraints=constraints or some_constraints(),
        tasks=(a_task(),) if tasks is None else tasks,
        delay_blocks=delay_blocks,
        epsilon=epsilon or FixedEpsilon(0.01),
        timeout_s=timeout_s,
        tokenizer=tokenizer,
        template=template,
    )


def a_tokenizer_ref(repo: str = "sn37/tokenizer", *, revision: str | None = None) -> TokenizerRef:
    return TokenizerRef(repo=repo, revision=a_revision(repo) if revision is None else revision)


def a_timing(
    *,
    genesis: int = 0,
    cadence: int = 360,
    settle: int = 75,
    freeze_lead: int = 50,
    files_grace: int = 100,
) -> RoundTiming:
    return RoundTiming(
        genesis=Block(genesis),
        cadence=cadence,
        settle=settle,
        freeze_lead=freeze_lead,
        files_grace=files_grace,
    )


def a_stage(*competitions: Competition, from_block: int = 0) -> Stage:
    return Stage(from_block=Block(from_block), competitions=competitions or (a_competition(),))


def a_schedule(
    *stages: Stage,
    netuid: int = 37,
    timing: RoundTiming | None = None,
    max_new_entries: int = 20,
    warmup_rounds: int = 1,
    burn: str | None = None,
) -> Schedule:
    return Schedule(
        netuid=Netuid(netuid),
        stages=stages or (a_stage(),),
        timing=timing or a_timing(),
        max_new_entries=max_new_entries,
        warmup_rounds=warmup_rounds,
        burn=None if burn is None else Hotkey(burn),
    )
