"""Optional upload of a run's curves to Weights and Biases. Needs wandb."""

from __future__ import annotations

from pathlib import Path

import wandb

from sn37.domain.training import Evaluated, Step
from sn37.ports.errors import TrainerUnavailable


class WandbRun:
    """One run there, continued after a restart.

    Raises:
        TrainerUnavailable: wandb has no login, or does not answer.
    """

    def __init__(self, *, project: str, folder: Path, fingerprint: str) -> None:
        try:
            self._run = wandb.init(
                project=project,
                name=folder.name,
                id=fingerprint[:16],
                resume="allow",
                dir=folder,
                settings=wandb.Settings(console="off", silent=True),
            )
        except wandb.Error as error:
            raise TrainerUnavailable(
                f"wandb: {str(error).rstrip('.')}; or train without wandb_project"
            ) from error
        self._known = self._run.step  # steps sent before a restart are not sent again

    def step(self, step: Step) -> None:
        if step.number >= self._known:
            values = {"loss": step.loss, "learning_rate": step.learning_rate}
            speed = step.tokens / step.seconds if step.seconds else 0.0
            self._run.log({**values, "tokens_per_s": speed}, step=step.number)

    def evaluated(self, found: Evaluated) -> None:
        self._run.log({"held_out_score": found.score}, step=found.step)

    def close(self) -> None:
        self._run.finish()
