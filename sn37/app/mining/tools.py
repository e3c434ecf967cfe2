"""What a miner's use cases need of the machine they run on."""

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
from sn37.domain.schedule.competition import Competition, Method, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.model_store import ModelExaminer
from sn37.ports.scorer import OpenedScorer


class MinerTools(Protocol):
    """Opens what a use case asks for. ``sn37.app.wiring.machine.Machine`` is one."""

    @property
    def settings(self) -> Settings: ...

    def state(self) -> ValidatorState | None:
        """What a validator has recorded in the state folder; ``None`` where none has run."""
        ...

    def pools(self, key: RoundKey) -> Mapping[TaskName, Pool]:
        """The pools of a round that the state folder still has."""
        ...

    def reading(self) -> AbstractAsyncContextManager[ReadConnection]:
        """The network, to be read only."""
        ...

    def writing(self) -> AbstractAsyncContextManager[MinerConnection]:
        """The network, for the hotkey of the settings, which may write."""
        ...

    def examiner(self) -> ModelExaminer:
        """The admission of repositories."""
        ...

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """The admission of a local folder; raises ``OSError``."""
        ...

    def positions_of(self, artifact: ModelArtifact) -> int | None:
        """The longest sequence that an admitted model has positions for, if it has a table."""
        ...

    def require_scorer(self, rules: Competition) -> None:
        """Raise ``CommandError`` unless this machine can score all tasks of a competition."""
        ...

    def scored_methods(self) -> frozenset[Method]:
        """The kinds of task that this version can score."""
        ...

    def scorer(self) -> OpenedScorer:
        """What scores on this machine."""
        ...

    async def prescribed_tokenizer(self, ref: TokenizerRef, *, online: bool) -> PurePath | None:
        """Folder of a competition's tokenizer; ``None`` when it is not on this machine."""
        ...

    async def needed_tokenizer(self, rules: Competition, given: Path | None) -> PurePath | None:
        """The one given, else the prescribed one; ``None`` where models bring their own."""
        ...
