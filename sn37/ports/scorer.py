"""Port: running a model over samples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from sn37.domain.scoring.jobs import BlockLosses, ScoringJob
from sn37.domain.submission.models import ModelArtifact


class Scorer(Protocol):
    """Scorer of one model at a time.

    Equal jobs on equal hardware give bit-identical losses. A miner's model can never crash
    or hang the caller, because it runs in its own process.
    """

    def score(self, job: ScoringJob) -> AsyncGenerator[BlockLosses, None]:
        """Load the model and yield the losses of ``job.blocks()``, in order.

        Each block includes the losses of its controls, see ``controls.controls_of``.

        The first ``job.skip_blocks`` blocks are left out. Closing the generator early
        ends the worker and frees the device; blocks already yielded stay valid.

        Raises:
            ModelRejected: The model is at fault (``unloadable``, ``tokenizer``, ``template``,
                ``memory``, ``timeout``: it took longer than ``deadlines_of(job)`` allows, ...).
            ScorerUnavailable: The device or worker failed, or made no progress (``stalled``); the
                model keeps its place.
        """
        ...

    def read_ahead(self, artifact: ModelArtifact) -> None:
        """Announce that this model comes next, so that its files can be read ahead.

        Returns at once; only the newest hint counts. Changes no loss and never raises, even
        when the files are missing or broken.
        """
        ...


class OpenedScorer(Scorer, Protocol):
    """Scorer that the caller must close, and that reports what its losses depend on."""

    def environment(self) -> Mapping[str, str]:
        """Return device, dtype, versions: all that the last bits of losses depend on."""
        ...

    async def aclose(self) -> None:
        """End every process that the scorer has started."""
        ...
