"""The way of a plug-in's author in docs/datasets.md, from a copy of the example to a round."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sn37.adapters.simnet.world import clock_of
from tests.integration.simnet.killing import Run
from tests.support.datasets_document import blocks, run_commands


def with_trained_miners(target: Path, undisturbed: Run) -> None:
    """Spare the run the two minutes in which simnet's miners train."""
    source = undisturbed.state / "simnet"
    for name in ("population", "repos"):
        shutil.copytree(source / name, target / name)
    shutil.copy(source / "published.json", target)


def test_the_commands_of_the_document_score_models_on_the_author_s_rows(
    undisturbed: Run, tmp_path: Path
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    first, second = blocks("sh")
    folder, prepared = tmp_path / "my_source", tmp_path / "prepared"
    with_trained_miners(prepared / "simnet", undisturbed)
    trained = f"cp -r {prepared} simnet-state"
    done = run_commands(tmp_path, [first, trained, second])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "my_schedule.toml: valid, 1 stage" in done.stdout
    (round_,) = json.loads((folder / "report.json").read_text())
    assert (round_["competition"], round_["sync_block"]) == (2, 1800)
    assert round_["winner"]
    genesis, _ = clock_of(folder / "simnet-state" / "simnet" / "chain.sqlite")
    started = genesis + timedelta(seconds=12 * 1740)
    assert began <= started <= datetime.now(UTC)
