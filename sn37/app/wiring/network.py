"""The outside world of one network, as far as a validator sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sn37.domain.ids import Hotkey
from sn37.ports.chain import Chain, Signer
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.model_store import ModelStore


async def _nothing() -> None:
    """Nothing is held open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Opened adapters.

    ``labels`` are names for people, where the network has any; ``close`` lets go of connections.
    """

    chain: Chain
    models: ModelStore
    signer: Signer
    find_source: Callable[[str], DatasetPlugin]
    labels: Mapping[Hotkey, str] = field(default_factory=dict)
    close: Callable[[], Awaitable[None]] = _nothing
