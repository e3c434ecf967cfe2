"""Columns of a Parquet file as Python values, for every type that its writers produce.

pyarrow's own conversion fails for a whole column if one time, date or text in it is outside
Python's range. Here such a cell is ``None``, and the others keep their values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TypeAlias
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import types

# A datetime is in UTC if its column has any zone, and naive if the column has none.
# Bytes that are valid UTF-8 are text; others stay bytes.
Cell: TypeAlias = (
    str
    | bytes
    | int
    | float
    | Decimal
    | datetime
    | date
    | time
    | timedelta
    | UUID
    | list["Cell"]
    | dict[str, "Cell"]
    | None
)

_EPOCH = datetime(1970, 1, 1)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Kind(Enum):
    """Required content of a column."""

    TEXT = "text"
    TIME = "a time, or text that contains one"
    MESSAGES = "a list of messages with role and content"
    ANY = "of any readable type"


class UnknownType(ValueError):
    """A column type that cannot be read; the message is its name."""


_TEXTS = (types.is_string, types.is_large_string, types.is_string_view)
_BYTES = (
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
    types.is_fixed_size_binary,
)
# A map is a list of pairs of a key and a value.
_LISTS = (
    types.is_list,
    types.is_large_list,
    types.is_list_view,
    types.is_large_list_view,
    types.is_fixed_size_list,
    types.is_map,
)
_PLAIN = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_float32,
    types.is_float64,
    types.is_decimal,
)
_UUID, _JSON, _BOOL8 = "arrow.uuid", "arrow.json", "arrow.bool8"


def require_known(kind: pa.DataType) -> None:
    """Check that ``cells`` can read a type.

    Raises:
        UnknownType: It cannot.
    """
    for inner in _inside(kind):
        require_known(inner)


def is_of(kind: pa.DataType, wanted: Kind) -> bool:
    """True if a column's cells may have the wanted content; a column of nulls may have any."""
    if wanted is Kind.ANY:
        return True
    if wanted is Kind.MESSAGES:
        return _is_messages(kind)
    if types.is_dictionary(kind):
        return is_of(kind.value_type, wanted)
    if isinstance(kind, pa.BaseExtensionType):
        return bool(kind.extension_name == _JSON)
    if _is(kind, (*_TEXTS, *_BYTES, types.is_null)):
        return True
    return wanted is Kind.TIME and bool(types.is_timestamp(kind))


def _is_messages(kind: pa.DataType) -> bool:
    if not _is(kind, _LISTS) or types.is_map(kind) or not types.is_struct(kind.value_type):
        return False
    fields = {field.name: field.type for field in kind.value_type}
    return all(n in fields and is_of(fields[n], Kind.TEXT) for n in ("role", "content"))


def cells(column: pa.Array) -> Sequence[Cell]:
    """Return the values of a column.

    Raises:
        UnknownType: The column's type, or one inside it, cannot be read.
    """
    kind = column.type
    if types.is_dictionary(kind):
        if len(column.dictionary) > len(column):
            return cells(column.dictionary_decode())
        known = cells(column.dictionary)
        return [None if i is None else known[i] for i in column.indices.to_pylist()]
    if isinstance(kind, pa.BaseExtensionType):
        require_known(kind)
        return _of_extension(kind.extension_name, column.storage)
    if _is(kind, _TEXTS):
        return [_decoded(b) for b in column.cast(pa.large_binary()).to_pylist()]
    if _is(kind, _BYTES):
        return [_decoded(b) for b in column.to_pylist()]
    if _is(kind, _PLAIN):
        return list(column.to_pylist())
    if types.is_float16(kind):
        return list(column.cast(pa.float32()).to_pylist())
    if (read := _temporal(kind)) is not None:
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return [None if n is None else _within(read, n) for n in column.cast(width).to_pylist()]
    if _is(kind, _LISTS):
        return [list(cells(item.values)) if item.is_valid else None for item in column]
    if types.is_struct(kind):
        return _structs(column)
    raise UnknownType(str(kind))


def _structs(column: pa.StructArray) -> list[Cell]:
    names = [column.type.field(n).name for n in range(column.type.num_fields)]
    fields = [cells(column.field(n)) for n in range(column.type.num_fields)]
    valid = column.is_valid().to_pylist()
    return [
        {name: field[row] for name, field in zip(names, fields, strict=True)} if there else None
        for row, there in enumerate(valid)
    ]


def _inside(kind: pa.DataType) -> tuple[pa.DataType, ...]:
    """Return the types inside a known one."""
    if types.is_dictionary(kind):
        return (kind.value_type,)
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name in (_UUID, _JSON, _BOOL8):
        return ()
    if _is(kind, _LISTS) or types.is_struct(kind):
        return tuple(kind.field(n).type for n in range(kind.num_fields))
    if _is(kind, (*_TEXTS, *_BYTES, *_PLAIN, types.is_float16)) or _temporal(kind) is not None:
        return ()
    raise UnknownType(str(kind))


def _of_extension(name: str, storage: pa.Array) -> Sequence[Cell]:
    if name == _UUID:
        return [None if b is None else UUID(bytes=b) for b in storage.to_pylist()]
    if name == _BOOL8:
        return [None if n is None else bool(n) for n in storage.to_pylist()]
    return cells(storage)


def _temporal(kind: pa.DataType) -> Callable[[int], Cell] | None:
    """Return the conversion of a number to a time or date of this type, if it is one."""
    if types.is_date32(kind):
        return lambda n: (_EPOCH + timedelta(days=n)).date()
    if types.is_date64(kind):
        return lambda n: (_EPOCH + _span(n, "ms")).date()
    if types.is_time(kind):
        return lambda n: (_EPOCH + _span(n, kind.unit)).time()
    if types.is_duration(kind):
        return lambda n: _span(n, kind.unit)
    if types.is_timestamp(kind):
        zone = None if kind.tz is None else UTC
        return lambda n: (_EPOCH + _span(n, kind.unit)).replace(tzinfo=zone)
    return None


def _span(number: int, unit: str) -> timedelta:
    return timedelta(microseconds=number * 10**6 // _PER_SECOND[unit])


def _within(read: Callable[[int], Cell], number: int) -> Cell:
    try:
        return read(number)
    except OverflowError:
        return None


def _decoded(raw: bytes | None) -> str | bytes | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return raw


def _is(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(test(kind) for test in tests)
