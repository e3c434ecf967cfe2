"""Live source of questions that validators of subnet 1 ask, from wandb or from the hub.

The two are never mixed: on wandb a run is signed by its hotkey; in the hub's data set a row
only names a hotkey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from sn37.adapters.dataset.signed_pool import ReadRuns, signed_pool
from sn37.adapters.dataset.signed_runs import SignedRuns
from sn37.adapters.dataset.sn1_hub import HubQuestions
from sn37.adapters.dataset.sn1_rows import MULTI_CHOICE, row_sample
from sn37.adapters.dataset.wandb_messages import RETRIES, Query, RowFound, moment
from sn37.adapters.dataset.wandb_rows import TIMEOUT_S, read_rows
from sn37.dataset_plugin import LivePlugin, Parameters
from sn37.domain.data.samples import Pool, PoolRequest, Provenance, Sample
from sn37.domain.ids import Hotkey
from sn37.domain.schedule.methods import Method

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, LiveDataset

PAGE_STEPS = 256  # a step is one question
_HOTKEY = "HOTKEY_SS58"
_SIGNATURE = "SIGNATURE"
_NAME = r"^[A-Za-z0-9_.-]{1,128}$"
_ADDRESS = r"^(https?://[^\s/]+)?$"  # the client's default if empty
_OF_WANDB = frozenset({"entity", "project", "base_url"})
_OF_HUB = frozenset({"repo", "endpoint"})


class Sn1Parameters(Parameters):
    """Parameters of the source in a schedule."""

    origin: Literal["wandb", "hub"] = "wandb"
    tasks: tuple[str, ...] = Field(default=(MULTI_CHOICE,), min_length=1)
    entity: str = Field(default="macrocosmos", pattern=_NAME)
    project: str = Field(default="prompting-validators", pattern=_NAME)
    base_url: str = Field(default="", pattern=_ADDRESS)
    repo: str = Field(
        default="macrocosm-os/macrobench-bittensor-01",
        pattern=r"^[A-Za-z0-9_.-]{1,48}/[A-Za-z0-9_.-]{1,96}$",
    )
    endpoint: str = Field(default="", pattern=_ADDRESS)

    @model_validator(mode="after")
    def _of_one_origin(self) -> Sn1Parameters:
        others = _OF_HUB if self.origin == "wandb" else _OF_WANDB
        if unused := sorted(others & self.model_fields_set):
            raise ValueError(f"parameter {unused[0]} cannot be set for rows from {self.origin}")
        return self


class RunQuestions:
    """The rows of runs that trusted hotkeys signed.

    Args:
        read: Reads wandb; tests may replace it by recorded runs.
        timeout_s: Of a read.
        retries: Of a request.
    """

    def __init__(
        self,
        parameters: Sn1Parameters,
        *,
        read: ReadRuns = read_rows,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        self._parameters = parameters
        self._read = read
        self._timeout_s = timeout_s
        self._retries = retries

    async def collect(self, request: PoolRequest) -> Pool:
        """See the port, and ``signed_pool``.

        Raises:
            ValueError: The request names no trusted hotkeys, but rows on wandb are signed.
        """
        if request.trusted is None:
            raise ValueError("rows of sn1 on wandb are signed: set signers_netuid in the schedule")
        if not request.trusted:
            return Pool(())
        return await signed_pool(
            "sn1",
            self._query(request, request.trusted),
            SignedRuns(trusted=request.trusted, hotkey=_HOTKEY, signature=_SIGNATURE),
            self._sample,
            salt=request.salt,
            timeout_s=self._timeout_s,
            read=self._read,
        )

    def _sample(self, row: RowFound, signer: Hotkey) -> Sample:
        origin = Provenance(
            row_id=f"{row.run}/{row.step:06d}", produced_at=moment(row.written), signer=signer
        )
        return row_sample(row.values, origin, tasks=self._parameters.tasks)

    def _query(self, request: PoolRequest, trusted: frozenset[Hotkey]) -> Query:
        return Query(
            entity=self._parameters.entity,
            project=self._parameters.project,
            config={_HOTKEY: sorted(trusted)},
            told=[_HOTKEY, _SIGNATURE],
            signed_by=(_HOTKEY, _SIGNATURE),
            columns=["task", "topic", "challenge", "reference"],
            since=request.window.since.timestamp(),
            until=request.window.until.timestamp(),
            page_steps=PAGE_STEPS,
            base_url=self._parameters.base_url,
            retries=self._retries,
        )


def build() -> DatasetPlugin:
    """Return the plug-in for the entry point."""
    return LivePlugin(
        name="sn1",
        parameters=Sn1Parameters,
        connect=_connect,
        method=Method.MULTIPLE_CHOICE,
        packages=("huggingface_hub", "pyarrow", "wandb"),
        install="sn37[data]",
    )


def _connect(parameters: Sn1Parameters) -> LiveDataset:
    if parameters.origin == "wandb":
        return RunQuestions(parameters)
    return HubQuestions(parameters.repo, parameters.tasks, endpoint=parameters.endpoint or None)


if TYPE_CHECKING:
    _dataset: LiveDataset = RunQuestions(Sn1Parameters())
