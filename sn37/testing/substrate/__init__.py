"""A Bittensor chain in memory, behind the SDK's own ``Substrate`` protocol.

``client_over(MemorySubstrate(...))`` is the real ``bt.Client``: its code prepares, signs and
decodes as it does over a node, only the node is missing. Needs the extra ``chain``.
"""

from sn37.testing.substrate.client import a_keypair, client_over
from sn37.testing.substrate.faults import Faults
from sn37.testing.substrate.memory import MemorySubstrate

__all__ = ["Faults", "MemorySubstrate", "a_keypair", "client_over"]
