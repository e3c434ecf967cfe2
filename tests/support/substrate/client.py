"""The SDK's client over a chain in memory, and keys to sign with."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import bittensor as bt
    from bittensor.sp_core import Keypair

    from tests.support.substrate.memory import MemorySubstrate


def client_over(substrate: MemorySubstrate) -> bt.Client:
    """``bt.Client`` whose node is ``substrate``; of the protocol it has what the client uses."""
    import bittensor as bt

    return bt.Client("local", substrate=cast(bt.Substrate, substrate))


def a_keypair(name: str) -> Keypair:
    """The development key of this name: the same hotkey each time."""
    from bittensor.sp_core import Keypair

    return Keypair.create_from_uri(f"//{name}")
