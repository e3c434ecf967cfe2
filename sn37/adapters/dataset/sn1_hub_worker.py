"""Process that reads subnet 1's data set on Hugging Face: an order in, samples out.

The data set has a folder for each date on Pacific calendars. Its rows name a hotkey but are
not signed: they are as reliable as the repository's owner.
"""

from __future__ import annotations

import re
import resource
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from sn37.adapters.dataset.hub_repository import HubRepository, RemoteFile
from sn37.adapters.dataset.kept_samples import KeptSamples, Unfit, is_text
from sn37.adapters.dataset.pacific import pacific_dates, pacific_to_utc
from sn37.adapters.dataset.parquet_cells import Cell, Kind
from sn37.adapters.dataset.parquet_rows import UnreadableParquet, parquet_rows
from sn37.adapters.dataset.sn1_hub_messages import End, ReadOrder, decode_order, encode_line
from sn37.adapters.dataset.sn1_rows import MULTI_CHOICE, row_sample
from sn37.domain.data.samples import Provenance, TimeWindow
from sn37.domain.ids import Hotkey
from sn37.ports.errors import DatasetUnavailable

MAX_FILES = 32  # of a window
MAX_BYTES = 256 << 20  # of all these files; a day has a few MB
MAX_MEMORY_BYTES = 1 << 30  # a file that unpacks to more ends only this process
_COLUMNS = {
    "id": Kind.TEXT,
    "hotkey": Kind.TEXT,
    "timestamp": Kind.TIME,
    "challenge": Kind.TEXT,
    "reference": Kind.TEXT,
}
_PERHAPS = {"task": Kind.TEXT, "topic": Kind.TEXT}
_DATE = re.compile(r"(?<!\d)(20\d\d)[-_]?([01]\d)[-_]?([0-3]\d)(?!\d)")


def main() -> None:
    """Carry out one order."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    order = decode_order(sys.stdin.buffer.readline())
    try:
        rows = read(order, Path(tempfile.gettempdir()))
    except DatasetUnavailable as error:
        _send([encode_line(error)])
    else:
        _send(map(encode_line, rows.kept.pool().samples))
        _send([encode_line(End(left_out=rows.kept.told()))])


class RowsOfWindow:
    """The requested rows of one read, as samples."""

    def __init__(self, order: ReadOrder) -> None:
        self.kept = KeptSamples(len(order.trusted or ()), salt=order.salt)
        self.window = TimeWindow(
            since=datetime.fromisoformat(order.since), until=datetime.fromisoformat(order.until)
        )
        self._trusted = None if order.trusted is None else frozenset(order.trusted)
        self._tasks = order.tasks
        self._ids: set[str] = set()

    def take(self, row: Mapping[str, Cell]) -> None:
        """Keep the row if it fits; a row without a task counts as multiple choice."""
        try:
            origin = self._origin(row)
            sample = row_sample({"task": MULTI_CHOICE, **row}, origin, tasks=self._tasks)
        except Unfit as error:
            self.kept.left_out[str(error)] += 1
            return
        if origin.row_id in self._ids:  # of two rows with one id, that in the first file counts
            self.kept.left_out["with a repeated id"] += 1
            return
        self._ids.add(origin.row_id)
        self.kept.add(sample)

    def _origin(self, row: Mapping[str, Cell]) -> Provenance:
        produced_at = _moment(row["timestamp"])
        if produced_at is None or produced_at not in self.window:
            raise Unfit("outside the window")
        hotkey, row_id = row["hotkey"], row["id"]
        if self._trusted is not None and hotkey not in self._trusted:
            raise Unfit("of a hotkey that is not trusted")
        if not (isinstance(row_id, str) and row_id and is_text(row_id)):
            raise Unfit("without an id")
        signer = None if self._trusted is None else Hotkey(str(hotkey))
        return Provenance(row_id=row_id, produced_at=produced_at, signer=signer)


def read(order: ReadOrder, folder: Path) -> RowsOfWindow:
    """Fetch the files of the order's window one by one and take their rows.

    Raises:
        DatasetUnavailable: Something could not be read; no partial result is returned.
    """
    rows = RowsOfWindow(order)
    repository = HubRepository(order.repo, endpoint=order.endpoint, pause_s=order.pause_s)
    commit = repository.revision_before(rows.window.until)
    path = folder / "rows.parquet"
    for file in files_of(repository.files(commit), pacific_dates(rows.window), order.repo):
        repository.download(commit, file, path)
        try:
            for row in parquet_rows(path, required=_COLUMNS, optional=_PERHAPS):
                rows.take(row)
        except UnreadableParquet as error:
            raise DatasetUnavailable(f"{order.repo}, {file.path[:200]!a}: {error}") from error
    return rows


def files_of(listed: Sequence[RemoteFile], dates: Collection[date], repo: str) -> list[RemoteFile]:
    """Return the Parquet files of these dates, by path.

    Raises:
        DatasetUnavailable: No file has a date, or the files are too many or too large.
    """
    dated = {f.path: (f, set(_dates(f.path))) for f in listed if f.path.endswith(".parquet")}
    if not any(days for _, days in dated.values()):
        raise DatasetUnavailable(f"{repo} has no Parquet files with a date: its layout changed")
    wanted = [file for _, (file, days) in sorted(dated.items()) if days.intersection(dates)]
    size_bytes = sum(file.size_bytes for file in wanted)
    if len(wanted) > MAX_FILES or size_bytes > MAX_BYTES:
        raise DatasetUnavailable(
            f"{repo}: {len(wanted)} files of {size_bytes} bytes for {len(dates)} days exceed the "
            f"limit of {MAX_FILES} files or {MAX_BYTES} bytes"
        )
    return wanted


def _moment(written: Cell) -> datetime | None:
    if isinstance(written, str):
        try:
            written = datetime.fromisoformat(written)
        except ValueError:
            return None
    if not isinstance(written, datetime):
        return None
    if written.tzinfo is None:
        return pacific_to_utc(written)
    try:
        return written.astimezone(UTC)
    except OverflowError:
        return None


def _dates(path: str) -> Iterator[date]:
    for year, month, day in _DATE.findall(path):
        try:
            yield date(int(year), int(month), int(day))
        except ValueError:  # a number that only looks like a date
            continue


def _send(lines: Iterable[bytes]) -> None:
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
