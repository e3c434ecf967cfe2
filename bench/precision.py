"""How far apart losses are on devices that take or add products in another way.

A model and a copy of it with noise on its weights are scored as a CPU does, with products of
float32, then in every other way. What a GPU rounds can be had on a CPU, so most of the table
needs none; with ``--device cuda`` the GPU itself is one more way, and ``two_rounded`` compares
two rounded ways with each other. A competition's epsilon is to be compared with the shift, how
much the mean loss moves, and with the margin, how much the difference between model and copy
moves, both in percent of the mean loss.

    python bench/precision.py [--device cuda] [--json FILE]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import scorer_inputs as inputs
import torch
from safetensors.torch import load_file, save_file
from scorer_runs import Setting, in_a_process, ours

from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.testing.figures import print_table, write_figures

Losses = Sequence[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write figures."""
    options = _options().parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        model, copy = Path(scratch) / "model", Path(scratch) / "copy"
        if options.model is not None:
            model = options.model
        elif options.shape is not None or not in_a_process(inputs.real_model, model):
            in_a_process(inputs.random_model, model, options.shape or "135m", options.device)
        in_a_process(_damage, model, copy, options.noise)
        samples = in_a_process(_texts, model, options.count)
        setting = Setting(model=model, device="cpu", dtype="bfloat16", threads=options.threads)
        exact = _both(setting, copy, samples)
        ways: dict[str, tuple[Setting, torch.dtype | None, int | None]] = {
            "packs_of_512": (setting, None, 512),
            "rounded": (setting, torch.float16, None),
            "rounded_packs_of_512": (setting, torch.float16, 512),
        }
        if options.device == "cuda":
            ways["gpu"] = (replace(setting, device="cuda"), None, None)
            ways["gpu_packs_of_2048"] = (replace(setting, device="cuda"), None, 2048)
        found = {
            way: _both(other, copy, samples, products, pack_tokens)
            for way, (other, products, pack_tokens) in ways.items()
        }
    distances = {way: _distances(exact, losses) for way, losses in found.items()}
    distances["two_rounded"] = _distances(found["rounded"], found["rounded_packs_of_512"])
    figures = {"margin_percent": 100 * (fmean(exact[1]) / fmean(exact[0]) - 1)}
    for way, row in distances.items():
        figures |= {f"{way}_{name}": value for name, value in row.items()}
    print_table(
        f"{len(samples)} texts, margin {figures['margin_percent']:.4g} %; against float32 on a CPU",
        ("way", "mean |d|, nats", "largest", "shift, %", "its error", "margin, %", "its error"),
        [(way, *row.values()) for way, row in distances.items()],
    )
    write_figures(options.json, figures, libraries=("torch", "transformers", "tokenizers"))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of a model with its tokenizer")
    parser.add_argument("--shape", choices=sorted(inputs.SHAPES), help="random weights, this shape")
    parser.add_argument("--count", type=int, default=64, help="texts of 50 to 1,500 tokens")
    parser.add_argument("--noise", type=float, default=0.02, help="on the copy, of each weight")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _damage(model: Path, copy: Path, noise: float) -> None:
    """The model with every weight moved by a random part of itself."""
    shutil.copytree(model, copy)
    draw = torch.Generator().manual_seed(1)
    for file in copy.glob("*.safetensors"):
        tensors = {
            name: tensor.float().mul(1 + noise * torch.randn(tensor.shape, generator=draw))
            for name, tensor in load_file(file).items()
        }
        save_file({name: t.bfloat16() for name, t in tensors.items()}, file, {"format": "pt"})


def _texts(model: Path, count: int) -> list[Encoded]:
    tokenizer = load_tokenizer(model)
    encoder = Encoder(tokenizer, prescribed=True, max_tokens=8192, vocabulary=tokenizer.size)
    samples = inputs.make_samples(tokenizer, 2 * count, tokens=None)
    return [encoder.text(sample.reference) for sample in samples if not sample.prompt]


def _both(
    setting: Setting,
    copy: Path,
    samples: Sequence[Encoded],
    products: torch.dtype | None = None,
    pack_tokens: int | None = None,
) -> tuple[Losses, Losses]:
    """Losses of the model and of the copy."""
    one, other = (
        in_a_process(
            ours, replace(setting, model=m), samples, products=products, pack_tokens=pack_tokens
        )
        for m in (setting.model, copy)
    )
    return one.losses, other.losses


def _distances(exact: tuple[Losses, Losses], found: tuple[Losses, Losses]) -> dict[str, float]:
    """In nats, then in percent of the mean loss, each with its standard error."""
    percent = 100 / fmean(exact[0])
    moved, copy_moved = (
        [b - a for a, b in zip(before, after, strict=True)]
        for before, after in zip(exact, found, strict=True)
    )
    apart = [b - a for a, b in zip(moved, copy_moved, strict=True)]
    root = len(moved) ** 0.5
    return {
        "mean_distance": fmean(map(abs, moved)),
        "largest_distance": max(map(abs, moved)),
        "shift_percent": fmean(moved) * percent,
        "shift_error_percent": stdev(moved) / root * percent,
        "margin_moved_percent": fmean(apart) * percent,
        "margin_error_percent": stdev(apart) / root * percent,
    }


if __name__ == "__main__":
    sys.exit(main())
