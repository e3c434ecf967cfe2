"""One block of samples in this process, and which operators of the device its time goes to.

Where ``bench/scorer.py`` compares with a plain loop, this looks inside: a block of equal samples
of random tokens, the best of three passes, then one under torch's profiler. Kernels are listed by
the time that they take; on a GPU what is left of the pass is the host's.

    python bench/block.py --shape 3b --device cuda --tokens 280 2000
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import scorer_inputs as inputs
import torch
from scorer_runs import Setting, flops, in_a_process, peak_bytes, reset_peak, wait
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from sn37.adapters.scoring.model import determinism, loading
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.losses import LossModel
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.testing.figures import print_table, write_figures

PASSES = 3
SHOWN = 16  # operators
TOKENS = 8192  # ids to draw from: the vocabulary of the smallest shape


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write figures."""
    options = _options().parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or Path(scratch) / "model"
        if options.model is None:
            in_a_process(inputs.random_model, folder, options.shape, options.device)
        setting = Setting(
            model=folder, device=options.device, dtype="bfloat16", threads=options.threads
        )
        figures = in_a_process(_measure, setting, options.architecture, options.tokens)
    print_table("figures", ("figure", "value"), sorted(figures.items()))
    write_figures(options.json, figures, libraries=("torch", "transformers"))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a model, in place of --shape")
    parser.add_argument("--architecture", default="LlamaForCausalLM", help="of --model")
    parser.add_argument("--shape", choices=sorted(inputs.SHAPES), default="tiny")
    parser.add_argument("--tokens", type=int, nargs="+", default=[280, 2000], help="a sample")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _measure(setting: Setting, architecture: str, lengths: Sequence[int]) -> dict[str, float]:
    device = determinism.configure(device=setting.device, threads=setting.threads)
    began = time.perf_counter()
    model = loading.load_model(
        setting.model,
        architecture=architecture,
        max_parameters=10**12,
        dtype=setting.dtype,
        device=device,
    )
    wait(device)
    figures = {"load_s": time.perf_counter() - began}
    scorer = LossModel(model)
    for length in lengths:
        block = _block(length)
        needed, tokens = flops(setting, block), sum(len(sample.ids) for sample in block)
        scorer.nats(block)  # what libraries set up at their first call
        reset_peak(device)
        best_s = min(_seconds(scorer, block, device) for _ in range(PASSES))
        figures |= {
            f"{length}_tokens_ms": 1e3 * best_s,
            f"{length}_tokens_per_s": tokens / best_s,
            f"{length}_tokens_tflops": needed / best_s / 1e12,
            f"{length}_tokens_peak_mib": peak_bytes(device) / 2**20,  # weights included
        }
        if device.type == "cuda":
            figures[f"{length}_tokens_reserved_mib"] = torch.cuda.max_memory_reserved() / 2**20
        _show_operators(scorer, block, device, f"{BLOCK_SAMPLES} samples of {length} tokens")
    return figures


def _block(length: int) -> list[Encoded]:
    """Lengths differ by one each: no two samples have the same shape."""
    draw = random.Random(length)
    return [
        Encoded(
            ids=tuple(draw.randrange(TOKENS) for _ in range(length + extra)),
            first=1,
            num_bytes=length + extra,
            unscored_bytes=0,
        )
        for extra in range(BLOCK_SAMPLES)
    ]


def _seconds(scorer: LossModel, block: Sequence[Encoded], device: torch.device) -> float:
    wait(device)
    began = time.perf_counter()
    scorer.nats(block)
    wait(device)
    return time.perf_counter() - began


def _show_operators(
    scorer: LossModel, block: Sequence[Encoded], device: torch.device, title: str
) -> None:
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        scorer.nats(block)
        wait(device)

    def spent_us(event: FunctionEventAvg) -> float:
        return event.self_device_time_total if on_gpu else event.self_cpu_time_total

    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    events = [event for event in profiler.key_averages() if event.device_type == kind]
    total_us = sum(map(spent_us, events))
    events.sort(key=spent_us, reverse=True)
    print_table(
        f"{title}: {total_us / 1e3:.1f} ms of the {'GPU' if on_gpu else 'CPU'}",
        ("operator", "calls", "ms", "%"),
        [
            (event.key[:80], event.count, spent_us(event) / 1e3, 100 * spent_us(event) / total_us)
            for event in events[:SHOWN]
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
