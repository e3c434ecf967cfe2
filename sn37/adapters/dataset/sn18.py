"""Live source of the prompts and responses that validators of subnet 18 log to wandb."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sn37.adapters.dataset.kept_samples import Unfit, is_text
from sn37.adapters.dataset.phrases import PhraseFilter
from sn37.adapters.dataset.signed_pool import ReadRuns, signed_pool
from sn37.adapters.dataset.signed_runs import SignedRuns
from sn37.adapters.dataset.wandb_messages import RETRIES, Query, RowFound, moment
from sn37.adapters.dataset.wandb_rows import TIMEOUT_S, read_rows
from sn37.dataset_plugin import LivePlugin, Parameters
from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample
from sn37.domain.data.vetting import MAX_CHARACTERS
from sn37.domain.ids import Hotkey

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, LiveDataset

MAX_UIDS = 256
PAGE_STEPS = 32  # a step may hold 256 prompts and responses, half a megabyte
_CONFIG = {"type": "validator"}
_NAME = r"^[A-Za-z0-9_.-]{1,128}$"

IsClean = Callable[[bytes], bool]  # for a text in UTF-8


class Sn18Parameters(Parameters):
    """Parameters of the source in a schedule."""

    entity: str = Field(default="cortex-t", pattern=_NAME)
    project: str = Field(default="multi-modality", pattern=_NAME)
    modality: Literal["text"] = "text"
    # Address of the host; if empty, WANDB_BASE_URL or the client's default.
    base_url: str = Field(default="", pattern=r"^(https?://[^\s/]+)?$")


class Sn18:
    """Reads the runs of subnet 18's validators.

    Args:
        is_clean: True if a text contains no undesirable phrase; ``None`` for the shipped list.
        read: Reads wandb; tests may replace it by recorded runs.
        timeout_s: Of a read.
        retries: Of a request.
    """

    def __init__(
        self,
        parameters: Sn18Parameters,
        *,
        is_clean: IsClean | None = None,
        read: ReadRuns = read_rows,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        self._parameters = parameters
        self._is_clean = is_clean
        self._read = read
        self._timeout_s = timeout_s
        self._retries = retries

    async def collect(self, request: PoolRequest) -> Pool:
        """See the port, and ``signed_pool``.

        Raises:
            ValueError: The request names no trusted hotkeys, but rows of this source are signed.
        """
        if request.trusted is None:
            raise ValueError("rows of sn18 are signed: set signers_netuid in the schedule")
        if not request.trusted:
            return Pool(())
        return await signed_pool(
            "sn18",
            self._query(request, request.trusted),
            SignedRuns(
                trusted=request.trusted, required=_CONFIG, hotkey="hotkey", signature="signature"
            ),
            partial(_sample, self._parameters.modality, self._is_clean or _shipped_filter()),
            salt=request.salt,
            timeout_s=self._timeout_s,
            read=self._read,
        )

    def _query(self, request: PoolRequest, trusted: frozenset[Hotkey]) -> Query:
        return Query(
            entity=self._parameters.entity,
            project=self._parameters.project,
            config={key: [value] for key, value in _CONFIG.items()} | {"hotkey": sorted(trusted)},
            told=[*_CONFIG, "hotkey", "signature"],
            signed_by=("hotkey", "signature"),
            columns=["modality"],
            indexed=["prompts", "responses"],
            since=request.window.since.timestamp(),
            until=request.window.until.timestamp(),
            page_steps=PAGE_STEPS,
            base_url=self._parameters.base_url,
            retries=self._retries,
        )


def _sample(modality: str, is_clean: IsClean, row: RowFound, signer: Hotkey) -> Sample:
    """Return the prompt and the response of a row as a sample, if they can be scored."""
    prompt, response = row.values.get("prompts"), row.values.get("responses")
    if row.values.get("modality") != modality:
        raise Unfit("of another modality")
    if not (isinstance(prompt, str) and isinstance(response, str)):
        raise Unfit("without text")
    if not (prompt.strip() and response.strip()):
        raise Unfit("empty")
    if len(prompt) + len(response) > MAX_CHARACTERS:
        raise Unfit("too long")
    if not (is_text(prompt) and is_text(response)):
        raise Unfit("with values that are not text")
    if row.index is None or row.index >= MAX_UIDS:
        raise Unfit("without a valid uid")
    sample = Sample(
        prompt=prompt,
        reference=response,
        provenance=Provenance(
            row_id=f"{row.run}/{row.step:06d}/{row.index:03d}",
            produced_at=moment(row.written),
            signer=signer,
        ),
    )
    if not is_clean(sample.content()):  # searches both; no phrase contains the NUL between
        raise Unfit("with an undesirable phrase")
    return sample


@cache
def _shipped_filter() -> IsClean:
    return PhraseFilter.load().is_clean_utf8


def build() -> DatasetPlugin:
    """Return the plug-in for the entry point."""
    return LivePlugin(
        name="sn18",
        parameters=Sn18Parameters,
        connect=Sn18,
        packages=("hyperscan", "wandb"),
        install="sn37[data]",
    )


if TYPE_CHECKING:
    _dataset: LiveDataset = Sn18(Sn18Parameters())
