"""Signed calls to the simnet chain: their signatures, seals and quantized weights.

A miner or validator signs canonical JSON that names the chain, the subnet, the call, a nonce
and the arguments. A signature is therefore valid for one call on one chain, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sn37.adapters.simnet.chain.keys import derive, verified
from sn37.domain.canonical import JsonValue, canonical_json
from sn37.domain.ids import Block, Hotkey, Netuid, Uid
from sn37.ports.chain import Signer

MAX_COMMITMENT_BYTES = 128  # of one ``Raw`` field of the pallet
RATE_LIMIT_BLOCKS = 100  # between two commitments, and between two weights, of one hotkey
U16_MAX = 65_535
_NONCE_BYTES = 12  # of AES-GCM; a round's key seals a hotkey's block once


class Call(StrEnum):
    """Kinds of extrinsics, named like the pallet's calls."""

    COMMIT = "Commitments.set_commitment"
    SEAL = "Commitments.set_commitment/TimelockEncrypted"
    WEIGHTS = "SubtensorModule.set_weights"


class Refusal(StrEnum):
    """Reasons to refuse an extrinsic; values are the error codes of the Bittensor SDK."""

    BAD_SIGNATURE = "bad_signature"
    ALREADY_EXISTS = "already_exists"
    NOT_REGISTERED = "not_registered"
    NOT_AUTHORIZED = "not_authorized"
    RATE_LIMITED = "rate_limited"
    LIMIT_EXCEEDED = "limit_exceeded"
    INVALID_ARGUMENT = "invalid_argument"

    @property
    def advice(self) -> str:
        """Description of the problem and its remedy, for people."""
        return _ADVICE[self]


_ADVICE = {
    Refusal.BAD_SIGNATURE: "the signature is not this hotkey's; sign with its key",
    Refusal.ALREADY_EXISTS: "this nonce was used; sign the call again",
    Refusal.NOT_REGISTERED: "the hotkey is not registered on this subnet; register it first",
    Refusal.NOT_AUTHORIZED: "the hotkey has no validator permit; stake more",
    Refusal.RATE_LIMITED: f"too soon; wait until {RATE_LIMIT_BLOCKS} blocks have passed",
    Refusal.LIMIT_EXCEEDED: f"longer than {MAX_COMMITMENT_BYTES} bytes; shorten the text",
    Refusal.INVALID_ARGUMENT: "the arguments make no sense at this block; check them",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrinsic:
    """A call and its signature, which is not checked yet."""

    chain_id: str  # hash of the chain's block 0
    netuid: Netuid
    hotkey: Hotkey
    nonce: int  # used once per hotkey
    call: Call
    args: Mapping[str, JsonValue]
    signature: bytes = b""

    @property
    def payload(self) -> bytes:
        """Return the signed bytes."""
        return canonical_json(
            {
                "chain": self.chain_id,
                "netuid": self.netuid,
                "hotkey": self.hotkey,
                "nonce": self.nonce,
                "call": self.call.value,
                "args": dict(self.args),
            }
        )

    @property
    def is_genuine(self) -> bool:
        """True if the hotkey of the call signed exactly this call."""
        return verified(self.payload, self.signature, self.hotkey)


def signed(
    signer: Signer,
    *,
    chain_id: str,
    netuid: Netuid,
    nonce: int,
    call: Call,
    args: Mapping[str, JsonValue],
) -> Extrinsic:
    """Return the call, signed by ``signer``."""
    unsigned = Extrinsic(
        chain_id=chain_id, netuid=netuid, hotkey=signer.hotkey, nonce=nonce, call=call, args=args
    )
    return replace(unsigned, signature=signer.sign(unsigned.payload))


def read_extrinsic(payload: bytes, signature: bytes) -> Extrinsic:
    """Return the extrinsic of a signed payload, as the chain stores it."""
    fields = json.loads(payload)
    return Extrinsic(
        chain_id=fields["chain"],
        netuid=Netuid(fields["netuid"]),
        hotkey=Hotkey(fields["hotkey"]),
        nonce=fields["nonce"],
        call=Call(fields["call"]),
        args=fields["args"],
        signature=signature,
    )


def seal(seed: int, raw: bytes, *, hotkey: Hotkey, committed: Block, reveal: Block) -> bytes:
    """Encrypt ``raw`` so that only the key of the reveal's round opens it.

    It replaces drand's time lock, whose key the drand network publishes at that round; here the
    chain derives the key from its own seed. AES-256-GCM is bound to the hotkey, so sealed bytes
    that another hotkey copies cannot be opened.
    """
    iv = derive(seed, f"sn37/simnet/seal-nonce/1|{hotkey}|{committed}")[:_NONCE_BYTES]
    return iv + AESGCM(_round_key(seed, reveal)).encrypt(iv, raw, hotkey.encode())


def unseal(seed: int, sealed: bytes, *, hotkey: Hotkey, reveal: Block) -> bytes | None:
    """Return the plain bytes, or ``None`` if this hotkey did not seal them for this block."""
    iv, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_round_key(seed, reveal)).decrypt(iv, ciphertext, hotkey.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce and a tag
        return None


def _round_key(seed: int, reveal: Block) -> bytes:
    return derive(seed, f"sn37/simnet/seal/1|{reveal}")


def quantized(shares: Mapping[Uid, float]) -> dict[Uid, int]:
    """Return shares as the chain stores them: u16, scaled so that the largest is 65,535.

    Shares that round to 0 are dropped. Example: 0.1, 0.7, 0.2 become 9362, 65535, 18724.
    """
    largest = max(shares.values(), default=0.0)
    if largest <= 0:
        return {}
    scaled = {uid: round(share / largest * U16_MAX) for uid, share in shares.items()}
    return {uid: value for uid, value in sorted(scaled.items()) if value}
