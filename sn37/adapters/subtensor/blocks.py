"""Contents of a block: its hash, and the order of the commitments in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from sn37.adapters.subtensor.decoding import a_list, a_mapping, an_int
from sn37.domain.ids import Hotkey, Netuid

_HASHED = ("parentHash", "number", "stateRoot", "extrinsicsRoot", "digest")


def header_hash(header: Mapping[str, object]) -> str | None:
    """Compute a block's hash from its header like Substrate: Blake2b of the SCALE bytes.

    Returns ``None`` if the header lacks a part. A subscription sends headers without their hash,
    and reading each hash costs a request.

    Raises:
        TypeError, ValueError, KeyError: The header has an unknown form.
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
    """Return the index of each hotkey's last commitment among a block's extrinsics.

    A call inside a batch, or made by proxy, has the index of the extrinsic that carries it.
    """
    positions: dict[Hotkey, int] = {}
    for index, extrinsic in enumerate(body):
        if isinstance(extrinsic, Mapping):  # a string if it could not be decoded
            signer = _address(extrinsic.get("address"))
            for hotkey in _committers(extrinsic.get("call"), signer, netuid):
                positions[Hotkey(hotkey)] = index
    return positions


def _committers(value: object, speaker: str, netuid: Netuid) -> Iterator[str]:
    """Yield the hotkeys for which ``value``, a call or an argument, commits on this subnet."""
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
    """Return an account as text; the SDK may wrap it in a mapping from its kind."""
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    return value if isinstance(value, str) else ""


def _hex(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"expected hex digits, not {type(value).__name__}")
    return bytes.fromhex(value.removeprefix("0x"))


def _compact(number: int) -> bytes:
    """Encode a SCALE compact integer below 2**30."""
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return (number << 2 | 0b01).to_bytes(2, "little")
    return (number << 2 | 0b10).to_bytes(4, "little")
