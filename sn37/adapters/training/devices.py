"""The devices that a run has, by accelerate, which comes without types."""

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

PATIENCE = timedelta(hours=6)  # of the other processes while the first one judges


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
        """Whether this process writes and judges."""
        return self.process == 0

    def prepare(self, model: nn.Module) -> nn.Module:
        """``model`` so that its gradients are averaged over the processes."""
        prepared: nn.Module = self._accelerator.prepare_model(model)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""
        self._accelerator.backward(loss)

    @contextmanager
    def without_averaging(self, model: nn.Module) -> Iterator[None]:
        """Around all backward passes of a step but the last."""
        with self._accelerator.no_sync(model):
            yield

    def total(self, value: Tensor) -> float:
        """The sum over the processes."""
        return float(self._accelerator.reduce(value, "sum"))

    def agreed(self, value: float) -> float:
        """The first process's value."""
        if self.num_processes == 1:
            return value
        values = [value]
        broadcast_object_list(values, from_process=0)
        return values[0]

    def meet(self) -> None:
        """Wait until every process is here."""
        self._accelerator.wait_for_everyone()
