"""Losses by the worker's code against a plain loop through transformers, in the same run.

Each pass runs in a process of its own; passes of both sides alternate, and medians are
reported. Without ``--model`` it takes SmolLM2-135M-Instruct when the extra ``bench`` is
installed, else random weights in its shape.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

import scorer_inputs as inputs
from scorer_checks import ROUND_SAMPLES, soundness_share
from scorer_runs import Measurement, Setting, flops, in_a_process, matmul_peak, ours, plain
from scorer_starts import worker_starts

from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.testing.figures import print_table, write_figures

METHODS = ("reference_loss", "text_loss")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write figures."""
    parser = _options()
    options = parser.parse_args(arguments)
    for name, file in (
        ("model", options.model and options.model / "config.json"),
        ("samples", options.samples),
    ):
        if file is not None and not file.is_file():
            parser.error(f"--{name}: no file {file}")
    if options.count < 4 or min(options.runs, options.exact) < 1:
        parser.error("--count: at least 4; --runs and --exact: at least 1")
    given = inputs.read_samples(options.samples) if options.samples else None
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or Path(scratch) / "model"
        if options.model is None:
            in_a_process(_make_model, folder, options.shape, options.device)
        setting = Setting(
            model=folder, device=options.device, dtype=options.dtype, threads=options.threads
        )
        samples = in_a_process(_encoded, setting, given, options.count, options.tokens)
        figures = _compare(setting, samples, options.runs, options.exact)
        starts = asyncio.run(
            worker_starts(
                device=options.device,
                threads=options.threads,
                empty=Path(tempfile.mkdtemp(dir=scratch)),
                num_starts=options.runs,
            )
        )
        figures["worker_start_s"] = median(starts)
        of_a_round = given or in_a_process(_samples, setting, options.tokens)
        figures["soundness_share"] = in_a_process(soundness_share, setting, of_a_round)
    print_table("figures", ("figure", "value"), sorted(figures.items()))
    write_figures(options.json, figures, libraries=("torch", "transformers", "tokenizers"))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of a model with its tokenizer")
    parser.add_argument("--shape", choices=sorted(inputs.SHAPES), help="random weights, this shape")
    parser.add_argument("--samples", type=Path, help="JSON lines with prompt and reference")
    parser.add_argument("--count", type=int, default=100, help="samples to make (default 100)")
    parser.add_argument("--tokens", type=int, help="of every sample made (default 50 to 1,500)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--exact", type=int, default=10**9, help="samples whose error is taken (default all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _make_model(folder: Path, shape: str | None, device: str) -> None:
    if shape is None and inputs.real_model(folder):
        return
    print("random weights: for SmolLM2-135M install the extra 'bench'", file=sys.stderr)
    inputs.random_model(folder, shape or "135m", device)


def _encoded(
    setting: Setting, given: Sequence[inputs.Sample] | None, count: int, tokens: int | None
) -> dict[str, list[Encoded]]:
    """The samples of each method as token ids, by the worker's own rules."""
    tokenizer = load_tokenizer(setting.model)
    samples = given or inputs.make_samples(tokenizer, count, tokens=tokens)
    encoder = Encoder(tokenizer, prescribed=True, max_tokens=8192, vocabulary=tokenizer.size)
    shape = shape_of(own_template(setting.model), tokenizer.special_tokens)
    return {
        "reference_loss": [encoder.pair(shape, s.prompt, s.reference) for s in samples if s.prompt],
        "text_loss": [encoder.text(s.reference) for s in samples if not s.prompt],
    }


def _samples(setting: Setting, tokens: int | None) -> list[inputs.Sample]:
    """As many as a round has."""
    return inputs.make_samples(load_tokenizer(setting.model), ROUND_SAMPLES, tokens=tokens)


def _compare(
    setting: Setting, samples: dict[str, list[Encoded]], num_runs: int, num_exact: int
) -> dict[str, float]:
    """Both sides over both methods, interleaved; the figures."""
    methods = [method for method in METHODS if samples[method]]
    found: dict[tuple[str, str], list[Measurement]] = {}
    for _ in range(num_runs):
        for method in methods:
            found.setdefault((method, "plain"), []).append(
                in_a_process(plain, setting, samples[method], setting.dtype)
            )
            found.setdefault((method, "ours"), []).append(
                in_a_process(ours, setting, samples[method])
            )
    peak = in_a_process(matmul_peak, setting.device, setting.threads)
    figures = {"matmul_peak_gflops": peak / 1e9}
    rows = []
    errors: dict[str, list[float]] = {"plain": [], "ours": []}
    for method in methods:
        needed = in_a_process(flops, setting, samples[method])
        exact = in_a_process(plain, setting, samples[method][:num_exact], "float32").losses
        tokens = sum(len(s.ids) for s in samples[method])
        for side in ("plain", "ours"):
            runs = found[method, side]
            wall_s = median(r.wall_s for r in runs)
            error = [abs(a - b) for a, b in zip(runs[0].losses, exact, strict=False)]
            errors[side] += error
            rows.append(
                (
                    f"{method}, {side}",
                    len(samples[method]),
                    tokens,
                    wall_s,
                    median(r.cpu_s for r in runs),
                    tokens / wall_s,
                    needed / wall_s / peak,
                    median(r.peak_bytes for r in runs) / 2**20,
                    fmean(error),
                    median(r.load_s for r in runs),
                )
            )
        figures |= _ratios(method, found[method, "plain"], found[method, "ours"], needed / peak)
    figures["mean_abs_error"] = fmean(errors["ours"])
    figures["mean_abs_error_plain"] = fmean(errors["plain"])
    figures["peak_memory_ratio"] = max(figures[f"{m}_peak_memory_ratio"] for m in methods)
    figures["peak_fraction"] = min(figures[f"{m}_peak_fraction"] for m in methods)
    print_table(
        f"{setting.device}, {setting.dtype}, {setting.threads} threads, median of {num_runs}",
        (
            "what",
            "samples",
            "tokens",
            "wall s",
            "CPU s",
            "tokens/s",
            "of peak",
            "peak MiB",
            "error",
            "load s",
        ),
        rows,
    )
    return figures


def _ratios(
    method: str, plain_runs: Sequence[Measurement], our_runs: Sequence[Measurement], best_s: float
) -> dict[str, float]:
    wall_s = median(r.wall_s for r in our_runs)
    return {
        f"{method}_speedup": median(r.wall_s for r in plain_runs) / wall_s,
        f"{method}_cpu_speedup": median(r.cpu_s for r in plain_runs)
        / median(r.cpu_s for r in our_runs),
        f"{method}_peak_memory_ratio": median(r.peak_bytes for r in our_runs)
        / median(r.peak_bytes for r in plain_runs),
        f"{method}_peak_fraction": best_s / wall_s,
    }


if __name__ == "__main__":
    sys.exit(main())
