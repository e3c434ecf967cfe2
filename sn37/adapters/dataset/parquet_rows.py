"""Rows out of a Parquet file that a stranger wrote: some columns, bounded, type by type.

What a file says about its own sizes is looked at first, and may be a lie; the limit on the
memory of the process that calls this is what stops one that unpacks to gigabytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

MAX_ROWS = 100_000  # of a file
MAX_UNPACKED_BYTES = 512 << 20  # of a file, as it says itself
_BATCH_ROWS = 256
_EPOCH = datetime(1970, 1, 1)

Cell = str | int | datetime | None  # a datetime has no time zone


class UnreadableParquet(ValueError):
    """The file is damaged, too large, or not the table that it should be."""


def parquet_rows(
    path: Path, *, required: Collection[str], optional: Collection[str] = ()
) -> Iterator[Mapping[str, Cell]]:
    """The rows of a file in its order, with the wanted columns that it has.

    A cell is a text, a whole number, a time without zone, or ``None``, which also stands for
    what is none of these.

    Raises:
        UnreadableParquet: Some rows may have been given before.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # it gives back, and obeys the process's limit
    pa.set_cpu_count(1)
    try:
        with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
            _check(file, required)
            names = [n for n in (*required, *optional) if n in file.schema_arrow.names]
            batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False)
            for batch in batches:
                columns = [_cells(batch.column(name)) for name in names]
                for cells in zip(*columns, strict=True):
                    yield dict(zip(names, cells, strict=True))
    except MemoryError as error:
        raise UnreadableParquet(
            "it unpacks to more than the memory that reading may take"
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableParquet(str(error).partition("\n")[0][:200]) from error


def _check(file: pq.ParquetFile, required: Collection[str]) -> None:
    facts, names = file.metadata, file.schema_arrow.names
    if facts.num_rows > MAX_ROWS:
        raise UnreadableParquet(f"{facts.num_rows} rows, more than {MAX_ROWS}")
    if missing := sorted(set(required) - set(names)):
        raise UnreadableParquet(f"no column {missing[0]}")
    if len(set(names)) < len(names):
        raise UnreadableParquet("two columns of one name")
    groups = (facts.row_group(n) for n in range(facts.num_row_groups))
    if (unpacked := sum(group.total_byte_size for group in groups)) > MAX_UNPACKED_BYTES:
        raise UnreadableParquet(f"{unpacked} bytes unpacked, more than {MAX_UNPACKED_BYTES}")


def _cells(column: pa.Array) -> Sequence[Cell]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        return cast("list[str | int | None]", column.to_pylist())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        # By way of numbers: pyarrow's own conversion fails for all when one year has 5 digits.
        microseconds = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return [_moment(number) for number in microseconds.to_pylist()]
    return [None] * len(column)


def _moment(microseconds: int | None) -> datetime | None:
    try:
        return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
