"""Prompts and responses that validators of subnet 18 log to wandb, as a live source."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sn37.adapters.dataset.phrases import PhraseFilter
from sn37.adapters.dataset.signed_runs import SignedRuns
from sn37.adapters.dataset.wandb_messages import RETRIES, Query, RowFound, moment
from sn37.adapters.dataset.wandb_rows import TIMEOUT_S, read_rows
from sn37.dataset_plugin import LivePlugin, Parameters
from sn37.domain.collected import MAX_CHARACTERS, MAX_POOL_CHARACTERS
from sn37.domain.ids import Digest, Hotkey
from sn37.domain.samples import Pool, PoolRequest, Provenance, Sample

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, LiveDataset

log = logging.getLogger(__name__)

MAX_UIDS = 256
PAGE_STEPS = 32  # a step may hold 256 prompts and responses, half a megabyte
_CONFIG = {"type": "validator"}
_NAME = r"^[A-Za-z0-9_.-]{1,128}$"

IsClean = Callable[[str], bool]


class Sn18Parameters(Parameters):
    """What a schedule may say of the source."""

    entity: str = Field(default="cortex-t", pattern=_NAME)
    project: str = Field(default="multi-modality", pattern=_NAME)
    modality: Literal["text"] = "text"
    base_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+$")


class Sn18:
    """Reads the runs of subnet 18's validators.

    Args:
        is_clean: Whether a text holds no undesirable phrase; of the list that ships when ``None``.
        timeout_s: Of a read.
        retries: Of a request.
    """

    def __init__(
        self,
        parameters: Sn18Parameters,
        *,
        is_clean: IsClean | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        self._parameters = parameters
        self._is_clean = is_clean
        self._timeout_s = timeout_s
        self._retries = retries

    async def collect(self, request: PoolRequest) -> Pool:
        """See the port. Of equal texts the earliest row counts.

        Of a signer who logs more than his share of a full pool only some rows count, which are
        the same ones for every reader.

        Raises:
            ValueError: The request trusts everybody; rows of this source are signed.
        """
        if request.trusted is None:
            raise ValueError("rows of sn18 are signed: the schedule must name signers_netuid")
        if not request.trusted:
            return Pool(())
        runs = SignedRuns(
            trusted=request.trusted, required=_CONFIG, hotkey="hotkey", signature="signature"
        )
        rows = _Rows(runs, self._parameters.modality, self._is_clean or _shipped_filter())
        left_out = await read_rows(
            self._query(request, request.trusted),
            choose=runs.choose,
            take=rows.take,
            timeout_s=self._timeout_s,
        )
        pool = await asyncio.to_thread(rows.pool)
        rows.left_out.update(left_out)
        log.info(
            "sn18: %d rows of %d runs%s",
            len(pool.samples),
            len(runs.signers),
            "".join(f", {n} {why}" for why, n in sorted(rows.left_out.items()) if n),
        )
        return pool

    def _query(self, request: PoolRequest, trusted: frozenset[Hotkey]) -> Query:
        return Query(
            entity=self._parameters.entity,
            project=self._parameters.project,
            config={key: [value] for key, value in _CONFIG.items()} | {"hotkey": sorted(trusted)},
            told=[*_CONFIG, "hotkey", "signature"],
            columns=["modality"],
            indexed=["prompts", "responses"],
            since=request.window.since.timestamp(),
            until=request.window.until.timestamp(),
            page_steps=PAGE_STEPS,
            base_url=self._parameters.base_url,
            retries=self._retries,
        )


class _Rows:
    """The rows of one read that can be scored, and how many cannot, by reason."""

    def __init__(self, runs: SignedRuns, modality: str, is_clean: IsClean) -> None:
        self.left_out: Counter[str] = Counter()
        self._runs = runs
        self._modality = modality
        self._is_clean = is_clean
        self._room = MAX_POOL_CHARACTERS // len(runs.trusted)
        self._samples: dict[Hotkey, list[Sample]] = {}
        self._sizes: Counter[Hotkey] = Counter()

    def take(self, row: RowFound) -> None:
        """Keep the row if there is something to score in it."""
        prompt, response = row.values.get("prompts"), row.values.get("responses")
        if row.values.get("modality") != self._modality:
            self.left_out["of another modality"] += 1
        elif not (isinstance(prompt, str) and isinstance(response, str)):
            self.left_out["without text"] += 1
        elif why := self._fault(prompt, response):
            self.left_out[why] += 1
        elif row.index is None or row.index >= MAX_UIDS:
            self.left_out["of no uid"] += 1
        else:
            self._keep(
                Sample(
                    prompt=prompt,
                    reference=response,
                    provenance=Provenance(
                        row_id=f"{row.run}/{row.step:06d}/{row.index:03d}",
                        produced_at=moment(row.written),
                        signer=self._runs.signers[row.run],
                    ),
                )
            )

    def pool(self) -> Pool:
        """What was kept, each text once, ordered by row id."""
        kept = [s for samples in self._samples.values() for s in self._most(samples)]
        first: dict[Digest, Sample] = {}
        for sample in sorted(kept, key=_age):
            first.setdefault(sample.content_hash, sample)
        self.left_out["repeated"] += len(kept) - len(first)
        return Pool(tuple(sorted(first.values(), key=lambda s: s.provenance.row_id)))

    def _fault(self, prompt: str, response: str) -> str | None:
        if not (prompt.strip() and response.strip()):
            return "empty"
        if len(prompt) + len(response) > MAX_CHARACTERS:
            return "too long"
        if not (_is_text(prompt) and _is_text(response)):
            return "with what is no text"
        if not (self._is_clean(prompt) and self._is_clean(response)):
            return "with an undesirable phrase"
        return None

    def _keep(self, sample: Sample) -> None:
        signer = sample.provenance.signer
        assert signer is not None
        samples = self._samples.setdefault(signer, [])
        samples.append(sample)
        self._sizes[signer] += _size(sample)
        if self._sizes[signer] > 2 * self._room:  # seldom, since it sorts
            self._samples[signer] = self._most(samples)
            self._sizes[signer] = sum(map(_size, self._samples[signer]))

    def _most(self, samples: list[Sample]) -> list[Sample]:
        """As many of a signer's rows as there is room for.

        By a hash of the row id, so that other rows, read later or by others, change little.
        """
        room, kept = self._room, []
        for sample in sorted(samples, key=_rank):
            room -= _size(sample)
            if room < 0:
                break
            kept.append(sample)
        self.left_out["beyond their signer's share"] += len(samples) - len(kept)
        return kept


@cache
def _shipped_filter() -> IsClean:
    return PhraseFilter.load().is_clean


def _is_text(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _size(sample: Sample) -> int:
    return len(sample.prompt) + len(sample.reference)


def _rank(sample: Sample) -> bytes:
    return sha256(sample.provenance.row_id.encode()).digest()


def _age(sample: Sample) -> tuple[float, str]:
    written = sample.provenance.produced_at
    assert written is not None
    return written.timestamp(), sample.provenance.row_id


def build() -> DatasetPlugin:
    """The plug-in, for the entry point."""
    return LivePlugin(name="sn18", parameters=Sn18Parameters, connect=Sn18)


if TYPE_CHECKING:
    _dataset: LiveDataset = Sn18(Sn18Parameters())
