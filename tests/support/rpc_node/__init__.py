"""A node on localhost that speaks JSON-RPC over WebSocket, for the SDK's real transport.

Its chain is a ``MemorySubstrate``; what it sends is encoded with the SDK's own codec. Needs
the extra ``chain``.
"""

from tests.support.rpc_node.server import Manners, RpcNode

__all__ = ["Manners", "RpcNode"]
