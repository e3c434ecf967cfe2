"""Tools of the local machine that a replay needs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePath
from typing import Protocol

from sn37.app.config.settings import Settings
from sn37.app.samples.sources import ChainAndSources
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.scorer import OpenedScorer


class ReplayTools(Protocol):
    """Opens the tools of a replay; implemented by ``sn37.app.wiring.machine.Machine``."""

    @property
    def settings(self) -> Settings: ...

    def data(self, block: Block) -> AbstractAsyncContextManager[ChainAndSources]:
        """Open a chain that reaches at least ``block``, and the data sources; read only."""
        ...

    def require_scorer(self) -> None:
        """Raise ``CommandError`` unless this machine has the packages that scoring needs."""
        ...

    def scorer(self) -> OpenedScorer:
        """Return the scorer of this machine."""
        ...

    async def needed_tokenizer(self, rules: Competition, given: Path | None) -> PurePath | None:
        """Return ``given``, else the prescribed tokenizer; ``None`` if models bring their own."""
        ...

    async def fetch_aside(self, commitment: Commitment, limits: ModelConstraints) -> ModelArtifact:
        """Return a committed model: the validator's copy if complete, else fetched beside it."""
        ...

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """Make the admission checks on a local folder; raises ``OSError``."""
        ...
