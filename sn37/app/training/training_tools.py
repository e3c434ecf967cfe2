"""Tools of the local machine that training needs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePath
from typing import Protocol

from sn37.app.config.settings import Settings
from sn37.app.samples.installed import InstalledPlugin
from sn37.app.samples.sources import ChainAndSources
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.training import Evaluated, Step
from sn37.ports.scorer import OpenedScorer
from sn37.ports.trainer import Trainer


class Curves(Protocol):
    """Receiver of a run's curves."""

    def step(self, step: Step) -> None: ...

    def evaluated(self, found: Evaluated) -> None: ...

    def close(self) -> None: ...


class TrainingTools(Protocol):
    """Opens the tools of training; implemented by ``sn37.app.wiring.machine.Machine``."""

    @property
    def settings(self) -> Settings: ...

    def installed_plugin(self, name: str) -> InstalledPlugin:
        """Return the plug-in of an installed package; raises ``LookupError``."""
        ...

    def data(self, block: Block) -> AbstractAsyncContextManager[ChainAndSources]:
        """Open a chain that reaches at least ``block``, and the data sources; read only."""
        ...

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """Make the admission checks on a local folder; raises ``OSError``."""
        ...

    async def prescribed_tokenizer(self, ref: TokenizerRef, *, online: bool) -> PurePath | None:
        """Return the folder of a competition's tokenizer; ``None`` if this machine lacks it."""
        ...

    def scorer(self, *, allow_weak_sandbox: bool = False) -> OpenedScorer:
        """Return the scorer of this machine."""
        ...

    def trainer(self, *, threads: int | None) -> Trainer:
        """Return the trainer of this machine."""
        ...

    def wandb(self, project: str, folder: Path, *, fingerprint: str) -> Curves:
        """Return a receiver that sends a run's curves to Weights and Biases."""
        ...

    def draw_losses(
        self, file: Path, steps: Sequence[Step], evaluations: Sequence[Evaluated]
    ) -> None:
        """Plot a run's losses as a PNG; raises ``OSError``."""
        ...
