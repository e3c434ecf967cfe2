"""Reader of rows from an untrusted Parquet file: some columns, bounded, of known types.

The sizes stated in the file are checked first, but they may be false. The memory limit of the
calling process stops a file that unpacks to gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from sn37.domain.printable import one_line

MAX_ROWS = 100_000  # of a file
MAX_UNPACKED_BYTES = 512 << 20  # of a file, as stated in it
_BATCH_ROWS = 256
_NO_COLUMNS: Mapping[str, Kind] = MappingProxyType({})


class UnreadableParquet(ValueError):
    """The file is damaged, too large, or does not have the expected columns."""


def parquet_rows(
    path: Path, *, required: Mapping[str, Kind], optional: Mapping[str, Kind] = _NO_COLUMNS
) -> Iterator[Mapping[str, Cell]]:
    """Yield the rows of a file in its order, with the wanted columns that it has.

    Args:
        required, optional: The wanted columns, and what they must contain.

    Raises:
        UnreadableParquet: Some rows may have been yielded before. A column with the wrong content
            or of an unreadable type is reported before the first row.
    """
    obey_memory_limit()
    with translated(), pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        _check(file, required, optional)
        names = [n for n in (*required, *optional) if n in file.schema_arrow.names]
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False)
        for batch in batches:
            columns = [cells(batch.column(name)) for name in names]
            for row in zip(*columns, strict=True):
                yield dict(zip(names, row, strict=True))


def obey_memory_limit() -> None:
    """Make pyarrow free its memory and obey the process's limit."""
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of pyarrow as ``UnreadableParquet``."""
    try:
        yield
    except MemoryError as error:
        raise UnreadableParquet(
            "unpacking exceeds the memory limit of the reading process"
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableParquet(one_line(str(error).partition("\n")[0], 200)) from error


def _check(
    file: pq.ParquetFile, required: Mapping[str, Kind], optional: Mapping[str, Kind]
) -> None:
    facts, names = file.metadata, file.schema_arrow.names
    if facts.num_rows > MAX_ROWS:
        raise UnreadableParquet(f"{facts.num_rows} rows exceed the limit of {MAX_ROWS}")
    if missing := sorted(set(required) - set(names)):
        raise UnreadableParquet(f"column {missing[0]} is missing")
    if len(set(names)) < len(names):
        raise UnreadableParquet("two columns have the same name")
    for name, wanted in {**required, **optional}.items():
        if name in names:
            require_type(name, file.schema_arrow.field(name).type, wanted)
    groups = (facts.row_group(n) for n in range(facts.num_row_groups))
    if (unpacked := sum(group.total_byte_size for group in groups)) > MAX_UNPACKED_BYTES:
        raise UnreadableParquet(f"{unpacked} bytes unpacked exceed {MAX_UNPACKED_BYTES}")


def require_type(name: str, kind: pa.DataType, wanted: Kind) -> None:
    """Check that a column can be read and may have the wanted content.

    Raises:
        UnreadableParquet: It cannot; the message names column and type.
    """
    try:
        require_known(kind)
    except UnknownType as error:
        raise UnreadableParquet(
            f"column {name} is of type {str(kind)[:80]}; {error} cannot be read"
        ) from error
    if not is_of(kind, wanted):
        raise UnreadableParquet(
            f"column {name} is of type {str(kind)[:80]}; it must be {wanted.value}"
        )
