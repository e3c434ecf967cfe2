"""Tools of the local machine that a miner's use cases need."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePath
from typing import Protocol

from sn37.app.config.settings import Settings
from sn37.app.mining.connections import MinerConnection, ReadConnection
from sn37.domain.data.samples import Pool
from sn37.domain.ids import RoundKey, TaskName
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.competition import Competition, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.model_store import ModelExaminer
from sn37.ports.scorer import OpenedScorer


class MinerTools(Protocol):
    """Opens the tools of a use case; implemented by ``sn37.app.wiring.machine.Machine``."""

    @property
    def settings(self) -> Settings: ...

    def state(self) -> ValidatorState | None:
        """Return a validator's record in the state folder; ``None`` if no validator has run."""
        ...

    def pools(self, key: RoundKey) -> Mapping[TaskName, Pool]:
        """Return the pools of a round that the state folder still has."""
        ...

    def reading(self) -> AbstractAsyncContextManager[ReadConnection]:
        """Open the network for reading only."""
        ...

    def writing(self) -> AbstractAsyncContextManager[MinerConnection]:
        """Open the network for writing with the hotkey of the settings."""
        ...

    def examiner(self) -> ModelExaminer:
        """Return the examiner of repositories."""
        ...

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """Make the admission checks on a local folder; raises ``OSError``."""
        ...

    def positions_of(self, artifact: ModelArtifact) -> int | None:
        """Return the number of positions of an admitted model, if it has a table of them."""
        ...

    def require_scorer(self) -> None:
        """Raise ``CommandError`` unless this machine has the packages that scoring needs."""
        ...

    def scorer(self) -> OpenedScorer:
        """Return the scorer of this machine."""
        ...

    async def prescribed_tokenizer(self, ref: TokenizerRef, *, online: bool) -> PurePath | None:
        """Return the folder of a competition's tokenizer; ``None`` if this machine lacks it."""
        ...

    async def needed_tokenizer(self, rules: Competition, given: Path | None) -> PurePath | None:
        """Return ``given``, else the prescribed tokenizer; ``None`` if models bring their own."""
        ...
