"""Checkpoints of a run: one folder each, complete as soon as it has its name. No pickle.

``checkpoint-STEP`` has the trained weights and the optimizer's moments as safetensors, and
the run's history as JSON. The order of samples and every random number depend on seed and
step, so neither is stored.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sn37.domain.training import Evaluated, Step
from sn37.durable import rename_whole
from sn37.ports.errors import TrainerUnavailable, TrainingRefused

_NAME = re.compile(r"(checkpoint|model)-(\d+)")
_WEIGHTS, _MOMENTS, _HISTORY = "weights.safetensors", "optimizer.safetensors", "history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Steps and evaluations of a run so far."""

    steps: Sequence[Step] = ()
    evaluations: Sequence[Evaluated] = ()

    @property
    def step(self) -> int:
        """Number of steps that the weights have been trained."""
        return len(self.steps)


class RunFolder:
    """The checkpoints and models of one run.

    Args:
        fingerprint: Of the job. A folder of another job is refused, not continued.
    """

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def model(self, step: int) -> Path:
        """Return the folder of the model after that many steps."""
        return self._folder / f"model-{step}"

    def resume(
        self, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> History:
        """Load weights and optimizer from the newest checkpoint, if there is one.

        Raises:
            TrainingRefused: The checkpoint belongs to another job.
            TrainerUnavailable: The checkpoint cannot be read.
        """
        found = self._newest()
        if found is None:
            return History()
        try:
            document = json.loads((found / _HISTORY).read_text())
            if document["fingerprint"] != self._fingerprint:
                raise TrainingRefused(
                    f"{self._folder} holds a run with other settings, base or data; choose another "
                    "folder for run, or remove this one"
                )
            history = History(
                steps=tuple(Step(**step) for step in document["steps"]),
                evaluations=tuple(Evaluated(**e) for e in document["evaluations"]),
            )
            stored = load_file(found / _WEIGHTS)
            moments = load_file(found / _MOMENTS)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise TrainerUnavailable(f"{found} cannot be read: {error}; remove it") from error
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(stored[name])
        _restore(optimizer, weights, moments)
        return history

    def save(
        self,
        weights: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        history: History,
        *,
        keep_model: int | None,
    ) -> None:
        """Write a checkpoint, then remove the older ones, and all models but one.

        Raises:
            TrainerUnavailable: The disk cannot be written; existing checkpoints are unchanged.
        """
        folder = self._folder / f"checkpoint-{history.step}"
        scratch = folder.with_suffix(".part")
        document = {
            "fingerprint": self._fingerprint,
            "steps": [asdict(step) for step in history.steps],
            "evaluations": [asdict(e) for e in history.evaluations],
        }
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            save_file(
                {n: p.detach().cpu().contiguous() for n, p in weights.items()}, scratch / _WEIGHTS
            )
            save_file(_moments(optimizer, weights), scratch / _MOMENTS)
            (scratch / _HISTORY).write_text(json.dumps(document))
            rename_whole(scratch, folder)
        except OSError as error:
            raise TrainerUnavailable(f"{folder}: {error.strerror or error}") from error
        for path in self._folder.iterdir():
            if (match := _NAME.fullmatch(path.name)) is None:
                continue
            kept = history.step if match[1] == "checkpoint" else keep_model
            if int(match[2]) != kept:
                shutil.rmtree(path, ignore_errors=True)

    def _newest(self) -> Path | None:
        found = [
            (int(match[2]), path)
            for path in (self._folder.iterdir() if self._folder.is_dir() else ())
            if (match := _NAME.fullmatch(path.name)) and match[1] == "checkpoint"
        ]
        return max(found)[1] if found else None


def _moments(
    optimizer: torch.optim.Optimizer, weights: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Return the optimizer's state as tensors named ``moment|parameter``."""
    return {
        f"{key}|{name}": value.detach().cpu().contiguous()
        for name, parameter in weights.items()
        for key, value in optimizer.state[parameter].items()
    }


def _restore(
    optimizer: torch.optim.Optimizer,
    weights: Mapping[str, nn.Parameter],
    moments: Mapping[str, Tensor],
) -> None:
    for name, value in moments.items():
        key, _, parameter_name = name.partition("|")
        parameter = weights[parameter_name]
        # Adam counts its steps in a tensor that stays on the host.
        home = value.device if key == "step" else parameter.device
        optimizer.state[parameter][key] = value.to(home)
