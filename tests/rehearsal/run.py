"""``python -m tests.rehearsal.run``: rehearse the preset for finney, or another one.

Without --network, stage by stage, against a chain, a hub and a wandb of our own on this machine,
with honest and hostile miners. With --network, against that network and the real hosts.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sn37.app.schedule.load import load_schedule
from sn37.domain.ids import Block
from tests.rehearsal.acts import MINE, OVERLAYS, Acts, Tell, pin
from tests.rehearsal.commands import Commands
from tests.rehearsal.findings import require_agreement, require_as_expected
from tests.rehearsal.surroundings import make_wallets, surroundings

ROUNDS_BEFORE = 10  # of a stage, before the first one that is rehearsed
WALLETS = ("first", "second")


def main() -> int:
    given = _arguments()
    changes = {} if given.warm_up is None else {"warmup_rounds": given.warm_up}
    with tempfile.TemporaryDirectory(prefix="sn37-rehearsal-") as scratch:
        folder = given.folder or Path(scratch)
        if given.network is not None:
            folder.mkdir(parents=True)
            asyncio.run(rehearse_on(folder, given, {**changes, "netuid": given.netuid}))
            return 0
        preset = load_schedule(given.preset).schedule
        for stage in given.stage or range(1, 1 + len(preset.stages)):
            place = folder / f"stage-{stage}"
            place.mkdir(parents=True)
            asyncio.run(rehearse(place, given.preset, stage, rounds=given.rounds, changes=changes))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.run", description=__doc__)
    presets = [overlay.stem for overlay in sorted(OVERLAYS.iterdir())]
    parser.add_argument("--preset", choices=presets, default="finney")
    parser.add_argument("--stage", type=int, action="append", help="from 1; by default all")
    parser.add_argument("--rounds", type=int, default=9, help="before the second validator starts")
    parser.add_argument(
        "--warm-up", type=int, help="rounds before weights; by default the preset's"
    )
    parser.add_argument("--folder", type=Path, help="new, and kept; by default a temporary one")
    parser.add_argument("--network", help="a real network, such as test")
    parser.add_argument("--netuid", type=int, default=37)
    parser.add_argument("--wallet", nargs=2, default=WALLETS, help="wallets of two validators")
    parser.add_argument("--wallet-path", type=Path, default=Path("~/.bittensor/wallets"))
    return parser.parse_args()


async def rehearse(
    folder: Path, name: str, stage: int, *, rounds: int, changes: Mapping[str, int]
) -> None:
    """Rehearse one stage of a preset on this machine, in an empty folder."""
    tell = _teller()
    preset = load_schedule(name).schedule
    first = Block(preset.stages[stage - 1].from_block + ROUNDS_BEFORE * preset.timing.cadence)
    tell(f"{name}, stage {stage}: first round at block {first}")
    wallets = make_wallets(folder / "wallets", WALLETS)
    async with surroundings(folder, preset, first, wallets) as around:
        hosts = (around.variables[name] for name in ("HF_ENDPOINT", "WANDB_BASE_URL"))
        tell(f"chain {around.node.url}, hub and wandb {', '.join(hosts)}")
        commands = Commands(
            folder=folder,
            variables=around.variables,
            network=("--network", around.node.url),
            wallet_path=folder / "wallets",
            schedule=folder / MINE,
        )
        loaded = await pin(commands, name, changes, tell)
        acts = Acts(commands, loaded, around, names=WALLETS, rounds=rounds, tell=tell)
        await acts.play()
        require_agreement(acts, tell)
        require_as_expected(acts, around, loaded.schedule, tell)


async def rehearse_on(folder: Path, given: argparse.Namespace, changes: Mapping[str, int]) -> None:
    """Rehearse on a real network, whose miners, rows and blocks are what they are."""
    tell = _teller()
    commands = Commands(
        folder=folder,
        variables={},
        network=("--network", given.network, "--netuid", str(given.netuid)),
        wallet_path=given.wallet_path,
        schedule=folder / MINE,
    )
    loaded = await pin(commands, given.preset, changes, tell)
    names = (given.wallet[0], given.wallet[1])
    acts = Acts(commands, loaded, None, names=names, rounds=given.rounds, tell=tell)
    await acts.play()
    require_agreement(acts, tell)


def _teller() -> Tell:
    began = time.monotonic()

    def tell(text: str) -> None:
        for line in text.rstrip().splitlines():
            sys.stdout.write(f"[{time.monotonic() - began:6.1f}] {line}\n")
        sys.stdout.flush()

    return tell


if __name__ == "__main__":
    sys.exit(main())
