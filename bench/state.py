"""What the validator's database costs: writes while scoring, and the read at a start.

The state is that of a validator after some hundred rounds of one competition, with an open round.
Each figure is the fastest of the runs, each run in a new database, on the disk of ``--folder``.

    python bench/state.py [--rounds 300] [--runs 5] [--folder FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.domain.data.samples import Pool
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.round.state import EntryResult, RoundPlan, RoundResult
from sn37.domain.scoring.jobs import BlockLosses, ControlKind, ControlLoss
from sn37.domain.submission.submission import Submission
from sn37.testing.builders import (
    CHAIN_START,
    a_batch,
    a_commitment,
    a_draw,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_submission,
    a_task_score,
    an_artifact,
    an_entry_result,
    an_outcome,
    losses,
    some_samples,
)
from sn37.testing.figures import print_table, write_figures

NUM_ENTRIES = 100  # of a round
NUM_SUBMISSIONS = 1_000
NUM_SAMPLES = 320  # of a round, of one task
POOL_ROWS = 20_000
CADENCE = 360
SIGNERS = tuple(f"signer-{n:02}-{'x' * 40}" for n in range(8))
ENTRIES = tuple(
    EntryKey(Hotkey(f"hotkey-{n:03}-{'x' * 37}"), Block(100 + n)) for n in range(NUM_ENTRIES)
)


def a_result(key: RoundKey) -> RoundResult:
    entries: list[EntryResult] = [
        replace(
            an_entry_result(entry, score=1 + n / 7),
            tasks=(a_task_score("text", 1 + n / 7), a_task_score("choice", n / 3)),
        )
        for n, entry in enumerate(ENTRIES)
    ]
    clocks = tuple((entry, Block(entry.block + 7)) for entry in ENTRIES)
    found = a_round_result(key, champion=ENTRIES[0], entries=tuple(entries))
    return replace(found, clocks=clocks, is_shielded=True)


def a_plan(key: RoundKey) -> RoundPlan:
    samples = some_samples(NUM_SAMPLES, since=CHAIN_START, signers=SIGNERS)
    return a_round_plan(
        key, champion=ENTRIES[0], entries=ENTRIES, draws=(a_draw(a_batch(samples=samples)),)
    )


def some_submissions() -> list[Submission]:
    commitments = [a_commitment(f"hotkey-{n:04}", 100 + n) for n in range(NUM_SUBMISSIONS)]
    return [replace(a_submission(c), artifact=an_artifact()) for c in commitments]


def some_blocks() -> list[BlockLosses]:
    """The blocks of one entry, the first with four controls."""
    blocks = [losses(*((n + k) / 7 for k in range(16)), first=n) for n in range(0, NUM_SAMPLES, 16)]
    controls = tuple(ControlLoss(ControlKind.SHUFFLED, 900.5 + n, 950.25) for n in range(4))
    return [replace(blocks[0], controls=controls), *blocks[1:]]


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began_s = time.perf_counter()
    await work()
    return time.perf_counter() - began_s


async def run(path: Path, num_rounds: int) -> Mapping[str, float]:
    """Fill one database; return the seconds that each kind of step took."""
    store, took = SqliteStateStore(path, keep_texts=1), dict[str, float]()
    key = a_round_key(1, CADENCE * (num_rounds + 1))
    submissions, plan, blocks = some_submissions(), a_plan(key), some_blocks()
    pool = Pool(some_samples(POOL_ROWS, since=CHAIN_START, signers=SIGNERS))
    results = [a_result(a_round_key(1, CADENCE * (n + 1))) for n in range(num_rounds)]
    try:
        took["save_submissions"] = await timed(lambda: store.save_submissions(submissions))
        took["freeze_pools"] = await timed(
            lambda: store.freeze_pools(key, {TaskName("text"): pool})
        )
        took["pools"] = await timed(lambda: store.pools(key))
        took["open_round"] = await timed(lambda: store.open_round(plan))
        took["finish_round"] = median(
            [await timed(partial(store.finish_round, result)) for result in results]
        )
        appended = [
            await timed(partial(store.append, key, entry, block))
            for entry in ENTRIES
            for block in blocks
        ]
        finished = [
            await timed(partial(store.finish_entry, key, an_outcome(entry), None))
            for entry in ENTRIES
        ]
        took["append"] = median(appended)
        took["append_with_controls"] = median(appended[:: len(blocks)])
        took["finish_entry"] = median(finished)
        took["load"] = await timed(store.load)
        took["signers"] = await timed(lambda: store.signers(key.competition))
    finally:
        await store.close()
    return took


def measure(num_rounds: int, runs: int, folder: Path | None) -> dict[str, float]:
    taken = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=folder) as home:
            taken.append(asyncio.run(run(Path(home, "state.sqlite"), num_rounds)))
    return {f"{name}_ms": 1e3 * min(took[name] for took in taken) for name in taken[0]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=300, help="finished ones")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--folder", type=Path, help="where the databases are made")
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    found = measure(given.rounds, given.runs, given.folder)
    figures = {name: round(value, 4) for name, value in found.items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("pydantic",))


if __name__ == "__main__":
    main()
