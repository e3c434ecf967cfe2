"""Types, storage and calls as a runtime's metadata encodes them.

Format: ``frame-metadata`` (version 15) and ``scale-info`` of Substrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TWOX64_CONCAT, IDENTITY = 5, 6
_PRIMITIVES = {"bool": 0, "str": 2, "u8": 3, "u16": 4, "u32": 5, "u64": 6}
_OPTIONAL, _DEFAULT = 0, 1


def compact(number: int) -> bytes:
    """SCALE's compact integer, below 2**30."""
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return (number << 2 | 0b01).to_bytes(2, "little")
    return (number << 2 | 0b10).to_bytes(4, "little")


def text(words: str) -> bytes:
    return compact(len(words.encode())) + words.encode()


def vec(items: Sequence[bytes]) -> bytes:
    return compact(len(items)) + b"".join(items)


def option(item: bytes | None) -> bytes:
    return b"\0" if item is None else b"\1" + item


NOTHING = vec([])  # documentation, type parameters


@dataclass(slots=True)
class Registry:
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
        return self._add(("tuple", *parts), b"\4" + vec([compact(p) for p in parts]))

    def record(self, path: str, parts: Mapping[str, int] | None = None, *, of: int = -1) -> int:
        """A struct with named fields, or around one value."""
        listed = [a_field(None, of)] if parts is None else [a_field(*p) for p in parts.items()]
        return self._add(("record", path), b"\0" + vec(listed), path)

    def variants(
        self, path: str, cases: Mapping[str, bytes], *, numbers: Sequence[int] = ()
    ) -> int:
        """An enum: each case with its encoded fields, numbered from zero or as told."""
        listed = [
            text(name) + parts + bytes([numbers[place] if numbers else place]) + NOTHING
            for place, (name, parts) in enumerate(cases.items())
        ]
        return self._add(("variants", path), b"\1" + vec(listed), path)

    def option(self, of: int) -> int:
        cases = [
            text("None") + NOTHING + b"\0" + NOTHING,
            text("Some") + of_one(of) + b"\1" + NOTHING,
        ]
        parameter = text("T") + option(compact(of))
        return self._add(("option", of), b"\1" + vec(cases), "Option", vec([parameter]))

    def encoded(self) -> bytes:
        return vec([compact(number) + one for number, one in enumerate(self.types)])

    def _add(
        self, key: tuple[object, ...], definition: bytes, path: str = "", params: bytes = NOTHING
    ) -> int:
        if key not in self.known:
            self.known[key] = len(self.types)
            parts = vec([text(part) for part in path.split("::")]) if path else NOTHING
            self.types.append(parts + params + definition + NOTHING)
        return self.known[key]


def a_field(name: str | None, of: int) -> bytes:
    return option(None if name is None else text(name)) + compact(of) + option(None) + NOTHING


def of_one(of: int) -> bytes:
    """The fields of a case that holds one value."""
    return vec([a_field(None, of)])


def of_named(**parts: int) -> bytes:
    """The fields of a case that names them."""
    return vec([a_field(name, of) for name, of in parts.items()])


def storage_map(
    name: str, hashers: Sequence[int], key: int, value: int, default: bytes | None
) -> bytes:
    """A storage map; without a default its values are optional."""
    return b"".join(
        (
            text(name),
            bytes([_OPTIONAL if default is None else _DEFAULT]),
            b"\1",
            vec([bytes([hasher]) for hasher in hashers]),
            compact(key),
            compact(value),
            _bytes(default if default is not None else b"\0"),
            NOTHING,
        )
    )


def storage_value(name: str, of: int, default: bytes) -> bytes:
    return text(name) + bytes([_DEFAULT]) + b"\0" + compact(of) + _bytes(default) + NOTHING


def constant(name: str, of: int, value: bytes) -> bytes:
    return text(name) + compact(of) + _bytes(value) + NOTHING


def pallet(
    name: str,
    index: int,
    storage: Sequence[bytes] = (),
    *,
    calls: int | None = None,
    events: int | None = None,
    errors: int | None = None,
    constants: Sequence[bytes] = (),
) -> bytes:
    return b"".join(
        (
            text(name),
            option(text(name) + vec(storage) if storage else None),
            *(_typed(calls), _typed(events)),
            vec(constants),
            _typed(errors),
            bytes([index]),
            NOTHING,
        )
    )


def _typed(of: int | None) -> bytes:
    """The type of a pallet's calls, events or errors, if it has any."""
    return option(None if of is None else compact(of))


def _bytes(data: bytes) -> bytes:
    return compact(len(data)) + data
