"""Reads of storage at a block hash, several maps in one request.

The SDK's client names blocks by number: each read looks up the hash and the final block
again. The substrate behind it takes the hash itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import bittensor as bt


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Some entries of one storage map."""

    pallet: str
    item: str
    keys: Sequence[Sequence[object]]


@runtime_checkable
class ManyMaps(Protocol):
    """A substrate that reads several maps in one request."""

    async def query_maps(
        self, lookups: Sequence[Lookup], block_hash: str
    ) -> list[list[object]]: ...


@runtime_checkable
class NamedNode(Protocol):
    """A substrate whose node may send its peer id."""

    async def peer_id(self) -> str | None: ...


async def peer_id_of(client: bt.Client) -> str | None:
    """Return the peer id of the node behind a connected client; ``None`` if it is not sent."""
    substrate = substrate_of(client)
    return await substrate.peer_id() if isinstance(substrate, NamedNode) else None


def substrate_of(client: bt.Client) -> bt.Substrate:
    """Return the substrate that a client reads through."""
    return client._substrate


async def read_maps(
    client: bt.Client, lookups: Sequence[Lookup], block_hash: str
) -> list[list[object]]:
    """Return the decoded values of every lookup, in order; by one request if possible."""
    substrate = substrate_of(client)
    if isinstance(substrate, ManyMaps):
        return await substrate.query_maps(lookups, block_hash)
    return [
        await substrate.query_batch(one.pallet, one.item, [list(k) for k in one.keys], block_hash)
        for one in lookups
    ]
