"""Rows out of a Parquet file that a stranger wrote: some columns, bounded, of known types.

What a file says about its own sizes is looked at first, and may be a lie; the limit on the
memory of the process that calls this is what stops one that unpacks to gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.adapters.dataset.parquet_cells import (
    Cell,
    Kind,
    UnknownType,
    cells,
    is_of,
    require_known,
)

MAX_ROWS = 100_000  # of a file
MAX_UNPACKED_BYTES = 512 << 20  # of a file, as it says itself
_BATCH_ROWS = 256
_NO_COLUMNS: Mapping[str, Kind] = MappingProxyType({})


class UnreadableParquet(ValueError):
    """The file is damaged, too large, or not the table that it should be."""


def parquet_rows(
    path: Path, *, required: Mapping[str, Kind], optional: Mapping[str, Kind] = _NO_COLUMNS
) -> Iterator[Mapping[str, Cell]]:
    """The rows of a file in its order, with the wanted columns that it has.

    Args:
        required, optional: The columns that are wanted, and what they must hold.

    Raises:
        UnreadableParquet: Some rows may have been given before. A column that cannot hold what is
            wanted, or is of a type that nobody here reads, is named with its type before any.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # it gives back, and obeys the process's limit
    pa.set_cpu_count(1)
    try:
        with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
            _check(file, required, optional)
            names = [n for n in (*required, *optional) if n in file.schema_arrow.names]
            batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False)
            for batch in batches:
                columns = [cells(batch.column(name)) for name in names]
                for row in zip(*columns, strict=True):
                    yield dict(zip(names, row, strict=True))
    except MemoryError as error:
        raise UnreadableParquet(
            "it unpacks to more than the memory that reading may take"
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableParquet(str(error).partition("\n")[0][:200]) from error


def _check(
    file: pq.ParquetFile, required: Mapping[str, Kind], optional: Mapping[str, Kind]
) -> None:
    facts, names = file.metadata, file.schema_arrow.names
    if facts.num_rows > MAX_ROWS:
        raise UnreadableParquet(f"{facts.num_rows} rows, more than {MAX_ROWS}")
    if missing := sorted(set(required) - set(names)):
        raise UnreadableParquet(f"no column {missing[0]}")
    if len(set(names)) < len(names):
        raise UnreadableParquet("two columns of one name")
    for name, wanted in {**required, **optional}.items():
        if name in names:
            _check_type(name, file.schema_arrow.field(name).type, wanted)
    groups = (facts.row_group(n) for n in range(facts.num_row_groups))
    if (unpacked := sum(group.total_byte_size for group in groups)) > MAX_UNPACKED_BYTES:
        raise UnreadableParquet(f"{unpacked} bytes unpacked, more than {MAX_UNPACKED_BYTES}")


def _check_type(name: str, kind: pa.DataType, wanted: Kind) -> None:
    try:
        require_known(kind)
    except UnknownType as error:
        raise UnreadableParquet(
            f"column {name} is of type {str(kind)[:80]}; {error} is not read"
        ) from error
    if not is_of(kind, wanted):
        raise UnreadableParquet(
            f"column {name} is of type {str(kind)[:80]}; it must be {wanted.value}"
        )
