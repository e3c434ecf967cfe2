"""Port: what fine-tunes a model on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from sn37.domain.training import Evaluated, Step, TrainingJob

# Takes the folder of a complete model and how many steps it has seen, and returns its score.
Judge = Callable[[PurePath, int], float]
Listener = Callable[[Step], None]


class Trainer(Protocol):
    """Train one model.

    A run may be killed at any instruction; the same job then goes on from its last checkpoint
    and, on a CPU, ends with the very weights that it would have had.
    """

    def train(self, job: TrainingJob, *, judge: Judge, on_step: Listener) -> Sequence[Evaluated]:
        """Train until the recipe ends it; blocks. Returns every score, the base's first.

        ``model_folder`` tells where the weights of the best evaluation then are. ``on_step``
        also hears of the steps that were taken before a restart, first.

        Raises:
            ModelRejected: A validator could not score what comes of base or tokenizer.
            TrainerUnavailable: The device is missing, is full, or the run's folder cannot be
                used.
            TrainingRefused: The job cannot be done as it is; says what to change.
        """
        ...

    def model_folder(self, job: TrainingJob, step: int) -> PurePath:
        """Where the model after so many steps is kept while it is the best."""
        ...
