"""A runtime's metadata (version 15), as small as the SDK's codec takes it.

It describes the storage and the runtime calls that this project reads, in the shapes of the
chain's runtime. Format: ``frame-metadata`` and ``scale-info`` of Substrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

_PRIMITIVES = {"bool": 0, "str": 2, "u8": 3, "u16": 4, "u32": 5, "u64": 6}
_OPTIONAL, _DEFAULT = 0, 1
_TWOX64_CONCAT, _IDENTITY = 5, 6
_SIGNED = 4  # of the extrinsic format


def compact(number: int) -> bytes:
    """SCALE's compact integer, below 2**30."""
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return (number << 2 | 0b01).to_bytes(2, "little")
    return (number << 2 | 0b10).to_bytes(4, "little")


def _text(text: str) -> bytes:
    return compact(len(text.encode())) + text.encode()


def _vec(items: Sequence[bytes]) -> bytes:
    return compact(len(items)) + b"".join(items)


def _option(item: bytes | None) -> bytes:
    return b"\0" if item is None else b"\1" + item


_NONE = _vec([])  # documentation, type parameters


@dataclass(slots=True)
class _Registry:
    """Types by what they are made of; each method returns a type's number."""

    types: list[bytes] = field(default_factory=list)
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    def primitive(self, name: str) -> int:
        return self._add((name,), b"\5" + bytes([_PRIMITIVES[name]]))

    def compact(self, of: int) -> int:
        return self._add(("compact", of), b"\6" + compact(of))

    def sequence(self, of: int) -> int:
        return self._add(("sequence", of), b"\2" + compact(of))

    def array(self, of: int, length: int) -> int:
        return self._add(("array", of, length), b"\3" + length.to_bytes(4, "little") + compact(of))

    def tuple_of(self, *parts: int) -> int:
        return self._add(("tuple", *parts), b"\4" + _vec([compact(p) for p in parts]))

    def record(self, path: str, fields: Mapping[str, int] | None = None, *, of: int = -1) -> int:
        """A struct with named fields, or around one value."""
        listed = [_field(None, of)] if fields is None else [_field(*f) for f in fields.items()]
        return self._add(("record", path), b"\0" + _vec(listed), path)

    def variants(self, path: str, cases: Mapping[str, bytes]) -> int:
        """An enum: each case with its encoded fields."""
        listed = [
            _text(name) + fields + bytes([index]) + _NONE
            for index, (name, fields) in enumerate(cases.items())
        ]
        return self._add(("variants", path), b"\1" + _vec(listed), path)

    def option(self, of: int) -> int:
        cases = [
            _text("None") + _NONE + b"\0" + _NONE,
            _text("Some") + _vec([_field(None, of)]) + b"\1" + _NONE,
        ]
        parameter = _text("T") + _option(compact(of))
        return self._add(("option", of), b"\1" + _vec(cases), "Option", _vec([parameter]))

    def encoded(self) -> bytes:
        return _vec([compact(number) + one for number, one in enumerate(self.types)])

    def _add(
        self, key: tuple[object, ...], definition: bytes, path: str = "", params: bytes = _NONE
    ) -> int:
        if key not in self.known:
            self.known[key] = len(self.types)
            parts = _vec([_text(part) for part in path.split("::")]) if path else _NONE
            self.types.append(parts + params + definition + _NONE)
        return self.known[key]


def _field(name: str | None, of: int) -> bytes:
    return _option(None if name is None else _text(name)) + compact(of) + _option(None) + _NONE


def _fields(**fields: int) -> bytes:
    return _vec([_field(name, of) for name, of in fields.items()])


def _map(name: str, hashers: Sequence[int], key: int, value: int, default: bytes | None) -> bytes:
    """A storage map; without a default its values are optional."""
    return b"".join(
        (
            _text(name),
            bytes([_OPTIONAL if default is None else _DEFAULT]),
            b"\1",
            _vec([bytes([hasher]) for hasher in hashers]),
            compact(key),
            compact(value),
            _vec_u8(default if default is not None else b"\0"),
            _NONE,
        )
    )


def _value(name: str, of: int, default: bytes) -> bytes:
    return _text(name) + bytes([_DEFAULT]) + b"\0" + compact(of) + _vec_u8(default) + _NONE


def _vec_u8(data: bytes) -> bytes:
    return compact(len(data)) + data


def _pallet(name: str, index: int, storage: Sequence[bytes]) -> bytes:
    nothing = _option(None)
    kept = _option(_text(name) + _vec(storage)) if storage else nothing
    return _text(name) + kept + nothing + nothing + _NONE + nothing + bytes([index]) + _NONE


@cache
def metadata() -> bytes:
    """The blob that a node sends."""
    r = _Registry()
    account = r.record("sp_core::crypto::AccountId32", of=r.array(r.primitive("u8"), 32))
    pallets = _pallets(r, account)
    call, nothing = r.variants("runtime::RuntimeCall", {}), r.tuple_of()
    extrinsic = bytes([_SIGNED]) + b"".join(
        compact(t) for t in (account, call, r.array(r.primitive("u8"), 64), nothing)
    )
    method = _text("get_metagraph") + _vec([_text("netuid") + compact(r.primitive("u16"))])
    method += compact(r.option(_metagraph(r, account))) + _NONE
    api = _text("SubnetInfoRuntimeApi") + _vec([method]) + _NONE
    return b"".join(
        (
            b"meta",
            bytes([15]),
            r.encoded(),
            _vec(pallets),
            extrinsic + _NONE,
            compact(nothing),
            _vec([api]),
            compact(call) * 3,
            _NONE,
        )
    )


def _pallets(r: _Registry, account: int) -> list[bytes]:
    u16, u32, u64 = (r.primitive(name) for name in ("u16", "u32", "u64"))
    text = r.sequence(r.primitive("u8"))
    of_neuron, by_neuron = r.tuple_of(u16, account), [_IDENTITY, _TWOX64_CONCAT]
    reveals = r.sequence(r.tuple_of(text, u64))
    members = [
        _map("TokenSymbol", [_IDENTITY], u16, text, b"\0"),
        _map("Uids", by_neuron, of_neuron, u16, None),
    ]
    commitments = [
        _map("CommitmentOf", by_neuron, of_neuron, _registration(r), None),
        _map("RevealedCommitments", by_neuron, of_neuron, reveals, None),
    ]
    return [
        _pallet("System", 0, [_value("Number", u32, bytes(4))]),
        _pallet("Timestamp", 2, [_value("Now", u64, bytes(8))]),
        _pallet("SubtensorModule", 7, members),
        _pallet("Commitments", 18, commitments),
    ]


def _registration(r: _Registry) -> int:
    """What the pallet keeps of a commitment."""
    u8, u32, u64 = (r.primitive(name) for name in ("u8", "u32", "u64"))
    text = r.sequence(u8)
    cases = {"None": _NONE}
    cases |= {f"Raw{n}": _vec([_field(None, r.array(u8, n))]) for n in range(129)}
    cases |= {"Sha256": _vec([_field(None, r.array(u8, 32))])}
    cases |= {"TimelockEncrypted": _fields(encrypted=text, reveal_round=u64)}
    cases |= {"BigRaw": _vec([_field(None, text)])}
    cases |= {"TimelockRevealFailed": _fields(reveal_round=u64)}
    data = r.variants("pallet_commitments::types::Data", cases)
    info = r.record("pallet_commitments::types::CommitmentInfo", {"fields": r.sequence(data)})
    return r.record(
        "pallet_commitments::types::Registration", {"deposit": u64, "block": u32, "info": info}
    )


def _metagraph(r: _Registry, account: int) -> int:
    """The columns that this project reads, of the several dozen there are."""
    u16, u64 = r.compact(r.primitive("u16")), r.compact(r.primitive("u64"))
    accounts, counts = r.sequence(account), r.sequence(u64)
    return r.record(
        "subtensor::rpc_info::metagraph::Metagraph",
        {
            "netuid": u16,
            "block": u64,
            "num_uids": u16,
            "hotkeys": accounts,
            "coldkeys": accounts,
            "validator_permit": r.sequence(r.primitive("bool")),
            "last_update": counts,
            "block_at_registration": counts,
            "incentives": r.sequence(u16),
            "total_stake": counts,
            "weights_version": u64,
        },
    )
