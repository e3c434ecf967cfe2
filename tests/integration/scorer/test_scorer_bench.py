"""The benchmark runs and reports; how fast is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import sn37

ROOT = Path(sn37.__file__).parents[1]
PROMISED = {
    "mean_abs_error",
    "peak_fraction",
    "peak_memory_ratio",
    "reference_loss_speedup",
    "soundness_share",
    "text_loss_speedup",
    "worker_start_s",
}


def bench(*options: str, script: str = "scorer.py") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / script), *options],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_benchmark_compares_both_sides_and_writes_its_figures(tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    lines = [
        {"prompt": "what is a thread?", "reference": "a thread is a flow of control"},
        {"reference": "a process has memory of its own"},
    ]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    file = tmp_path / "figures.json"
    done = bench(
        *("--shape", "tiny", "--samples", str(samples), "--runs", "1", "--threads", "1"),
        *("--json", str(file)),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(file.read_text())
    assert report["figures"].keys() >= PROMISED
    assert report["figures"]["mean_abs_error"] < report["figures"]["mean_abs_error_plain"]
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["torch"] != "missing"
    assert "text_loss, plain" in done.stdout


def test_a_line_that_is_no_sample_is_named(tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    samples.write_text('{"reference": "fine"}\n{"text": "not"}\n')
    done = bench("--shape", "tiny", "--samples", str(samples))
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith(f"{samples}, line 2:")


def test_a_block_is_taken_apart(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--tokens", "20", "--threads", "1", "--json", str(file), script="block.py")
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["figures"]["20_tokens_per_s"] > 0
    assert "16 samples of 20 tokens" in done.stdout
    assert "aten::mm" in done.stdout


def test_the_distance_between_devices_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench(
        *("--shape", "tiny", "--count", "4", "--threads", "1", "--json", str(file)),
        script="precision.py",
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())["figures"]
    # A tiny model's losses are near log(vocabulary), and nothing moves them much.
    assert 0 < figures["rounded_mean_distance"] < 1e-3
    assert figures["packs_of_512_mean_distance"] < figures["rounded_mean_distance"]
    assert abs(figures["rounded_shift_percent"]) < 0.01
    assert figures["margin_percent"] != 0
    assert "two_rounded" in done.stdout


def test_questions_are_answered_alike_by_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench(
        *("--shape", "tiny", "--count", "4", "--words", "12", "--runs", "1", "--threads", "1"),
        *("--prompts", "4"),
        *("--json", str(file)),
        script="choice.py",
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())["figures"]
    assert figures.keys() == {
        "choice_speedup",
        "generation_speedup",
        "likelihood_speedup",
        "near_ties_per_1000",
        "same_answers_fp32",
    }
    assert figures["same_answers_fp32"] == 1.0
    assert "multiple_choice" in done.stdout
