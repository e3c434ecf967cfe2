"""Competitions, commitments and members of a simulated subnet."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from sn37.domain.ids import Block, BlockRef, Coldkey, CompetitionId, Digest, Hotkey, TaskName, Uid
from sn37.domain.metagraph import Metagraph, Neuron
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.epsilon import Epsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.domain.submission.submission import Submission

ONE = CompetitionId(1)
TEXT = TaskName("text")
REPLIES = TaskName("replies")


def one_task(samples: int) -> tuple[Task, ...]:
    """Return the text task of most scenarios."""
    return (
        Task(
            name=TEXT,
            source=Source(name="simulated", freshness=Freshness.NONE),
            method=Method.TEXT_LOSS,
            weight=1.0,
            num_samples=samples,
        ),
    )


def two_tasks(samples: int) -> tuple[Task, ...]:
    """Return text, 70 % of the score, and replies to prompts, each with its level."""
    source = Source(name="simulated", freshness=Freshness.NONE)
    num_replies = samples // 3
    return (
        Task(
            name=TEXT,
            source=source,
            method=Method.TEXT_LOSS,
            weight=0.7,
            num_samples=samples - num_replies,
            level=2.5,
        ),
        Task(
            name=REPLIES,
            source=source,
            method=Method.REFERENCE_LOSS,
            weight=0.3,
            num_samples=num_replies,
            level=0.9,
        ),
    )


def a_simulated_competition(
    tasks: tuple[Task, ...], epsilon: Epsilon, delay_blocks: int
) -> Competition:
    """Return a competition that admits every model."""
    return Competition(
        id=ONE,
        name="simulated",
        reward_share=1.0,
        constraints=ModelConstraints(
            min_parameters=0,
            max_parameters=10**9,
            max_bytes=10**9,
            max_tokens=64,
            architectures=frozenset({"Any"}),
        ),
        tasks=tasks,
        delay_blocks=delay_blocks,
        epsilon=epsilon,
        timeout_s=60.0,
    )


def a_simulated_submission(hotkey: Hotkey, block: Block) -> Submission:
    """Return a submission whose files are on disk, and whose tensors are unique."""
    ref = ModelRef(
        repo=f"{hotkey}/m{block}",
        revision=f"{block:040x}",
        secure_hash=Digest(f"{hotkey} {block}"),
    )
    return Submission(
        commitment=Commitment(
            hotkey=hotkey, block=block, competition=ONE, model=ref, format=CommitmentFormat.V2
        ),
        clock_block=block,
        artifact=ModelArtifact(
            ref=ref,
            path=PurePosixPath("/"),
            size_bytes=1,
            parameters=1,
            architecture="Any",
            content_digest=Digest(ref.repo),
            tensor_digest=Digest(ref.repo),
        ),
    )


def members(at: Block, hotkeys: Collection[Hotkey]) -> Metagraph:
    """Return a metagraph in which all hotkeys are registered from the first block on."""
    return Metagraph(
        at=BlockRef(at, f"0x{at:064x}"),
        neurons=tuple(
            Neuron(
                uid=Uid(uid),
                hotkey=hotkey,
                coldkey=Coldkey(f"{hotkey} cold"),
                stake_rao=0,
                validator_permit=False,
                registered_at=Block(0),
                last_update=Block(0),
            )
            for uid, hotkey in enumerate(sorted(hotkeys))
        ),
    )
