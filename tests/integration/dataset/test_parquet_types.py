"""Every type of column that writers of Parquet produce is read; another is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from sn37.adapters.dataset.parquet_cells import Cell, Kind, UnknownType, cells, require_known
from sn37.adapters.dataset.parquet_rows import UnreadableParquet, parquet_rows

NOON = datetime(2025, 1, 10, 12)
NOON_S = int(NOON.replace(tzinfo=UTC).timestamp())
NEVER = 2**62  # of any unit: a year of six digits or more, but for nanoseconds
U = UUID(int=7)

TEXTS = {
    "string": pa.array(["a", None, "ß"], pa.string()),
    "large_string": pa.array(["a", None, "ß"], pa.large_string()),
    "string_view, as Polars writes it": pa.array(["a", None, "ß"], pa.string_view()),
    "dictionary, as pandas writes categories": pa.array(["a", None, "ß"]).dictionary_encode(),
    "dictionary of large strings": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1], pa.int8()), pa.array(["a", "ß"], pa.large_string())
    ),
    "binary": pa.array([b"a", None, "ß".encode()], pa.binary()),
    "large_binary": pa.array([b"a", None, "ß".encode()], pa.large_binary()),
    "binary_view": pa.array([b"a", None, "ß".encode()], pa.binary_view()),
    "json": pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(["a", None, "ß"])),
}
ZONES = ("UTC", "America/Los_Angeles", "+05:30")
TYPES: dict[str, tuple[pa.Array, Sequence[Cell]]] = {
    **{name: (column, ["a", None, "ß"]) for name, column in TEXTS.items()},
    "bytes that are no text": (pa.array([b"\xff", b"x"]), [b"\xff", "x"]),
    "fixed_size_binary": (pa.array([b"ab", None], pa.binary(2)), ["ab", None]),
    **{f"int{n}": (pa.array([-3, None], f"int{n}"), [-3, None]) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (pa.array([2**n - 1], f"uint{n}"), [2**n - 1]) for n in (8, 16, 32, 64)},
    "float16": (pa.array([1.5, None], pa.float16()), [1.5, None]),
    "float32": (pa.array([1.5, None], pa.float32()), [1.5, None]),
    "float64": (pa.array([0.1, None]), [0.1, None]),
    "decimal32": (pa.array([Decimal("1.50")], pa.decimal32(5, 2)), [Decimal("1.50")]),
    "decimal64": (pa.array([Decimal("1.50")], pa.decimal64(9, 2)), [Decimal("1.50")]),
    "decimal128": (pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)), [Decimal("1.50"), None]),
    "decimal256": (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), [Decimal("1.50")]),
    "bool": (pa.array([True, None]), [True, None]),
    "bool8": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
        [True, None, False],
    ),
    "null": (pa.nulls(2), [None, None]),
    **{
        f"timestamp[{unit}]": (pa.array([NOON, None], pa.timestamp(unit)), [NOON, None])
        for unit in ("s", "ms", "us", "ns")
    },
    **{
        f"timestamp[{unit}, {zone}]": (
            pa.array([NOON_S * scale, None], pa.timestamp(unit, zone)),
            [NOON.replace(tzinfo=UTC), None],
        )
        for unit, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
        for zone in ZONES
    },
    "a time beyond any year": (
        pa.array([NEVER, -NEVER, 0], pa.timestamp("us")),
        [None, None, datetime(1970, 1, 1)],
    ),
    "a time near the end of its unit": (pa.array([NEVER], pa.timestamp("ms")), [None]),
    "date32": (pa.array([date(2025, 1, 10), None], pa.date32()), [date(2025, 1, 10), None]),
    "date64": (pa.array([date(2025, 1, 10)], pa.date64()), [date(2025, 1, 10)]),
    "a date beyond any year": (pa.array([2**31 - 1, 0], pa.date32()), [None, date(1970, 1, 1)]),
    "time32": (pa.array([time(1, 2, 3)], pa.time32("ms")), [time(1, 2, 3)]),
    "time64": (pa.array([time(1, 2, 3, 4)], pa.time64("us")), [time(1, 2, 3, 4)]),
    "time64 in nanoseconds": (pa.array([1], pa.time64("ns")), [time(0)]),
    "duration": (pa.array([5, None], pa.duration("ms")), [timedelta(milliseconds=5), None]),
    "list": (pa.array([["a", None], None, []], pa.list_(pa.string())), [["a", None], None, []]),
    "large_list": (pa.array([["a"], None], pa.large_list(pa.string_view())), [["a"], None]),
    "list_view": (pa.array([["a"], None, []], pa.list_view(pa.string())), [["a"], None, []]),
    "large_list_view": (pa.array([["a"], None], pa.large_list_view(pa.string())), [["a"], None]),
    "fixed_size_list": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
    "list of lists of times": (
        pa.array([[[NOON], []]], pa.list_(pa.large_list(pa.timestamp("ns")))),
        [[[NOON], []]],
    ),
    "struct": (
        pa.array(
            [{"x": "a", "y": [1]}, None],
            pa.struct({"x": pa.string_view(), "y": pa.list_(pa.int8())}),
        ),
        [{"x": "a", "y": [1]}, None],
    ),
    "list of structs": (pa.array([[{"role": "user"}]]), [[{"role": "user"}]]),
    "map": (
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
        [[{"key": "k", "value": 1}], None],
    ),
    "uuid": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([U.bytes, None], pa.binary(16))),
        [U, None],
    ),
}


def written(tmp_path: Path, column: pa.Array, **options: bool) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": column}), path, **options)
    return path


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_the_type_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    column, expected = TYPES[name]
    require_known(column.type)
    assert cells(column) == expected
    assert list(map(type, cells(column))) == list(map(type, expected))
    # Also a part of a column, and as it comes out of a file.
    assert cells(pa.concat_arrays([column, column])[1:]) == [*expected[1:], *expected]
    file = pq.ParquetFile(written(tmp_path, column))
    (batch,) = file.iter_batches()
    assert cells(batch.column(0)) == expected


@pytest.mark.parametrize("keeps_schema", [True, False])
@pytest.mark.parametrize("name", TEXTS)
def test_text_is_text_however_it_was_written(name: str, keeps_schema: bool, tmp_path: Path) -> None:
    path = written(tmp_path, TEXTS[name], store_schema=keeps_schema)
    rows = list(parquet_rows(path, required={"text": Kind.TEXT}))
    assert rows == [{"text": "a"}, {"text": None}, {"text": "ß"}]


def test_a_dictionary_with_more_texts_than_rows_is_read() -> None:
    many = pa.array([str(n) for n in range(1000)])
    column = pa.DictionaryArray.from_arrays(pa.array([999, None, 3], pa.int16()), many)
    assert cells(column) == ["999", None, "3"]


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_a_time_may_be_of_any_unit_and_zone(zone: str | None, tmp_path: Path) -> None:
    column = pa.array([NOON_S * 1000], pa.timestamp("ms", zone))
    (row,) = parquet_rows(written(tmp_path, column), required={"text": Kind.TIME})
    assert row == {"text": NOON if zone is None else NOON.replace(tzinfo=UTC)}


@pytest.mark.parametrize(
    ("column", "wanted", "told"),
    [
        (pa.array([1]), Kind.TEXT, "column text is of type int64; it must be text"),
        (pa.array([1.5]), Kind.TIME, "column text is of type double; it must be a time"),
        (pa.array([NOON]), Kind.TEXT, r"column text is of type timestamp\[us\]; it must be text"),
        (pa.array([["a"]]), Kind.TEXT, "column text is of type list<element: string>; it must be"),
        (pa.array([date(2025, 1, 1)]), Kind.TIME, r"of type date32\[day\]; it must be a time"),
        (TYPES["uuid"][0], Kind.TEXT, r"of type extension<arrow.uuid>; it must be text"),
    ],
)
def test_what_cannot_be_what_is_wanted_is_refused_by_name(
    column: pa.Array, wanted: Kind, told: str, tmp_path: Path
) -> None:
    path = written(tmp_path, column)
    for names in ({"required": {"text": wanted}}, {"required": {}, "optional": {"text": wanted}}):
        with pytest.raises(UnreadableParquet, match=told):
            list(parquet_rows(path, **names))


class Unheard(pa.ExtensionType):  # type: ignore[misc]
    """A type that only its writer knows."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "acme.text")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: object, serialized: bytes) -> Unheard:
        return cls()


def test_a_type_that_nobody_knows_is_refused_by_name_also_inside_another(tmp_path: Path) -> None:
    pa.register_extension_type(Unheard())
    try:
        column = pa.ExtensionArray.from_storage(Unheard(), pa.array(["a"]))
        path = written(tmp_path, column)
        told = "column text is of type extension<acme.text.*cannot be read"
        with pytest.raises(UnreadableParquet, match=told):
            list(parquet_rows(path, required={"text": Kind.TEXT}))
    finally:
        pa.unregister_extension_type("acme.text")


@pytest.mark.parametrize(
    "kind",
    [
        pa.month_day_nano_interval(),
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.list_(pa.month_day_nano_interval()),
        pa.struct({"x": pa.sparse_union([pa.field("a", pa.int8())])}),
        pa.map_(pa.string(), pa.month_day_nano_interval()),
    ],
)
def test_types_that_no_parquet_file_has_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(UnknownType, match=r"month_day_nano|run_end|union"):
        require_known(kind)


@pytest.mark.parametrize(
    "kind", [pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.int8())]
)
def test_cells_of_such_a_type_are_never_read_as_nothing(kind: pa.DataType) -> None:
    with pytest.raises(UnknownType, match=r"month_day_nano|run_end"):
        cells(pa.nulls(2, kind))
