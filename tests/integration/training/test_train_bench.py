"""The benchmark runs and reports; how fast is for a quiet machine to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sn37

ROOT = Path(sn37.__file__).parents[1]


def test_both_sides_of_the_benchmark_learn_the_same(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    small = ("--shape", "tiny", "--steps", "1", "--runs", "1", "--threads", "1", "--tokens", "30")
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "train.py"), *small, "--json", str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())["figures"]
    for method in ("full", "lora"):
        assert figures[f"{method}_loss_difference"] < 1e-4
        assert figures[f"{method}_peak_mib"] > 0
    assert figures["train_speedup"] == min(figures["full_speedup"], figures["lora_speedup"])
