"""Port: fine-tuning a model on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

from sn37.domain.training import Evaluated, Step, TrainingJob

# Takes the folder of a complete model and its number of training steps; returns its score.
Judge = Callable[[PurePath, int], float]
Listener = Callable[[Step], None]


class Trainer(Protocol):
    """Trainer of one model.

    A run may be killed at any instruction. The same job then continues from its last checkpoint
    and, on a CPU, ends with exactly the same weights as without the interruption.
    """

    def train(self, job: TrainingJob, *, judge: Judge, on_step: Listener) -> Sequence[Evaluated]:
        """Train until the recipe ends the run; return every score, the base model's first.

        Blocks. ``model_folder`` then gives the folder of the best weights. After a restart,
        ``on_step`` first gets the steps from before it.

        Raises:
            ModelRejected: A validator could not score a model with this base or tokenizer.
            TrainerUnavailable: The device is missing, is full, or the run's folder cannot be
                used.
            TrainingRefused: The job is not possible as configured; says what to change.
        """
        ...

    def model_folder(self, job: TrainingJob, step: int) -> PurePath:
        """Return the folder of the model after ``step`` steps, kept while it is the best."""
        ...
