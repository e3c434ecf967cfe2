"""Extrinsics that a node takes: checked, carried out in a block of their own, and kept as sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.rpc_node.metadata import ERRORS, INDEX
from tests.support.rpc_node.registry import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from bittensor._transport.codec import RuntimeCodec

    from tests.support.substrate import MemorySubstrate

INVALID = 1010  # code of a node for an extrinsic that its pool does not take
_INFO = {"weight": {"ref_time": 1, "proof_size": 1}, "class": "Normal", "pays_fee": "No"}


class RpcError(Exception):
    """A refusal as JSON-RPC sends it."""

    def __init__(self, message: str, code: int = -32000) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Included:
    """One extrinsic of a block: as sent, and why it failed."""

    data: bytes
    error: str | None


class Extrinsics:
    """The extrinsics of one node, by block.

    Args:
        block_hash: Hash of a block by its number.
    """

    def __init__(
        self, chain: MemorySubstrate, codec: RuntimeCodec, block_hash: Callable[[int], str]
    ) -> None:
        self._chain = chain
        self._codec = codec
        self._block_hash = block_hash
        self._included: dict[int, dict[int, _Included]] = {}  # by block and place in it
        self._nonces: Counter[str] = Counter()

    def next_index(self, address: str) -> int:
        return self._nonces[address]

    def submit(self, text: str) -> int:
        """Carry out a signed extrinsic in the next block; return the block's number.

        Raises:
            RpcError: The pool does not take it: its signature, era or nonce is wrong.
        """
        data = bytes.fromhex(text.removeprefix("0x"))
        found = self._codec.decode_extrinsic(data)
        call, signer = found["call"], str(found["address"])
        params = {arg["name"]: arg["value"] for arg in call["call_args"]}
        named = (str(call["call_module"]), str(call["call_function"]), params)
        if found["nonce"] != self._nonces[signer]:
            raise RpcError("Invalid Transaction: Transaction is outdated", INVALID)
        if not self._is_signed(found, named, signer):
            raise RpcError("Invalid Transaction: Transaction has a bad signature", INVALID)
        self._nonces[signer] += 1
        block, index, error = self._chain.carry_out(_in_memory(named), signer)
        self._included.setdefault(block, {})[index] = _Included(data, error)
        return block

    def body(self, number: int) -> list[str]:
        """The extrinsics of a block in hex; one byte stands for one not sent by ``submit``."""
        held = self._included.get(number, {})
        stamp = self._codec.compose_call(
            "Timestamp", "set", {"now": self._chain.ledger.time_ms(number)}
        )
        inherent = bytes([4]) + stamp.data
        sent = [
            held[place].data if place in held else b"\0"
            for place in range(1, len(self._chain.ledger.body(number)))
        ]
        return ["0x" + data.hex() for data in (compact(len(inherent)) + inherent, *sent)]

    def events(self, number: int) -> str:
        """The events of a block, encoded, in hex."""
        records = [
            {"phase": {"ApplyExtrinsic": place}, "event": _event(one.error), "topics": []}
            for place, one in sorted(self._included.get(number, {}).items())
        ]
        of = self._codec.storage_entry("System", "Events").value_type
        return "0x" + self._codec.encode(of, records).hex()

    def _is_signed(
        self, found: Mapping[str, Any], call: tuple[str, str, dict[str, Any]], signer: str
    ) -> bool:
        from bittensor.sp_core import Keypair

        period, phase = found["era"]
        birth = self._birth(period, phase)
        payload = self._codec.signature_payload(
            self._codec.compose_call(*call),
            era={"period": period, "phase": phase},
            nonce=found["nonce"],
            tip=found["tip"],
            tip_asset_id=None,
            genesis_hash=self._chain.ledger.hash_of(0),
            era_block_hash=self._block_hash(birth),
        )
        (signature,) = found["signature"].values()
        return bool(
            Keypair(ss58_address=signer).verify(
                payload, bytes.fromhex(signature.removeprefix("0x"))
            )
        )

    def _birth(self, period: int, phase: int) -> int:
        """The block at which an era that contains the head began."""
        head = self._chain.ledger.head
        return (max(head, phase) - phase) // period * period + phase


def _in_memory(call: tuple[str, str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """A decoded call as the SDK hands it to the chain in memory: blobs are bytes."""
    module, function, params = call
    if isinstance(blob := params.get("commit"), str):
        params = {**params, "commit": bytes.fromhex(blob.removeprefix("0x"))}
    return module, function, params


def _event(error: str | None) -> dict[str, object]:
    if error is None:
        return {"System": {"ExtrinsicSuccess": {"dispatch_info": _INFO}}}
    pallet = next(name for name, names in ERRORS.items() if error in names)
    number = ERRORS[pallet].index(error).to_bytes(4, "little")
    module = {"index": INDEX[pallet], "error": "0x" + number.hex()}
    return {
        "System": {
            "ExtrinsicFailed": {"dispatch_error": {"Module": module}, "dispatch_info": _INFO}
        }
    }
