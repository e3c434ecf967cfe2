"""Texts of a training set on this machine: JSON lines, Parquet and plain text, a row at a time.

A row's text is every text in it, in its order: prompts, answers, the turns of a conversation.
Memory depends on the longest row, and for Parquet on the largest row group, not on the size of the
set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sn37.domain.printable import one_line
from sn37.ports.errors import DatasetUnavailable

if TYPE_CHECKING:
    from pyarrow import DataType  # type: ignore[import-untyped]

MAX_LINE_BYTES = 16 << 20
MAX_PIECE = 1 << 20  # characters of a paragraph of plain text; a longer one is cut in pieces
CARRIED = 2_000  # characters that a piece begins with, of the one before
_BATCH_ROWS = 64

TEXT_NAMES = (".txt", ".md")
NAMES = (".jsonl", ".parquet", *TEXT_NAMES)


def local_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each row of a file, or of all files in a folder, in order of name.

    Raises:
        DatasetUnavailable: No file of a known kind was found, or one is damaged or unreadable.
    """
    files = [path] if path.is_file() else sorted(filter(_is_read, path.rglob("*")))
    if not files:
        raise DatasetUnavailable(f"{path}: no file whose name ends in {', '.join(NAMES)}")
    for file in files:
        name = file.name if file == path else str(file.relative_to(path))
        try:
            yield from _rows(file, name)
        except OSError as error:
            raise DatasetUnavailable(f"{file}: {error.strerror or error}") from error


def _is_read(path: Path) -> bool:
    return path.suffix in NAMES and path.is_file()


def _rows(file: Path, name: str) -> Iterator[tuple[str, str]]:
    if file.suffix == ".parquet":
        yield from _parquet_rows(file, name)
        return
    with file.open("rb") as opened:
        if file.suffix == ".jsonl":
            yield from _json_rows(opened, name)
        elif file.suffix in TEXT_NAMES:
            yield from _paragraphs(opened, name)
        else:
            raise DatasetUnavailable(f"{file}: its name must end in {', '.join(NAMES)}")


def _json_rows(opened: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    number = 0
    while line := opened.readline(MAX_LINE_BYTES + 1):
        number += 1
        where = f"{name}, line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise DatasetUnavailable(f"{where}: longer than {MAX_LINE_BYTES >> 20} MiB")
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetUnavailable(f"{where}: not JSON: {one_line(str(error), 100)}") from error
        yield where, "\n".join(_texts(row))


def _parquet_rows(file: Path, name: str) -> Iterator[tuple[str, str]]:
    try:
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        from sn37.adapters.dataset.parquet_cells import UnknownType, cells
        from sn37.adapters.dataset.parquet_rows import UnreadableParquet, translated
    except ImportError as error:
        raise DatasetUnavailable(
            f"{file}: Parquet needs pyarrow: pip install 'sn37[data]'"
        ) from error
    number = 0
    try:
        with translated(), pq.ParquetFile(file, memory_map=False, pre_buffer=False) as opened:
            kept = [f.name for f in opened.schema_arrow if _has_text(f.type)]
            if not kept:
                raise DatasetUnavailable(f"{file}: no column with text")
            batches = opened.iter_batches(batch_size=_BATCH_ROWS, columns=kept, use_threads=False)
            for batch in batches:
                columns = [cells(batch.column(column)) for column in kept]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield f"{name}, row {number}", "\n".join(_texts(list(row)))
    except (UnreadableParquet, UnknownType) as error:
        raise DatasetUnavailable(f"{file}: {error}") from error


def _has_text(kind: DataType) -> bool:
    """True if a column of a pyarrow type may contain text, also inside lists and structures."""
    import pyarrow as pa

    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return True
    if isinstance(kind, pa.DictionaryType):
        return _has_text(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _has_text(kind.storage_type)
    if not types.is_nested(kind):
        return False
    return any(_has_text(kind.field(n).type) for n in range(kind.num_fields))


def _paragraphs(opened: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    begun, piece, number = 1, "", 0
    while line := opened.readline(MAX_PIECE):
        number += 1
        text = line.decode(errors="replace")
        if text.strip():
            piece += text
            if len(piece) < MAX_PIECE:
                continue
        if piece.strip():
            yield f"{name}, line {begun}", piece
        piece = piece[-CARRIED:] if text.strip() else ""
        begun = number + 1
    if piece.strip():
        yield f"{name}, line {begun}", piece


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for element in value.values():
            yield from _texts(element)
    elif isinstance(value, list):
        for element in value:
            yield from _texts(element)
