"""The benchmark of tables runs and reports the requests of a draw."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_benchmark_counts_the_requests_of_a_draw(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    sizes = ["--shards", "3", "--groups", "20", "--rows", "50", "--draws", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.static", *sizes, "--json", str(report)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())["figures"]
    assert (figures["rows"], figures["row_groups"]) == (3000, 60)
    assert figures["requests_per_120"] <= 12 < figures["requests_per_120_one_by_one"]
