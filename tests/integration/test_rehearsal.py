"""The short form of ``make rehearsal``: one stage of the preset for finney, two competitions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 2_400  # it takes minutes on idle cores, and several times as long on busy ones


def test_the_preset_for_finney_is_rehearsed_end_to_end(tmp_path: Path) -> None:
    options = ("--stage", "2", "--rounds", "2", "--warm-up", "1")
    done = subprocess.run(
        [sys.executable, "-m", "tests.rehearsal.run", *options, "--folder", str(tmp_path / "all")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    told = done.stdout
    assert done.returncode == 0, told
    preset, mine = re.findall(r"fingerprint of the .*: +([0-9a-f]{64})", told)
    assert preset != mine
    assert told.count("all follows") == 3  # of the first validator twice, of the second
    assert told.count("the losses are equal, to the last bit") == 2  # one of each competition
    assert "both validators agree on 6 rounds" in told
    assert "10 attacks in each competition were refused" in told
