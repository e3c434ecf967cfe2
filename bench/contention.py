"""What it costs to choose contenders and order free places among many hopeful entries.

Entries are near the champion, as a crowd of sybils can be: copies of it with a little noise, and
fine-tunes that are all better by the same gain. Nine signers sign the rows. Beside the time of the
decision is that of the exact comparison of every pair, which gives the same, both in processor
seconds of their thread, and by how much the event loop's beat is late at most while a thread
decides: ``idle_beat_late_ms`` is that while nothing does.

    python -m bench.contention [--large] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeAlias, TypeVar

from sn37.domain.ids import Hotkey, TaskName
from sn37.domain.round import contender_places
from sn37.domain.round.comparing import Comparer, Contestant
from sn37.domain.round.signers import Origin, Origins
from sn37.testing.contests import contest
from sn37.testing.figures import print_table, write_figures
from tests.support import plain_contention

ROUND = 300  # samples
NUM_SIGNERS = 9
MARGIN = 0.005
CROWDS = {"copies": (0.0, 0.0001), "fine-tunes": (0.0, 0.02), "leaders": (0.01, 0.02)}
SMALL = ((64, 300), (64, 2_400))
LARGE = ((128, 300), (128, 2_400), (256, 2_400))
MAX_PLAIN = 64  # entries whose exact comparisons are timed, too: 256 take two minutes
BEAT_S = 0.01
IDLE_S = 5.0

Names: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
_T = TypeVar("_T")


def a_crowd(
    num_entries: int, num_samples: int, *, gain: float, noise: float
) -> tuple[Contestant, Sequence[Contestant], Origins]:
    names = ("king", *(f"entry-{n}" for n in range(num_entries)))
    gains = {name: gain if name != "king" else 0.0 for name in names}
    king, *others = contest(gains, num_rounds=num_samples // ROUND, num_samples=ROUND, noise=noise)
    rows = tuple(
        Origin(TaskName("text"), Hotkey(f"signer-{n % NUM_SIGNERS}")) for n in range(ROUND)
    )
    return king, others, dict.fromkeys(king.evidence, rows)


def decide(
    king: Contestant, others: Sequence[Contestant], origins: Origins, way: ModuleType
) -> tuple[Names, float]:
    """The chosen and the ordered, and the processor seconds of this thread."""
    began = time.thread_time()
    comparer = Comparer(epsilon_end=MARGIN, origins=origins)
    chosen = way.contenders(king, others, comparer)
    ordered = way.distinct_first(king, others, comparer)
    names = tuple(c.key.hotkey for c in chosen), tuple(c.key.hotkey for c in ordered)
    return names, time.thread_time() - began


async def with_a_beat(work: Callable[[], _T]) -> tuple[_T, float]:
    """What a thread returns, and by how much a beat of the loop was late at most meanwhile."""
    latest_s = 0.0

    async def beat() -> None:
        nonlocal latest_s
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            latest_s = max(latest_s, time.perf_counter() - asked - BEAT_S)

    beating = asyncio.create_task(beat())
    found = await asyncio.to_thread(work)
    beating.cancel()
    return found, latest_s


def measure(sizes: Sequence[tuple[int, int]]) -> dict[str, float]:
    _, latest_s = asyncio.run(with_a_beat(partial(time.sleep, IDLE_S)))
    figures = {"idle_beat_late_ms": round(1_000 * latest_s, 1)}
    for num_entries, num_samples in sizes:
        for name, (gain, noise) in CROWDS.items():
            crowd = a_crowd(num_entries, num_samples, gain=gain, noise=noise)
            label = f"{name}_{num_entries}_{num_samples}"
            work = partial(decide, *crowd, contender_places)
            (found, seconds), latest_s = asyncio.run(with_a_beat(work))
            figures[f"{label}_cpu_seconds"] = round(seconds, 2)
            figures[f"{label}_beat_late_ms"] = round(1_000 * latest_s, 1)
            if num_entries > MAX_PLAIN:
                continue
            expected, seconds = decide(*crowd, plain_contention)
            figures[f"{label}_plain_cpu_seconds"] = round(seconds, 2)
            if found != expected:
                raise RuntimeError(f"{label}: {found} is not {expected}")
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--large", action="store_true", help="crowds of up to 256 entries")
    arguments.add_argument("--json", type=Path, metavar="FILE")
    chosen = arguments.parse_args()
    figures = measure((*SMALL, *LARGE) if chosen.large else SMALL[:1])
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(chosen.json, figures)


if __name__ == "__main__":
    main()
