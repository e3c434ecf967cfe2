"""The validator as its command line runs it, but for a scorer that only pretends to score.

``python -m tests.soak.fake_validator`` takes the validator's own flags. Chain, models, feed,
state and telemetry are the real ones; where a round takes a worker ten seconds, here it takes
a few hundredths of one. Losses are a function of a model's bytes and a sample, as real ones are.
"""

from __future__ import annotations

import asyncio
import math
import struct
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from sn37.adapters.admission.header import read_header
from sn37.app.cli.validator import main
from sn37.app.wiring.container import Container
from sn37.domain.data.samples import Sample
from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.submission.models import ModelArtifact

if TYPE_CHECKING:
    from sn37.ports.scorer import Scorer

NOISE = 0.03  # by which two models of equal skill differ on a sample, as a share of the loss


@dataclass(frozen=True, slots=True)
class Confinement:
    """There is no worker to confine."""

    label: str = "none: no model is loaded"
    missing: tuple[str, ...] = ()


class PretendingScorer:
    """A ``Scorer`` that reads two bytes of a model.

    A loss is the sample's difficulty times the exponential of the model's very first weight,
    and some noise of that model on that sample: a lower first weight is a better model, one
    that is NaN has no finite loss.
    """

    async def sandbox(self) -> Confinement:
        return Confinement()

    def environment(self) -> Mapping[str, str]:
        return {"device": "none"}

    async def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        weight = first_weight(Path(job.artifact.path))
        samples = {batch.task: batch.samples for batch in job.batches}
        for block in job.blocks()[job.skip_blocks :]:
            await asyncio.sleep(0)  # others get a turn, as with a worker
            chosen = samples[block.task][block.first : block.stop]
            yield BlockLosses(
                block=block,
                losses=tuple(loss(job.artifact, weight, sample) for sample in chosen),
                tokens=len(chosen),
                seconds=0.0,
            )

    def read_ahead(self, artifact: ModelArtifact) -> None:
        """Nothing is worth it."""

    async def aclose(self) -> None:
        """Nothing is held."""


@lru_cache(maxsize=64)
def first_weight(folder: Path) -> float:
    """Of a model in bfloat16: the upper half of a float32."""
    shard = min(folder.glob("*.safetensors"))
    with shard.open("rb") as file:
        file.seek(read_header(shard).tensors[0].begin)
        (weight,) = struct.unpack("<f", b"\0\0" + file.read(2))
    return float(weight)


def loss(artifact: ModelArtifact, weight: float, sample: Sample) -> float:
    """Between 1 and 3 for a model whose first weight is 0, but for the noise."""
    content = sample.content_hash
    noise = _uniform(f"{artifact.tensor_digest} {content}") - 0.5
    return (1 + 2 * int(content[:12], 16) / 16**12) * (1 + NOISE * noise) * math.exp(weight)


def _uniform(text: str) -> float:
    return int.from_bytes(sha256(text.encode()).digest()[:6]) / 2**48


@containers.override(Container)
class PretendingContainer(containers.DeclarativeContainer):
    """What a process that imports this module gets in place of the real scorer."""

    scorer = providers.Singleton(PretendingScorer)


if TYPE_CHECKING:
    _scorer: Scorer = PretendingScorer()

if __name__ == "__main__":
    sys.exit(main())
