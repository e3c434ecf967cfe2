"""Footers and row groups of Parquet files of which only parts are read. Child side.

The files are untrusted: sizes are checked first, and the memory limit of the reading process
stops what unpacks to more than it states.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sn37.adapters.dataset.parquet_cells import Cell, Kind, cells
from sn37.adapters.dataset.parquet_rows import (
    UnreadableParquet,
    obey_memory_limit,
    require_type,
    translated,
)

MAX_FOOTER_BYTES = 16 << 20
MAX_GROUP_BYTES = 64 << 20  # of the wanted columns, with what lies between them
MAX_UNPACKED_BYTES = 256 << 20  # of the wanted columns of a group, as stated in the file
MAX_GROUP_ROWS = 1_000_000
FIRST_BYTES = 64 << 10  # read at the end of a file; most footers are smaller
_OPTIONS = {"pre_buffer": False, "page_checksum_verification": True}
_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # length of the footer, and the magic

ReadPart = Callable[[range], bytes]


def read_footer(size_bytes: int, part: ReadPart) -> bytes:
    """Return the footer of a file with its length and magic, by one read or two.

    Raises:
        UnreadableParquet: There is none, or it is too large.
    """
    end = part(range(max(0, size_bytes - FIRST_BYTES), size_bytes)) if size_bytes else b""
    if len(end) < _TAIL_BYTES + len(_MAGIC) or not end.endswith(_MAGIC):
        raise UnreadableParquet("it is not a Parquet file, or it is truncated")
    length = int.from_bytes(end[-_TAIL_BYTES:-4], "little") + _TAIL_BYTES
    if length > min(MAX_FOOTER_BYTES, size_bytes - len(_MAGIC)):
        raise UnreadableParquet(f"a footer of {length} bytes is too long")
    if length > len(end):
        end = part(range(size_bytes - length, size_bytes))
    return end[-length:]


class Footer:
    """The footer of one file: sizes, places and types of its columns.

    Args:
        content: As ``read_footer`` returns it.
        columns: The wanted columns, and what they must contain.

    Raises:
        UnreadableParquet: It is damaged, or a column is missing or has the wrong content.
    """

    def __init__(self, content: bytes, columns: Mapping[str, Kind]) -> None:
        obey_memory_limit()
        self._columns = columns
        with translated(), pq.ParquetFile(pa.BufferReader(_MAGIC + content)) as file:
            self._facts = file.metadata
            self._check(file.schema_arrow)

    @property
    def num_rows(self) -> tuple[int, ...]:
        """Number of rows of each group."""
        groups = range(self._facts.num_row_groups)
        return tuple(self._facts.row_group(number).num_rows for number in groups)

    def span(self, number: int, size_bytes: int) -> range:
        """Return the bytes of a file from the first to the last wanted column of a group.

        Raises:
            UnreadableParquet: They are too many, or not inside the file.
        """
        chunks = list(self._chunks(number))
        begins = [min(n for n in c[:2] if n is not None) for c in chunks]
        ends = [begin + c[2] for begin, c in zip(begins, chunks, strict=True)]
        span = range(min(begins), max(ends))
        unpacked = sum(c[3] for c in chunks)
        rows = self._facts.row_group(number).num_rows
        if not (0 < span.start < span.stop <= size_bytes) or min(c[2] for c in chunks) <= 0:
            raise UnreadableParquet(f"row group {number} does not lie inside the file")
        for found, limit, what in (
            (len(span), MAX_GROUP_BYTES, "bytes"),
            (unpacked, MAX_UNPACKED_BYTES, "bytes unpacked"),
            (rows, MAX_GROUP_ROWS, "rows"),
        ):
            if found > limit:
                raise UnreadableParquet(f"row group {number}: {found} {what} exceed {limit}")
        return span

    def group(self, number: int, begin: int, content: bytes) -> Callable[[int], Row]:
        """Unpack a group whose bytes from ``begin`` on are ``content``; give its rows by number.

        Raises:
            UnreadableParquet: It is damaged. A row may be found to be damaged later.
        """
        with translated():
            source = pa.PythonFile(_Part(begin, content), mode="r")
            with pq.ParquetFile(source, metadata=self._facts, **_OPTIONS) as file:
                table = file.read_row_group(number, columns=list(self._columns), use_threads=False)
        if table.num_rows != self._facts.row_group(number).num_rows:
            raise UnreadableParquet(f"row group {number} does not have the rows it states")
        return lambda row: _row(table, row)

    def _check(self, schema: pa.Schema) -> None:
        if min(self.num_rows, default=0) < 0:
            raise UnreadableParquet("a row group states a negative number of rows")
        for name, wanted in self._columns.items():
            if (places := schema.names.count(name)) != 1:
                missing = "is missing" if places == 0 else "is there twice"
                raise UnreadableParquet(f"column {name} {missing}")
            require_type(name, schema.field(name).type, wanted)

    def _chunks(self, number: int) -> Iterator[tuple[int, int | None, int, int]]:
        """Yield for each part of a wanted column: two possible starts, its bytes, and unpacked."""
        group = self._facts.row_group(number)
        for place in range(group.num_columns):
            chunk = group.column(place)
            if chunk.path_in_schema.partition(".")[0] in self._columns:
                yield (
                    chunk.data_page_offset,
                    chunk.dictionary_page_offset or None,
                    chunk.total_compressed_size,
                    chunk.total_uncompressed_size,
                )


Row = Mapping[str, Cell]


class _Part(io.RawIOBase):
    """A file of which only some bytes are there; others cannot be read."""

    def __init__(self, begin: int, content: bytes) -> None:
        self._begin = begin
        self._content = memoryview(content)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}
        # Its own end stands for the file's.
        self._position = base.get(whence, self._begin + len(self._content)) + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        start = self._position - self._begin
        stop = start + size
        if start < 0 or size < 0 or stop > len(self._content):
            raise OSError("a column lies outside its row group")
        self._position += size
        return bytes(self._content[start:stop])


def _row(table: pa.Table, number: int) -> Row:
    with translated():
        (batch,) = table.slice(number, 1).to_batches()
        return {name: cells(batch.column(name))[0] for name in table.column_names}
