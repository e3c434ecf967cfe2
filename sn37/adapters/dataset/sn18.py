"""Prompts and responses that validators of subnet 18 log to wandb, as a live source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sn37.adapters.dataset.kept_samples import KeptSamples, is_text
from sn37.adapters.dataset.phrases import PhraseFilter
from sn37.adapters.dataset.signed_runs import SignedRuns
from sn37.adapters.dataset.wandb_messages import RETRIES, Query, RowFound, moment
from sn37.adapters.dataset.wandb_rows import TIMEOUT_S, read_rows
from sn37.dataset_plugin import LivePlugin, Parameters
from sn37.domain.collected import MAX_CHARACTERS
from sn37.domain.ids import Hotkey
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
    # Of the host; WANDB_BASE_URL, or the client's own when empty.
    base_url: str = Field(default="", pattern=r"^(https?://[^\s/]+)?$")


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
        kept = KeptSamples(len(request.trusted))
        rows = _Rows(runs, kept, self._parameters.modality, self._is_clean or _shipped_filter())
        left_out = await read_rows(
            self._query(request, request.trusted),
            choose=runs.choose,
            take=rows.take,
            timeout_s=self._timeout_s,
        )
        pool = await asyncio.to_thread(kept.pool)
        kept.left_out.update(left_out)
        log.info("sn18: %d rows of %d runs%s", len(pool.samples), len(runs.signers), kept.told())
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
    """Makes samples of the rows of one read, those that can be scored."""

    def __init__(
        self, runs: SignedRuns, kept: KeptSamples, modality: str, is_clean: IsClean
    ) -> None:
        self._runs = runs
        self._kept = kept
        self._modality = modality
        self._is_clean = is_clean

    def take(self, row: RowFound) -> None:
        """Keep the row if there is something to score in it."""
        prompt, response = row.values.get("prompts"), row.values.get("responses")
        if row.values.get("modality") != self._modality:
            self._kept.left_out["of another modality"] += 1
        elif not (isinstance(prompt, str) and isinstance(response, str)):
            self._kept.left_out["without text"] += 1
        elif why := self._fault(prompt, response):
            self._kept.left_out[why] += 1
        elif row.index is None or row.index >= MAX_UIDS:
            self._kept.left_out["of no uid"] += 1
        else:
            self._kept.add(
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

    def _fault(self, prompt: str, response: str) -> str | None:
        if not (prompt.strip() and response.strip()):
            return "empty"
        if len(prompt) + len(response) > MAX_CHARACTERS:
            return "too long"
        if not (is_text(prompt) and is_text(response)):
            return "with what is no text"
        if not (self._is_clean(prompt) and self._is_clean(response)):
            return "with an undesirable phrase"
        return None


@cache
def _shipped_filter() -> IsClean:
    return PhraseFilter.load().is_clean


def build() -> DatasetPlugin:
    """The plug-in, for the entry point."""
    return LivePlugin(name="sn18", parameters=Sn18Parameters, connect=Sn18)


if TYPE_CHECKING:
    _dataset: LiveDataset = Sn18(Sn18Parameters())
