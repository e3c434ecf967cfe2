"""Static sources of tables on Hugging Face, read by a child process; their plug-ins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sn37.adapters.dataset.hub_child import samples_until
from sn37.adapters.dataset.hub_rows.messages import End, Order, Pinned, decode_line
from sn37.adapters.dataset.hub_rows.parameters import (
    CodeforcesParameters,
    FinewebParameters,
    HubRowsParameters,
    Synthetic1Parameters,
)
from sn37.dataset_plugin import checked, described
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import Description, Pin

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, Described, Pinnable, StaticDataset

TIMEOUT_S = 280.0  # of a draw; ``Sources`` allows 300 s
PIN_TIMEOUT_S = 3600.0  # thousands of footers
_WORKER = "sn37.adapters.dataset.hub_rows.worker"
_UNKNOWN = {"revision": "0" * 40, "manifest": "0" * 64}

L = TypeVar("L", End, Pinned)

log = logging.getLogger(__name__)


class HubRows:
    """The rows of one table.

    Args:
        folder: Of what was read; ``None`` for the user's cache.
        pause_s: Before the first retry of a request.
        timeout_s: Of one draw, which then counts as unavailable.
    """

    def __init__(
        self,
        parameters: HubRowsParameters,
        *,
        folder: Path | None = None,
        pause_s: float = 1.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._parameters = parameters
        self._folder = folder
        self._pause_s = pause_s
        self._timeout_s = timeout_s

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """See the port, and ``domain.data.row_groups``."""
        order = Order(
            parameters=self._parameters,
            count=count,
            seed=seed,
            folder=None if self._folder is None else str(self._folder),
            pause_s=self._pause_s,
        )
        samples, end = await _answer(order, self._timeout_s, End)
        log.info("%s: %d samples by %s", order.parameters.repo, count, end.left_out)
        return samples


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRowsPlugin:
    """Plug-in of one kind of table."""

    name: str  # of the entry point
    parameters: type[HubRowsParameters]
    method: Method = Method.REFERENCE_LOSS

    @property
    def freshness(self) -> Freshness:
        return Freshness.NONE

    def open(self, parameters: Mapping[str, ParameterValue]) -> HubRows:
        """See the port."""
        return HubRows(checked(self.name, self.parameters, parameters))

    def describe(self) -> Description:
        """See ``Described`` of the port."""
        found = described(self.parameters, self.method)
        return replace(found, packages=("huggingface_hub", "pyarrow"), install="sn37[data]")

    async def pin(self, parameters: Mapping[str, ParameterValue]) -> Pin:
        """See the port. The manifest is kept, so the next draw does not make it again."""
        given = checked(self.name, self.parameters, {**parameters, **_UNKNOWN})
        branch = str(parameters.get("revision", "main"))
        _, pinned = await _answer(Order(parameters=given, branch=branch), PIN_TIMEOUT_S, Pinned)
        return Pin(
            parameters={"revision": pinned.revision, "manifest": pinned.manifest},
            told=f"{pinned.num_files} files with {pinned.num_rows:,} rows in "
            f"{pinned.num_groups:,} row groups, of which a request reads at most "
            f"{pinned.largest_bytes:,} bytes",
        )


async def _answer(order: Order, timeout_s: float, end: type[L]) -> tuple[tuple[Sample, ...], L]:
    repo = order.parameters.repo
    return await samples_until(
        end, _WORKER, order.encode(), decode_line, repo=repo, timeout_s=timeout_s
    )


def build() -> DatasetPlugin:
    """Return the plug-in of any table for the entry point."""
    return HubRowsPlugin(name="hub_rows", parameters=HubRowsParameters)


def build_fineweb() -> DatasetPlugin:
    return HubRowsPlugin(name="fineweb", parameters=FinewebParameters, method=Method.TEXT_LOSS)


def build_synthetic_1() -> DatasetPlugin:
    return HubRowsPlugin(name="synthetic_1", parameters=Synthetic1Parameters)


def build_codeforces() -> DatasetPlugin:
    return HubRowsPlugin(name="codeforces", parameters=CodeforcesParameters)


if TYPE_CHECKING:

    def _conforms(source: HubRows, plugin: HubRowsPlugin) -> None:
        _: tuple[StaticDataset, Pinnable, Described] = (source, plugin, plugin)
