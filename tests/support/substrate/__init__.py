"""A Bittensor chain in memory, behind the SDK's own ``Substrate`` protocol.

``client_over(MemorySubstrate(...))`` is the real ``bt.Client``: its code prepares, signs and
decodes as it does over a node, only the node is missing. Needs the extra ``chain``.
"""

from tests.support.substrate.client import a_keypair, client_over
from tests.support.substrate.faults import Faults
from tests.support.substrate.memory import MemorySubstrate

__all__ = ["Faults", "MemorySubstrate", "a_keypair", "client_over"]
