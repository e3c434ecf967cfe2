"""Opened adapters of one network, for a validator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sn37.app.samples.sources import FindSource
from sn37.domain.ids import Hotkey
from sn37.ports.chain import Chain, Signer
from sn37.ports.model_store import ModelStore


async def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Opened adapters.

    ``labels`` are names for people, if the network has any; ``close`` closes connections.
    """

    chain: Chain
    models: ModelStore
    signer: Signer
    find_source: FindSource
    labels: Mapping[Hotkey, str] = field(default_factory=dict)
    close: Callable[[], Awaitable[None]] = _nothing
