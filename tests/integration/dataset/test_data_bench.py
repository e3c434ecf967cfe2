"""The benchmark of pools runs and reports; how fast is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_benchmark_draws_from_rows_and_compares_the_filter(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.data",
            "--rows",
            "2000",
            "--texts",
            "50",
            "--runs",
            "1",
            "--json",
            str(report),
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())["figures"]
    assert (figures["rows"], figures["pool_rows"]) == (2000, 1960)
    assert {"draw_seconds_2k", "draw_extra_mib_2k", "phrase_filter_speedup"} <= figures.keys()
