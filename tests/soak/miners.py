"""Miners who go on committing for as long as a soak lasts, written into a simnet world at once.

A simulated chain takes extrinsics for future blocks, so the world needs no hand while the
validator runs, and the same arguments give the same world.
"""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sn37.adapters.admission.files import SINGLE
from sn37.adapters.simnet.chain.extrinsics import RATE_LIMIT_BLOCKS
from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.host.publisher import FolderPublisher
from sn37.adapters.simnet.miners.attackers import Tensor, read_tensors, write_tensors
from sn37.adapters.simnet.miners.roster import FREE, HEAD, INSTRUCT
from sn37.adapters.simnet.world import NETUID, World
from sn37.domain.ids import Block, Coldkey, CompetitionId
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import format_commitment, secure_hash
from sn37.domain.submission.models import ModelRef

MINERS = 5  # of each competition
PERIOD = 7_200  # blocks between two challenges of one hotkey
GUESTS_EVERY = 36_000  # blocks: somebody registers, and is gone as much later
STEP = 1 / 16  # by which a better model's first weight is lower: 6 % of the loss
STRIDE, UNIQUE = 0.02, 1e-3  # the same for real models, and what tells two of equal worth apart
LIMITS = ModelConstraints(
    min_parameters=0,
    max_parameters=1_000_000,
    max_bytes=1 << 24,
    max_tokens=512,
    architectures=frozenset({"LlamaForCausalLM"}),
)


class Kind(Enum):
    """What a miner commits to, compared with the best model so far."""

    BETTER = "better"
    HIDDEN = "hidden"  # a better one whose repository stays private
    COPY = "copy"  # the same tensors
    SEALED = "sealed"  # a better one, under a time lock
    EQUAL = "equal"  # as good, and not the same
    HASTY = "hasty"  # a worse one, and another before the chain allows it
    RESTLESS = "restless"  # a worse one, and another while the challenge limit holds


ORDER: tuple[Kind, ...] = (*Kind, Kind.BETTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One commitment. ``number`` counts those of a competition."""

    competition: CompetitionId
    number: int
    block: Block

    @property
    def kind(self) -> Kind:
        return ORDER[self.number % len(ORDER)]

    @property
    def miner(self) -> str:
        return f"soak-{self.competition}-{self.number % MINERS}"

    @property
    def worth(self) -> int:
        """How many steps it is better than the first: as many as better ones have come before."""
        better = (Kind.BETTER, Kind.SEALED)
        whole, rest = divmod(self.number + 1, len(ORDER))
        steps = whole * sum(k in better for k in ORDER) + sum(k in better for k in ORDER[:rest])
        return steps - (self.kind in (Kind.HASTY, Kind.RESTLESS))

    @property
    def origin(self) -> int:
        """The number of the move whose tensors these are: another's, of a copy."""
        return self.number - ORDER.index(Kind.COPY) * (self.kind is Kind.COPY)


def moves(until: Block) -> Iterator[Move]:
    """Every commitment up to a block, in order."""
    for number in range((until - HEAD) // (PERIOD // MINERS)):
        block = Block(HEAD + 10 + number * (PERIOD // MINERS))
        for competition in (INSTRUCT, FREE):
            yield Move(competition=competition, number=number, block=block)


def populate(world: World, seed: int, until: Block, scratch: Path, *, loadable: bool) -> int:
    """Publish and schedule all commitments up to a block; how many there are.

    Args:
        scratch: An empty folder, for one model at a time.
        loadable: Make models for the real worker, and not only for one that pretends.
    """
    builder = ChainBuilder(world.chain_path, netuid=NETUID)
    publisher = FolderPublisher(world.repos)
    make = _blended if loadable else _marked
    count = 0
    try:
        _register(builder, seed, until)
        for move in moves(until):
            source = _folder(world, move.competition, "large")
            model = scratch / source.name
            if not model.exists():
                shutil.copytree(source, model)
            write_tensors(model / SINGLE, make(world, move))
            asyncio.run(_commit(builder, publisher, seed, move, model))
            count += 1
    finally:
        builder.close()
    return count


def _register(builder: ChainBuilder, seed: int, until: Block) -> None:
    def join(name: str, block: int) -> None:
        hotkey, coldkey = (_signer(seed, n).hotkey for n in (name, f"{name}/cold"))
        builder.register(NETUID, hotkey, Coldkey(coldkey), 0, False, Block(block))

    for competition in (INSTRUCT, FREE):
        for miner in range(MINERS):
            join(f"soak-{competition}-{miner}", HEAD + 1)
    for start in range(HEAD + GUESTS_EVERY, until, GUESTS_EVERY):
        join(f"guest-{start}", start)
        builder.deregister(
            NETUID, _signer(seed, f"guest-{start}").hotkey, Block(start + GUESTS_EVERY)
        )


async def _commit(
    builder: ChainBuilder, publisher: FolderPublisher, seed: int, move: Move, model: Path
) -> None:
    signer = _signer(seed, move.miner)
    repo = f"{move.miner}/{'hidden' if move.kind is Kind.HIDDEN else 'model'}"
    revision, hashes = await publisher.upload(model, repo, LIMITS)
    if move.kind is not Kind.HIDDEN:
        await publisher.make_public(repo)
    ref = ModelRef(repo=repo, revision=revision, secure_hash=secure_hash(hashes.v2, signer.hotkey))
    text = format_commitment(ref, move.competition)
    if move.kind is Kind.SEALED:
        builder.schedule_sealed(signer, text, move.block, Block(move.block + 100))
    else:
        builder.schedule_commit(signer, text, move.block)
    if move.kind is Kind.HASTY:
        builder.schedule_commit(signer, text, Block(move.block + RATE_LIMIT_BLOCKS // 2))
    if move.kind is Kind.RESTLESS:
        builder.schedule_commit(signer, text, Block(move.block + PERIOD // 2))


def _marked(world: World, move: Move) -> list[Tensor]:
    """A part of a model. Its first weight is its worth, its last the mark of the move."""
    source = read_tensors(_folder(world, move.competition, "large") / SINGLE)
    first, *rest = (t for t in source if "layers." not in t.name)
    head, mark = struct.pack("<f", -STEP * move.worth)[2:], move.origin.to_bytes(2, "little")
    return [replace(first, data=head + first.data[2:-2] + mark), *rest]


def _blended(world: World, move: Move) -> list[Tensor]:
    """A model some steps further from the medium budget's to the large one's, and beyond."""
    large, medium = (
        read_tensors(_folder(world, move.competition, budget) / SINGLE)
        for budget in ("large", "medium")
    )
    share = np.float32(STRIDE * move.worth + UNIQUE * move.origin)
    return [
        replace(a, data=_to_bfloat16(x + share * (x - y)))
        for a, b in zip(large, medium, strict=True)
        for x, y in [(_from_bfloat16(a.data), _from_bfloat16(b.data))]
    ]


def _from_bfloat16(data: bytes) -> npt.NDArray[np.float32]:
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


def _to_bfloat16(values: npt.NDArray[np.float32]) -> bytes:
    """Rounded towards zero."""
    return (values.view(np.uint32) >> 16).astype("<u2").tobytes()


def _folder(world: World, competition: CompetitionId, budget: str) -> Path:
    return world.population.folders[f"c{competition}-honest-{budget}"]


def _signer(seed: int, name: str) -> SimnetSigner:
    return SimnetSigner(keypair(seed, name))
