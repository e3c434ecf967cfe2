"""Devices of a run, by accelerate, which has no type annotations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.utils import (  # type: ignore[import-untyped]
    InitProcessGroupKwargs,
    broadcast_object_list,
)
from torch import Tensor, nn

PATIENCE = timedelta(hours=6)  # wait of the other processes while the first one evaluates


class Devices:
    """One device, or one in each of the processes that ``accelerate launch`` started."""

    def __init__(self, *, cpu: bool) -> None:
        self._accelerator = Accelerator(
            cpu=cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)]
        )
        self.device: torch.device = self._accelerator.device
        self.num_processes: int = self._accelerator.num_processes
        self.process: int = self._accelerator.process_index

    @property
    def is_first(self) -> bool:
        """True if this process writes and evaluates."""
        return self.process == 0

    def prepare(self, model: nn.Module) -> nn.Module:
        """Return ``model`` with gradients that are averaged over the processes."""
        prepared: nn.Module = self._accelerator.prepare_model(model)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """Compute and add the gradients of ``loss``."""
        self._accelerator.backward(loss)

    @contextmanager
    def without_averaging(self, model: nn.Module) -> Iterator[None]:
        """Disable averaging, for all backward passes of a step except the last."""
        with self._accelerator.no_sync(model):
            yield

    def total(self, value: Tensor) -> float:
        """Return the sum over the processes."""
        return float(self._accelerator.reduce(value, "sum"))

    def agreed(self, value: float) -> float:
        """Return the first process's value."""
        if self.num_processes == 1:
            return value
        values = [value]
        broadcast_object_list(values, from_process=0)
        return values[0]

    def meet(self) -> None:
        """Wait until every process has called this."""
        self._accelerator.wait_for_everyone()
