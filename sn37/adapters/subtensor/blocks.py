"""What stands in a block: its hash, and who committed in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from sn37.adapters.subtensor.decoding import a_list, a_mapping, an_int
from sn37.domain.ids import Hotkey, Netuid

_HASHED = ("parentHash", "number", "stateRoot", "extrinsicsRoot", "digest")


def header_hash(header: Mapping[str, object]) -> str | None:
    """The hash of a block by its header, as Substrate computes it: Blake2b of the SCALE bytes.

    ``None`` when the header lacks a part. A subscription sends headers without their hash;
    asking for each costs a request.

    Raises:
        TypeError, ValueError, KeyError: The header has another shape.
    """
    if not all(part in header for part in _HASHED):
        return None
    logs = [_hex(log) for log in a_list(a_mapping(header["digest"])["logs"])]
    encoded = b"".join(
        (
            _hex(header["parentHash"]),
            _compact(an_int(header["number"])),
            _hex(header["stateRoot"]),
            _hex(header["extrinsicsRoot"]),
            _compact(len(logs)),
            *logs,
        )
    )
    return "0x" + blake2b(encoded, digest_size=32).hexdigest()


def commit_positions(body: Sequence[object], netuid: Netuid) -> dict[Hotkey, int]:
    """The index of each hotkey's last commitment among a block's extrinsics.

    A call inside a batch, or made by proxy, has the index of the extrinsic that carries it.
    """
    positions: dict[Hotkey, int] = {}
    for index, extrinsic in enumerate(body):
        if isinstance(extrinsic, Mapping):  # not so when it could not be decoded
            signer = _address(extrinsic.get("address"))
            for hotkey in _committers(extrinsic.get("call"), signer, netuid):
                positions[Hotkey(hotkey)] = index
    return positions


def _committers(value: object, speaker: str, netuid: Netuid) -> Iterator[str]:
    """For whom ``value``, a call or an argument of one, commits on this subnet."""
    if isinstance(value, Mapping) and "call_module" in value:
        args = {
            arg.get("name"): arg.get("value")
            for arg in a_list(value.get("call_args") or ())
            if isinstance(arg, Mapping)
        }
        if (value["call_module"], value.get("call_function")) == ("Commitments", "set_commitment"):
            if args.get("netuid") == netuid:
                yield speaker
            return
        if value["call_module"] == "Proxy":
            speaker = _address(args.get("real"))
        for arg in args.values():
            yield from _committers(arg, speaker, netuid)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for part in value:
            yield from _committers(part, speaker, netuid)


def _address(value: object) -> str:
    """An account as the SDK renders it: bare, or under the name of its kind."""
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    return value if isinstance(value, str) else ""


def _hex(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"hex digits were expected, not {type(value).__name__}")
    return bytes.fromhex(value.removeprefix("0x"))


def _compact(number: int) -> bytes:
    """SCALE's compact integer, below 2**30."""
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return (number << 2 | 0b01).to_bytes(2, "little")
    return (number << 2 | 0b10).to_bytes(4, "little")
