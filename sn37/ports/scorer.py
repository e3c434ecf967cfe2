"""Port: the machine that runs a model over samples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.submission.models import ModelArtifact


class Scorer(Protocol):
    """Score one model at a time.

    Equal jobs on equal hardware give bit-identical losses. A miner's model can never crash
    or hang the caller: it runs in a process of its own.
    """

    def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        """Load the model and yield the losses of ``job.blocks()``, in order.

        Each block comes with what its controls cost, see ``controls.controls_of``.

        ``job.skip_blocks`` blocks at the start are left out. Closing the generator early
        ends the worker and frees the device; blocks already yielded stay valid.

        Raises:
            ModelRejected: The model is at fault (``unloadable``, ``tokenizer``, ``template``,
                ``memory``, ``timeout``: it computed longer than ``deadlines_of(job)`` has it, ...).
            ScorerUnavailable: The device or worker failed, or stood still (``stalled``); the model
                keeps its place.
        """
        ...

    def read_ahead(self, artifact: ModelArtifact) -> None:
        """A hint that this model comes next, so that its files can be brought nearer.

        Returns at once; only the newest hint counts. Changes no loss and never raises,
        whatever has become of the files.
        """
        ...


class OpenedScorer(Scorer, Protocol):
    """A scorer that whoever opened it closes, and that says what its losses depend on."""

    def environment(self) -> Mapping[str, str]:
        """Device, dtype, versions: what the last bits of losses depend on, for receipts."""
        ...

    async def aclose(self) -> None:
        """End every process that it has started."""
        ...
