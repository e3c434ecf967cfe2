"""What a miner's commands see of a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sn37.domain.ids import Hotkey
from sn37.domain.submission.base_models import BaseModel
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.model_store import ModelExaminer, ModelPublisher, ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConnection:
    """Opened adapters that read only."""

    chain: Chain
    models: ModelStore
    examiner: ModelExaminer
    pretrained: Callable[[], Awaitable[Sequence[BaseModel]]]  # of subnet 9, the best first
    find_source: Callable[[str], DatasetPlugin]  # raises ``LookupError`` when there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerConnection:
    """Opened adapters of one hotkey, which may write."""

    read: ReadConnection
    hotkey: Hotkey
    writer: CommitmentWriter
    publisher: ModelPublisher
    how_to_register: str  # the command
