"""The ``Trainer`` port: a loop over packed rows with transformers, peft and accelerate.

Started by ``accelerate launch`` it trains on several devices: each process takes its share of a
step's samples, gradients are averaged, and only the first process writes and evaluates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError

from sn37.adapters.scoring.model import loading
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.training.checkpoints import History, RunFolder
from sn37.adapters.training.devices import Devices
from sn37.adapters.training.learning import Learner
from sn37.adapters.training.models import add_lora, load_base, save_merged
from sn37.adapters.training.rows import rows_of
from sn37.domain.training import Evaluated, Order, Step, TrainingJob, best_of, is_stalled
from sn37.ports.errors import ModelRejected, TrainerUnavailable, TrainingRefused
from sn37.ports.trainer import Judge, Listener, Trainer


class TransformersTrainer:
    """Trains on one device, or on those that ``accelerate launch`` provides.

    Args:
        dtype: Of the written weights, which validators load.
        threads: Of the CPU's operators. It decides how sums are split.
    """

    def __init__(
        self,
        *,
        device: Literal["cpu", "cuda"],
        dtype: Literal["float32", "bfloat16"],
        threads: int,
    ) -> None:
        self._device = device
        self._dtype = loading.DTYPES[dtype]
        self._threads = threads

    def train(self, job: TrainingJob, *, judge: Judge, on_step: Listener) -> Sequence[Evaluated]:
        """See :meth:`sn37.ports.trainer.Trainer.train`."""
        if self._device == "cuda" and not torch.cuda.is_available():
            raise TrainerUnavailable("torch finds no GPU here; pass --device cpu")
        torch.set_num_threads(self._threads)
        try:
            devices = Devices(cpu=self._device == "cpu")
            return _Run(job, devices, self._dtype, judge, on_step).run()
        except ModelFault as fault:
            raise ModelRejected(str(fault), reason=fault.reason) from fault
        except torch.OutOfMemoryError as error:
            raise TrainerUnavailable(
                "the device's memory is full; lower pack_tokens, set gradient_checkpointing, or "
                f"train with [training.lora]: {error}"
            ) from error
        except (OSError, SafetensorError) as error:
            raise TrainerUnavailable(f"{job.run}: {error}; the same command resumes") from error

    def model_folder(self, job: TrainingJob, step: int) -> Path:
        """See :meth:`sn37.ports.trainer.Trainer.model_folder`."""
        return RunFolder(Path(job.run), fingerprint=job.fingerprint).model(step)


class _Run:
    """One start of the command, from a checkpoint or from the base."""

    def __init__(
        self,
        job: TrainingJob,
        devices: Devices,
        dtype: torch.dtype,
        judge: Judge,
        on_step: Listener,
    ) -> None:
        self._job = job
        self._recipe = job.recipe
        self._devices = devices
        self._dtype = dtype
        self._judge = judge
        self._on_step = on_step
        self._folder = RunFolder(Path(job.run), fingerprint=job.fingerprint)
        if job.recipe.batch_samples < devices.num_processes:
            raise TrainingRefused(
                f"batch_samples {job.recipe.batch_samples} is too small: use at least one for each "
                f"of {devices.num_processes} processes"
            )
        torch.manual_seed(job.recipe.seed)  # adapters begin with random numbers
        self._model = load_base(Path(job.base), job.recipe.precision, devices.device)
        self._rows = rows_of(job, vocabulary=loading.vocabulary(self._model))
        if not self._rows:
            raise TrainingRefused("no training sample has a scored token")
        lora = job.recipe.lora
        trained = self._model if lora is None else add_lora(self._model, lora)
        self._learner = Learner(self._model, trained, job.recipe, devices)

    def run(self) -> Sequence[Evaluated]:
        history = self._folder.resume(self._learner.weights, self._learner.optimizer)
        for step in history.steps:
            self._on_step(step)
        order = Order(count=len(self._rows), seed=self._recipe.seed)
        if not history.evaluations:
            history = self._evaluated(history, Path(self._job.base))
        while not self._is_over(history):
            history = self._stepped(history, order)
            if self._recipe.is_evaluated(history.step) or self._out_of_time(history):
                history = self._evaluated(history, self._folder.model(history.step))
            elif history.step % self._recipe.checkpoint_steps == 0:
                self._save(history)
        return history.evaluations

    def _is_over(self, history: History) -> bool:
        if history.evaluations[-1].step != history.step:
            return False
        return (
            history.step >= self._recipe.steps
            or self._out_of_time(history)
            or is_stalled(history.evaluations, self._recipe)
        )

    def _out_of_time(self, history: History) -> bool:
        limit = self._recipe.max_seconds
        return limit is not None and sum(step.seconds for step in history.steps) >= limit

    def _stepped(self, history: History, order: Order) -> History:
        began = time.perf_counter()
        number = history.step
        chosen = order.batch(number, self._recipe.batch_samples)
        learned = self._learner.step(number, [self._rows[n] for n in chosen])
        step = Step(
            number=number + 1,
            loss=learned.loss,
            learning_rate=self._recipe.learning_rate_at(number),
            tokens=learned.tokens,
            seconds=self._devices.agreed(time.perf_counter() - began),
        )
        self._on_step(step)
        return replace(history, steps=(*history.steps, step))

    def _evaluated(self, history: History, folder: Path) -> History:
        score = 0.0
        if self._devices.is_first:
            if history.step:
                save_merged(self._model, Path(self._job.base), folder, self._dtype)
            score = self._judge(folder, history.step)
        found = Evaluated(step=history.step, score=self._devices.agreed(score))
        history = replace(history, evaluations=(*history.evaluations, found))
        self._save(history)
        return history

    def _save(self, history: History) -> None:
        if self._devices.is_first:
            best = best_of(history.evaluations)
            self._folder.save(
                self._learner.weights,
                self._learner.optimizer,
                history,
                keep_model=best.step if best else None,
            )
        self._devices.meet()


_: type[Trainer] = TransformersTrainer
