"""Live data source over subnet 18's signed runs on simnet, with the structure of the real one.

Everything that a sender writes is checked: the run's signature against the hotkey that it
claims, the hotkey against the trusted ones of the request, and each row's time against the
window and against the run's start, which the host records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sn37.adapters.simnet.chain.keys import verified
from sn37.adapters.simnet.feed.corpus import split, standard_library_pairs
from sn37.adapters.simnet.feed.signed_logs import Row, Run, SimnetRuns
from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample, TimeWindow
from sn37.domain.ids import Hotkey
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.ports.errors import DatasetUnavailable

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, LiveDataset

MODALITY = "text"
_PROMPTS, _RESPONSES = "prompts.", "responses."


class RunReader(Protocol):
    """Host of the runs. Both methods raise ``OSError`` when it cannot be read."""

    def runs(self, since: datetime, until: datetime) -> Iterator[Run]:
        """Return every run that has a row in ``[since, until)``, and perhaps others."""
        ...

    def rows(self, run: Run, since: datetime, until: datetime) -> Iterator[Row]:
        """Return the run's rows with a time in ``[since, until)``, by step."""
        ...


class SimnetFeed:
    """Plug-in that opens the feed of one simnet run.

    Args:
        seed: Of the simnet run; keys, runs and rows depend on it.
        genesis_time: Of the chain's block 0; row times are chain time.
        stdlib: Folder whose documentation strings are the texts; ``None`` for the installed
            Python's.
        cache: File that keeps the texts, see ``standard_library_pairs``.
    """

    def __init__(
        self,
        *,
        seed: int,
        genesis_time: datetime,
        stdlib: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self._seed = seed
        self._genesis_time = genesis_time
        self._stdlib = stdlib
        self._cache = cache

    @property
    def freshness(self) -> Freshness:
        return Freshness.LIVE

    def open(self, parameters: Mapping[str, ParameterValue]) -> SignedRuns:
        """See the port. Both parameters are optional.

        ``modality`` must be "text"; cells whose prompt and response together have more than
        ``max_chars`` characters are left out.
        """
        known = {"modality": MODALITY, "max_chars": None, **parameters}
        if unknown := sorted(known.keys() - {"modality", "max_chars"}):
            raise ValueError(f"unknown parameter {unknown[0]}; known are modality and max_chars")
        if known["modality"] != MODALITY:
            raise ValueError(f"modality must be {MODALITY!r}, not {known['modality']!r}")
        max_chars = known["max_chars"]
        if max_chars is not None and (type(max_chars) is not int or max_chars < 1):
            raise ValueError(f"max_chars must be a positive whole number, not {max_chars!r}")
        return SignedRuns(self._reader, max_chars=max_chars)

    def _reader(self) -> SimnetRuns:
        pairs = split(standard_library_pairs(self._stdlib, cache=self._cache), "live")
        return SimnetRuns(seed=self._seed, genesis_time=self._genesis_time, pairs=pairs)


class SignedRuns:
    """Live data set over the host that ``connect`` returns.

    ``connect`` is called in a thread, once for each collection; the first call parses the standard
    library, which takes one or two seconds.
    """

    def __init__(self, connect: Callable[[], RunReader], *, max_chars: int | None = None) -> None:
        self._connect = connect
        self._max_chars = max_chars

    async def collect(self, request: PoolRequest) -> Pool:
        """See the port.

        Raises:
            ValueError: The request names no trusted signers, but rows of this source are signed.
        """
        if request.trusted is None:
            raise ValueError("this source is signed: the schedule must name signers_netuid")
        try:
            return await asyncio.to_thread(self._pool, request, request.trusted)
        except OSError as error:
            raise DatasetUnavailable(f"simnet's feed cannot be read: {error}") from error

    def _pool(self, request: PoolRequest, trusted: frozenset[Hotkey]) -> Pool:
        reader, window = self._connect(), request.window
        samples = [
            sample
            for run in reader.runs(window.since, window.until)
            if (signer := _signer(run)) is not None and signer in trusted
            for row in reader.rows(run, window.since, window.until)
            for sample in _samples(run, row, signer, window)
            if self._fits(sample)
        ]
        return Pool(tuple(samples)).by_row_id()

    def _fits(self, sample: Sample) -> bool:
        size = len(sample.prompt) + len(sample.reference)
        return self._max_chars is None or size <= self._max_chars


def _signer(run: Run) -> Hotkey | None:
    """Return the hotkey that signed the run's id, or ``None`` without a valid signature."""
    hotkey = Hotkey(run.config.get("hotkey", ""))
    try:
        signature = bytes.fromhex(run.config.get("signature", ""))
    except ValueError:
        return None
    is_validator = run.config.get("type") == "validator"
    return hotkey if is_validator and verified(run.id.encode(), signature, hotkey) else None


def _samples(run: Run, row: Row, signer: Hotkey, window: TimeWindow) -> Iterator[Sample]:
    """Yield the cells of a row that have a prompt and a response, named "run/step/uid"."""
    step, written = row.get("_step"), row.get("_timestamp")
    if row.get("modality") != MODALITY or not isinstance(step, int):
        return
    if not isinstance(written, int | float):
        return
    produced_at = datetime.fromtimestamp(
        written, UTC
    )  # to the microsecond, for the comparisons below
    # A row from before the run began is back-dated.
    if produced_at not in window or produced_at < run.created_at:
        return
    for column, prompt in row.items():
        uid = column.removeprefix(_PROMPTS)
        if uid == column or not uid.isdecimal():
            continue
        response = row.get(_RESPONSES + uid)
        if not isinstance(prompt, str) or not isinstance(response, str):
            continue
        if prompt.strip() and response.strip():
            yield Sample(
                prompt=prompt,
                reference=response,
                provenance=Provenance(
                    row_id=f"{run.id}/{step:06d}/{int(uid):03d}",
                    produced_at=produced_at,
                    signer=signer,
                ),
            )


if TYPE_CHECKING:
    _plugin: DatasetPlugin = SimnetFeed(seed=0, genesis_time=datetime.now(UTC))
    _dataset: LiveDataset = SimnetFeed(seed=0, genesis_time=datetime.now(UTC)).open({})
    _reader: RunReader = SimnetRuns(seed=0, genesis_time=datetime.now(UTC), pairs=())
