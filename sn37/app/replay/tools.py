"""What a replay needs of the machine it runs on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePath
from typing import Protocol

from sn37.app.config.settings import Settings
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.chain import Chain
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.scorer import OpenedScorer


class ReplayTools(Protocol):
    """Opens what a replay asks for. ``sn37.app.wiring.machine.Machine`` is one."""

    @property
    def settings(self) -> Settings: ...

    def data(
        self, block: Block
    ) -> AbstractAsyncContextManager[tuple[Chain, Callable[[str], DatasetPlugin]]]:
        """A chain that reaches to ``block`` at least, and the data sources; read only."""
        ...

    def require_scorer(self, rules: Competition) -> None:
        """Raise ``CommandError`` unless this machine can score all tasks of a competition."""
        ...

    def scorer(self) -> OpenedScorer:
        """What scores on this machine."""
        ...

    async def needed_tokenizer(self, rules: Competition, given: Path | None) -> PurePath | None:
        """The one given, else the prescribed one; ``None`` where models bring their own."""
        ...

    async def fetch_aside(self, commitment: Commitment, limits: ModelConstraints) -> ModelArtifact:
        """A committed model: the validator's, if that has it whole, else fetched beside it."""
        ...

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """The admission of a local folder; raises ``OSError``."""
        ...
