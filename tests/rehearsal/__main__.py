"""``python -m tests.rehearsal``: rehearse stages of the preset for finney."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from sn37.app.schedule.load import load_schedule
from sn37.domain.ids import Block
from tests.rehearsal.acts import FIRST, MINE, SECOND, Acts, pin
from tests.rehearsal.commands import Commands
from tests.rehearsal.findings import require_as_expected
from tests.rehearsal.surroundings import make_wallets, surroundings

ROUNDS_BEFORE = 10  # of the stage that is rehearsed; they stay unscored


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--stage", type=int, action="append", help="number, from 1; all by default")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="kept; by default a temporary one")
    parser.add_argument(
        "--warm-up", type=int, help="rounds before weights; the preset's by default"
    )
    given = parser.parse_args()
    stages = given.stage or range(
        1, 1 + len(load_schedule("finney", known_sources=None).schedule.stages)
    )
    with tempfile.TemporaryDirectory(prefix="sn37-rehearsal-") as scratch:
        for stage in stages:
            folder = (given.folder or Path(scratch)) / f"stage-{stage}"
            folder.mkdir(parents=True)
            asyncio.run(rehearse(folder, stage, rounds=given.rounds, warm_up=given.warm_up))
    return 0


async def rehearse(folder: Path, stage: int, *, rounds: int, warm_up: int | None) -> None:
    """Rehearse one stage in an empty folder."""
    began = time.monotonic()

    def tell(text: str) -> None:
        for line in text.rstrip().splitlines():
            sys.stdout.write(f"[{time.monotonic() - began:6.1f}] {line}\n")
        sys.stdout.flush()

    preset = load_schedule("finney", known_sources=None).schedule
    first = Block(preset.stages[stage - 1].from_block + ROUNDS_BEFORE * preset.timing.cadence)
    tell(f"stage {stage}: first round at block {first}")
    wallets = make_wallets(folder / "wallets", (FIRST, SECOND))
    async with surroundings(folder, preset, first, wallets) as around:
        tell(
            f"chain at {around.node.url}, hub and wandb at {around.variables['HF_ENDPOINT']}, "
            f"{around.variables['WANDB_BASE_URL']}"
        )
        commands = Commands(
            folder=folder,
            variables=around.variables,
            options=(
                *("--network", around.node.url, "--wallet-path", str(folder / "wallets")),
                *("--schedule", str(folder / MINE)),
            ),
        )
        loaded = await pin(commands, warm_up, tell)
        acts = Acts(commands, loaded, around, rounds=rounds, tell=tell)
        await acts.play()
        require_as_expected(acts, around, loaded.schedule, tell)


if __name__ == "__main__":
    sys.exit(main())
