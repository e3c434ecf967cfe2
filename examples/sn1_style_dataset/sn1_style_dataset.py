"""Multiple-choice questions in the style of subnet 1, which a feed publishes as pages of JSON.

A page is ``{"rows": [{"id", "time", "challenge", "reference"}, ...], "next": link}``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urljoin
from urllib.request import urlopen

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from sn37.dataset_plugin import LivePlugin, Parameters
from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample, TimeWindow
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import DatasetPlugin
from sn37.ports.errors import DatasetUnavailable

TIMEOUT_S = 30.0  # of one page; a hang becomes an error, and the round is sat out
OPTION = re.compile(r"^[A-D]\. (.+)$", re.MULTILINE)


class Settings(Parameters):
    """What the schedule may say of this source."""

    url: str = Field(pattern="^(https|file)://")  # of the first page
    max_pages: int = Field(default=1000, ge=1)  # a feed that links in circles ends


class Row(BaseModel):
    """A row as the feed has it; one that is not like this is left out."""

    id: str
    time: AwareDatetime
    challenge: str
    reference: str


def read_page(url: str) -> bytes:
    with urlopen(url, timeout=TIMEOUT_S) as answer:
        return bytes(answer.read())


class Questions:
    """Collect a feed's rows. ``read`` is the only part that touches the network."""

    def __init__(self, settings: Settings, *, read: Callable[[str], bytes] = read_page) -> None:
        self._settings = settings
        self._read = read

    async def collect(self, request: PoolRequest) -> Pool:
        try:
            rows = await asyncio.to_thread(lambda: list(self._rows()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetUnavailable(f"{self._settings.url}: {error!r}") from error
        if request.trusted is not None:  # these rows are unsigned: of signed ones there are none
            return Pool(())
        found = [s for row in rows if (s := to_sample(row, request.window))]
        # Of two rows with one id the same one counts for everybody, whichever came first.
        found.sort(key=lambda s: (s.provenance.row_id, s.content_hash), reverse=True)
        unique = {s.provenance.row_id: s for s in found}
        return Pool(tuple(reversed(unique.values())))

    def _rows(self) -> Iterator[object]:
        url = self._settings.url
        for _ in range(self._settings.max_pages):
            page = json.loads(self._read(url))
            yield from page["rows"]
            if not page["next"]:
                return
            url = urljoin(url, page["next"])
        raise ValueError(f"more than {self._settings.max_pages} pages")


def to_sample(fields: object, window: TimeWindow) -> Sample | None:
    """A row of the window with its options taken apart; nothing when it does not fit."""
    try:
        row = Row.model_validate(fields)
    except ValidationError:
        return None
    options = dict(zip("ABCD", OPTION.findall(row.challenge), strict=False))
    if len(set(options.values())) != 4 or row.reference not in options or row.time not in window:
        return None
    return Sample(
        prompt=row.challenge.partition("\nA. ")[0],
        reference=options[row.reference],
        choices=tuple(options.values()),
        provenance=Provenance(row_id=row.id, produced_at=row.time),
    )


def build() -> DatasetPlugin:
    choice = Method.MULTIPLE_CHOICE
    return LivePlugin(name="sn1_style", parameters=Settings, connect=Questions, method=choice)
