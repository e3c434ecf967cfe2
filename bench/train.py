"""Training steps by the trainer's code against a plain transformers loop, in the same run.

The plain side takes batches of 8 in order of arrival, padded to their longest, with labels on
the responses and the library's own loss; ours takes the same samples in the same steps, laid
end to end. Both compute the mean over scored tokens, so their losses are compared too. Each
pass runs in a process of its own; passes of both sides alternate, and medians are reported.

    python bench/train.py [--shape 135m] [--steps 4] [--runs 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import scorer_inputs as inputs
import torch
from scorer_runs import in_a_process, peak_bytes, reset_peak, wait
from torch import nn

from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.adapters.training.devices import Devices
from sn37.adapters.training.learning import BETAS, Learner
from sn37.adapters.training.models import add_lora, load_base, trained_parameters
from sn37.adapters.training.rows import Row
from sn37.domain.training import Decay, Lora, Precision, Recipe
from sn37.testing.figures import print_table, write_figures

BATCH = 8
MAX_TOKENS = 2048
RATE = 1e-5
IGNORED = -100  # transformers' label of a token without loss
LORA = Lora(rank=16, alpha=32)

Steps = Sequence[Sequence[Encoded]]  # the samples of each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every pass shares."""

    model: Path
    device: str
    precision: Precision
    threads: int
    lora: Lora | None = None

    def recipe(self, steps: int) -> Recipe:
        return Recipe(
            steps=steps,
            batch_samples=BATCH,
            learning_rate=RATE,
            decay=Decay.CONSTANT,
            precision=self.precision,
            lora=self.lora,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One side's steps; the first, in which libraries set themselves up, is not counted."""

    losses: tuple[float, ...]  # nats per scored token
    wall_s: float
    cpu_s: float
    peak_bytes: int  # weights, gradients and moments included


def ours(setting: Setting, steps: Steps) -> Pass:
    """The trainer's own step."""
    devices = _devices(setting)

    def prepare() -> Callable[[int], float]:
        model = load_base(setting.model, setting.precision, devices.device)
        trained = model if setting.lora is None else add_lora(model, setting.lora)
        learner = Learner(model, trained, setting.recipe(len(steps)), devices)

        def step(number: int) -> float:
            samples = steps[number]
            per_nat = len(samples) / sum(s.num_scored for s in samples)
            rows = [Row(encoded=s, per_nat=per_nat, fixed=0.0) for s in samples]
            return learner.step(number, rows).loss

        return step

    return _measured(prepare, len(steps), devices.device)


def plain(setting: Setting, steps: Steps) -> Pass:
    """What a short script does: pad, mask, call, step."""
    device = _devices(setting).device

    def prepare() -> Callable[[int], float]:
        model = load_base(setting.model, setting.precision, device)
        trained: nn.Module = model if setting.lora is None else add_lora(model, setting.lora)
        trained.train()
        weights = trained_parameters(trained).values()
        optimizer = torch.optim.AdamW(weights, lr=RATE, betas=BETAS, weight_decay=0.0)

        def step(number: int) -> float:
            batch = {name: x.to(device) for name, x in padded(steps[number]).items()}
            mixed = setting.precision is Precision.MIXED
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
                loss = trained(**batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return float(loss.detach())

        return step

    return _measured(prepare, len(steps), device)


def padded(samples: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """A batch as transformers takes it, padded on the right to its longest."""
    length = max(len(s.ids) for s in samples)
    ids = torch.zeros(len(samples), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, sample in enumerate(samples):
        stop = len(sample.ids)
        ids[row, :stop] = torch.tensor(sample.ids)
        mask[row, :stop] = 1
        labels[row, sample.first : stop] = torch.tensor(sample.ids[sample.first :])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _devices(setting: Setting) -> Devices:
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)  # both sides begin with the same adapters
    return Devices(cpu=setting.device == "cpu")


def _measured(
    prepare: Callable[[], Callable[[int], float]], num_steps: int, device: torch.device
) -> Pass:
    before = reset_peak(device)
    step = prepare()
    losses = [step(0)]
    wait(device)
    began, cpu_began = time.perf_counter(), time.process_time()
    losses += [step(number) for number in range(1, num_steps)]
    wait(device)
    return Pass(
        losses=tuple(losses),
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_began,
        peak_bytes=peak_bytes(device) - before,
    )


def samples_of(model: Path, num_steps: int, tokens: int | None, longest: int) -> Steps:
    """Pairs and texts of 50 to ``longest`` tokens, most short, in no order; or all alike."""
    tokenizer = load_tokenizer(model)
    vocabulary = tokenizer.size
    encoder = Encoder(tokenizer, prescribed=True, max_tokens=MAX_TOKENS, vocabulary=vocabulary)
    shape = shape_of(own_template(model), tokenizer.special_tokens)
    made = inputs.make_samples(tokenizer, BATCH * num_steps, tokens=tokens, longest=longest)
    encoded = [
        encoder.pair(shape, s.prompt, s.reference) if s.prompt else encoder.text(s.reference)
        for s in made
    ]
    return [encoded[n : n + BATCH] for n in range(0, len(encoded), BATCH)]


def compare(setting: Setting, steps: Steps, num_runs: int, method: str) -> dict[str, float]:
    """Both sides, interleaved; a table and the figures."""
    found: dict[str, list[Pass]] = {"plain": [], "ours": []}
    for _ in range(num_runs):
        found["plain"].append(in_a_process(plain, setting, steps))
        found["ours"].append(in_a_process(ours, setting, steps))
    counted = [s for step in steps[1:] for s in step]
    useful = sum(len(s.ids) for s in counted)
    fed = sum(BATCH * max(len(s.ids) for s in step) for step in steps[1:])
    wall_s = {side: median(p.wall_s for p in passes) for side, passes in found.items()}
    cpu_s = {side: median(p.cpu_s for p in passes) for side, passes in found.items()}
    peak = {side: median(p.peak_bytes for p in passes) for side, passes in found.items()}
    print_table(
        f"{method}, {setting.device}, {setting.precision}, {setting.threads} threads, "
        f"{len(steps) - 1} steps of {BATCH}, median of {num_runs}",
        ("side", "useful tokens", "tokens fed", "wall s", "CPU s", "useful tokens/s", "peak MiB"),
        [
            (
                side,
                useful,
                fed if side == "plain" else useful,
                wall_s[side],
                cpu_s[side],
                useful / wall_s[side],
                peak[side] / 2**20,
            )
            for side in found
        ],
    )
    both = zip(found["plain"][0].losses, found["ours"][0].losses, strict=True)
    return {
        f"{method}_speedup": wall_s["plain"] / wall_s["ours"],
        f"{method}_cpu_speedup": cpu_s["plain"] / cpu_s["ours"],
        f"{method}_tokens_per_s": useful / wall_s["ours"],
        f"{method}_peak_mib": peak["ours"] / 2**20,
        f"{method}_peak_memory_ratio": peak["ours"] / peak["plain"],
        f"{method}_loss_difference": max(abs(ours / theirs - 1) for theirs, ours in both),
    }


def _make_model(folder: Path, shape: str | None, device: str) -> None:
    if shape is not None or not inputs.real_model(folder):
        inputs.random_model(folder, shape or "135m", device)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", type=Path, help="folder of a model with its tokenizer")
    arguments.add_argument("--shape", choices=sorted(inputs.SHAPES), help="random weights")
    arguments.add_argument("--steps", type=int, default=4, help="counted, after one that is not")
    arguments.add_argument("--tokens", type=int, help="of every sample, in place of many lengths")
    arguments.add_argument("--longest", type=int, default=1500, help="tokens; the shortest has 50")
    arguments.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments.add_argument("--precision", choices=list(Precision), default=Precision.FLOAT32)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=3, help="medians are taken of")
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.model or Path(scratch)
        if given.model is None:
            in_a_process(_make_model, folder, given.shape, given.device)
        steps = in_a_process(samples_of, folder, given.steps + 1, given.tokens, given.longest)
        for method, lora in (("full", None), ("lora", LORA)):
            setting = Setting(
                model=folder,
                device=given.device,
                precision=Precision(given.precision),
                threads=given.threads,
                lora=lora,
            )
            figures |= compare(setting, steps, given.runs, method)
    figures["train_speedup"] = min(figures["full_speedup"], figures["lora_speedup"])
    print_table("figures", ("figure", "value"), sorted(figures.items()))
    write_figures(given.json, figures, libraries=("torch", "transformers", "peft", "accelerate"))


if __name__ == "__main__":
    main()
