"""Connections of a miner's commands to a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sn37.app.samples.sources import FindSource
from sn37.domain.ids import Hotkey
from sn37.domain.submission.base_models import BaseModel
from sn37.ports.chain import Chain, CommitmentWriter
from sn37.ports.model_store import ModelExaminer, ModelPublisher, ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConnection:
    """Opened adapters that read only."""

    chain: Chain
    models: ModelStore
    examiner: ModelExaminer
    pretrained: Callable[[], Awaitable[Sequence[BaseModel]]]  # models of subnet 9, best first
    find_source: FindSource


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerConnection:
    """Opened adapters that write for one hotkey."""

    read: ReadConnection
    hotkey: Hotkey
    writer: CommitmentWriter
    publisher: ModelPublisher
    how_to_register: str  # a command line
