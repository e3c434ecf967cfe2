"""What a node answers to each request: the chain in memory, in a node's encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tests.support.rpc_node.extrinsics import Extrinsics, RpcError
from tests.support.rpc_node.metadata import metadata
from tests.support.rpc_node.registry import compact
from tests.support.substrate.records import metagraph_record

if TYPE_CHECKING:
    from bittensor._transport.codec import RuntimeCodec

    from tests.support.substrate import MemorySubstrate

SPEC_VERSION = 420
RUNTIME = {"specName": "node-subtensor", "specVersion": SPEC_VERSION, "transactionVersion": 1}
NUM_HEADERS = 64  # kept behind the newest block asked for
_ROOT = "0x" + "00" * 32


@cache
def _codec() -> RuntimeCodec:
    from bittensor._transport.codec import RuntimeCodec  # the SDK takes a second to import

    return RuntimeCodec(
        metadata(),
        spec_version=SPEC_VERSION,
        transaction_version=1,
    )


class NodeState:
    """Answers of one node. Its block hashes are those of its headers, as on a real chain."""

    def __init__(
        self,
        chain: MemorySubstrate,
        *,
        lacks: frozenset[str] = frozenset(),
        num_headers: int = NUM_HEADERS,
    ) -> None:
        self._chain = chain
        self._metadata = metadata(lacks)
        # The SDK keeps what it knows of a runtime by its version.
        self._runtime = {**RUNTIME, "specVersion": SPEC_VERSION + len(lacks)}
        self._since = max(0, chain.ledger.head - num_headers)  # older blocks are pruned here
        self._hashed = self._since - 1  # the highest block whose hash is known
        self.extrinsics = Extrinsics(chain, _codec(), self.hash_of)
        self._hashes: dict[str, tuple[int, str]] = {}  # by the hash in memory
        self._numbers: dict[str, int] = {}
        self._encoded: dict[str, tuple[object, str]] = {}  # by storage key
        self._methods: dict[str, Callable[..., object]] = {
            "account_nextIndex": self.extrinsics.next_index,
            "chain_getHead": lambda: self.hash_of(chain.ledger.head),
            "chain_getFinalizedHead": lambda: self.hash_of(chain.finalized),
            "chain_getHeader": lambda at=None: self.header(self._number(at)),
            "chain_getBlockHash": self._block_hash,
            "chain_getBlock": self._block,
            "state_getRuntimeVersion": lambda at=None: self._runtime,
            "state_call": self._call,
            "state_getStorageAt": lambda key, at=None: self._stored(key, self._number(at)),
            "state_queryStorageAt": self._query,
            "state_getKeysPaged": self._keys,
        }

    def answer(self, method: str, params: Sequence[Any]) -> object:
        """The result of one request.

        Raises:
            RpcError: The node does not know the method, or refuses the request.
        """
        if method not in self._methods:
            raise RpcError(f"Method not found: {method}", -32601)
        return self._methods[method](*params)

    def hash_of(self, number: int) -> str:
        """The hash of a block: that of its header."""
        while self._hashed < number:  # from below, since each header has its parent's hash
            self._hashed += 1
            self.hash_of(self._hashed)
        mine = self._chain.ledger.hash_of(number)
        if mine not in self._hashes:
            header = self.header(number)
            parts = (header["parentHash"], header["stateRoot"], header["extrinsicsRoot"])
            parent, state, extrinsics = (bytes.fromhex(str(part)[2:]) for part in parts)
            encoded = parent + compact(number) + state + extrinsics + compact(0)
            block_hash = "0x" + blake2b(encoded, digest_size=32).hexdigest()
            self._hashes[mine] = (number, block_hash)
            self._numbers[block_hash] = number
        return self._hashes[mine][1]

    def header(self, number: int) -> dict[str, object]:
        """A header as a node sends it."""
        parent = self.hash_of(number - 1) if number > self._since else _ROOT
        return {
            "parentHash": parent,
            "number": hex(number),
            "stateRoot": self._chain.ledger.hash_of(number),
            "extrinsicsRoot": _ROOT,
            "digest": {"logs": []},
        }

    def _number(self, at: str | None) -> int:
        if at is None:
            return self._chain.ledger.head
        if at not in self._numbers:
            for height in range(self._since, self._chain.ledger.head + 1):
                self.hash_of(height)
        number = self._numbers.get(at)
        if number is None or self.hash_of(number) != at:
            raise RpcError(f"Client error: UnknownBlock: Header was not found: {at}")
        return number

    def _state_at(self, at: str | None) -> int:
        number = self._number(at)
        if number < self._chain.faults.pruned_below:
            raise RpcError(f"Client error: State already discarded for {at}", 4003)
        return number

    def _block_hash(self, number: int | None = None) -> str | None:
        if number == 0:
            return self._chain.ledger.hash_of(0)  # names the chain, and is nobody's parent here
        head = self._chain.ledger.head
        number = head if number is None else number
        return self.hash_of(number) if self._since <= number <= head else None

    def _block(self, at: str | None = None) -> dict[str, object]:
        number = self._number(at)
        block = {"header": self.header(number), "extrinsics": self.extrinsics.body(number)}
        return {"block": block}

    def _call(self, name: str, data: str, at: str | None = None) -> str:
        if name == "Metadata_metadata_at_version":
            return "0x" + (b"\1" + compact(len(self._metadata)) + self._metadata).hex()
        if name == "TransactionPaymentApi_query_info":
            return _fee()
        if name != "SubnetInfoRuntimeApi_get_metagraph":
            raise RpcError(f"Client error: Execution failed: {name} is not found")
        netuid = int.from_bytes(bytes.fromhex(data.removeprefix("0x")), "little")
        number = self._state_at(at)
        if not self._chain.has_subnet(netuid, number):
            return "0x00"
        output = _codec().runtime_api_map["SubnetInfoRuntimeApi"]["get_metagraph"]["output"]
        record = metagraph_record(self._chain, netuid, number)
        return "0x" + _codec().encode(output, record).hex()

    def _query(self, keys: Sequence[str], at: str | None = None) -> list[object]:
        number = self._state_at(at)
        changes = [[key, self._stored(key, number)] for key in keys]
        return [{"block": at, "changes": changes}]

    def _stored(self, key: str, number: int) -> str | None:
        pallet, item, params = _parsed(key)
        if (pallet, item) == ("Timestamp", "Now"):
            value: object = self._chain.ledger.time_ms(number)
        elif (pallet, item) == ("System", "Events"):
            return self.extrinsics.events(number)
        else:
            value = self._chain.ledger.read((pallet, item), params, number)
        if value is None:
            return None
        known = self._encoded.get(key)
        if known is None or known[0] is not value:  # most values stay as they are
            of = _codec().storage_entry(pallet, item).value_type
            known = self._encoded[key] = (value, "0x" + _codec().encode(of, value).hex())
        return known[1]

    def _keys(self, prefix: str, count: int, start: str, at: str | None = None) -> list[str]:
        pallet, item, params = _parsed(prefix)
        entry = _codec().storage_entry(pallet, item)
        found = self._chain.ledger.entries((pallet, item), params, self._state_at(at))
        keys = sorted("0x" + _codec().storage_key(entry, [*params, *k]).hex() for k, _ in found)
        return [key for key in keys if key > start][:count]


@cache
def _fee() -> str:
    """What any extrinsic costs: nothing."""
    of = _codec().runtime_api_map["TransactionPaymentApi"]["query_info"]["output"]
    weight = {"ref_time": 1, "proof_size": 1}
    info = {"weight": weight, "class": "Normal", "partial_fee": 0}
    return "0x" + _codec().encode(of, info).hex()


@cache
def _items() -> dict[bytes, tuple[str, str]]:
    """Pallet and item by the first 32 bytes of their keys."""
    pallets = _codec().metadata_ir().pallets
    items = [(pallet.name, item.name) for pallet in pallets for item in pallet.storage]
    return {_codec().storage_key(_codec().storage_entry(*one), []): one for one in items}


@lru_cache(maxsize=1 << 14)
def _parsed(key: str) -> tuple[str, str, tuple[object, ...]]:
    """Pallet, item and parameters of a storage key, or of the prefix of some."""
    data = bytes.fromhex(key[2:])
    pallet, item = _items()[data[:32]]
    rest = data[32:]
    if len(rest) in (2, 10):  # a subnet, as it is or behind its hash: of a map by two keys
        return pallet, item, (int.from_bytes(rest[-2:], "little"),)
    entry = _codec().storage_entry(pallet, item)
    params = _codec().decode_storage_key_params(entry, data, fixed=0) if rest else ()
    return pallet, item, tuple(params)
