"""What the leaderboard costs on a long record: requests, memory, and what a writer notices.

The record is synthetic: 256 miners and 5,000 rounds of two competitions, with losses of the newest
120 rounds of each. The leaderboard is a process of its own on one core, asked over HTTP on kept
connections; the asking process has the other cores. "cold" asks for pages that were not asked for
before, "median" and "requests" for pages that others have seen, while the record stays the same.
The writer journals losses of an open round, as a validator that scores, with and without readers.

    python bench/leaderboard.py [--rounds 5000] [--miners 256] [--seconds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.schedule.load import load_schedule
from sn37.domain.ids import Block, CompetitionId, RoundKey
from sn37.testing.builders import a_batch, a_draw, a_round_plan, losses, some_samples
from sn37.testing.figures import print_table, write_figures
from sn37.testing.long_history import hotkey_of, write_long_history

NUM_CLIENTS = 4
WRITES = 400
AIMED_AT = ("overview", "submission", "json_list")  # 200 requests a second, median of 20 ms
ONE = CompetitionId(1)


def write_record(path: Path, num_rounds: int, num_miners: int) -> None:
    async def write() -> None:
        store = SqliteStateStore(path)
        schedule = load_schedule("simnet").schedule
        await write_long_history(store, schedule, num_rounds=num_rounds, num_miners=num_miners)
        await store.close()

    asyncio.run(write())


@contextmanager
def served(state_dir: Path) -> Iterator[tuple[int, int, float]]:
    """Run ``sn37 leaderboard`` on one core; yield its port, its process, and its time to start."""
    began_s = time.perf_counter()
    command = ["leaderboard", "--network", "simnet", "--state-dir", str(state_dir)]
    command += ["--listen", "127.0.0.1:0", "--rate", "1000000"]
    core = {max(os.sched_getaffinity(0))}
    process = subprocess.Popen(
        [sys.executable, "-m", "sn37.app.main", *command],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("http://"), line + process.stderr.read()
        port = int(line.rstrip("/\n").rpartition(":")[2])
        yield port, process.pid, time.perf_counter() - began_s
    finally:
        process.terminate()
        process.wait(10)


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> tuple[float, bytes]:
        """Return the seconds that a request took, and the answer."""
        began_s = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, path)
        return time.perf_counter() - began_s, body


def measured(
    port: int, pid: int, paths: Sequence[str], seconds: float
) -> tuple[float, float, float]:
    """Return requests per second, their median milliseconds, and those of the server's core."""
    took: list[float] = []
    before_s = cpu_s(pid)
    until = time.perf_counter() + seconds

    def ask(number: int) -> None:
        client, n = Client(port), number
        while time.perf_counter() < until:
            took.append(client.get(paths[n % len(paths)])[0])
            n += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, 1e3 * median(took), 1e3 * (cpu_s(pid) - before_s) / len(took)


def write_times(path: Path, block: int) -> list[float]:
    """Journal losses of a new open round; return the milliseconds of each write."""

    async def write() -> list[float]:
        store = SqliteStateStore(path)
        key, entry = RoundKey(ONE, Block(block)), hotkey_of("1/other-1")
        draw = a_draw(a_batch("pairs", samples=some_samples(320)))
        plan = a_round_plan(key, draws=(draw,))
        await store.open_round(plan)
        took = []
        for n in range(WRITES):
            values = replace(losses(first=16 * n), tokens=n)
            began_s = time.perf_counter()
            await store.append(key, replace(plan.entries[0], hotkey=entry), values)
            took.append(1e3 * (time.perf_counter() - began_s))
        await store.close()
        return took

    return asyncio.run(write())


def writer(where: str, took: Sequence[float]) -> dict[str, float]:
    """Return figures of the milliseconds that writes took."""
    ordered = sorted(took)
    return {
        f"writer_{where}_median_ms": median(ordered),
        f"writer_{where}_p99_ms": ordered[len(ordered) * 99 // 100],
        f"writer_{where}_max_ms": ordered[-1],
    }


def cpu_s(pid: int) -> float:
    """Return the seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the largest memory that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"process {pid} has no VmHWM")


def submissions_in(body: bytes) -> list[str]:
    """Return the paths of the pages on the submissions of a list."""
    return [
        f"/submissions/{s['model']['hotkey']}/{s['model']['committed']['block']}"
        for s in json.loads(body)["submissions"]
    ]


def measure(state_dir: Path, seconds: float) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    path = state_dir / "state.sqlite"
    figures |= writer("alone", write_times(path, 10_000_080))
    with served(state_dir) as (port, pid, start_s):
        figures["start_s"], figures["start_core_s"] = start_s, cpu_s(pid)
        client = Client(port)
        lists = [client.get(f"/api/v1/submissions?page={n}")[1] for n in (1, 2, 3)]
        shown = [path for body in lists for path in submissions_in(body)]
        kinds = {
            "overview": ["/"],
            "submission": shown[:100],
            "json_list": [f"/api/v1/submissions?page={n}" for n in range(1, 6)],
            "competition": ["/competitions/1", "/competitions/2"],
        }
        for kind, paths in kinds.items():
            before_s = cpu_s(pid)
            cold = [1e3 * client.get(p)[0] for p in paths]
            figures[f"{kind}_cold_core_ms"] = 1e3 * (cpu_s(pid) - before_s) / len(paths)
            figures[f"{kind}_cold_median_ms"] = median(cold)
            figures[f"{kind}_cold_max_ms"] = max(cold)
        for kind, paths in kinds.items():
            rate, middle, core = measured(port, pid, paths, seconds)
            figures[f"{kind}_requests_per_second"] = rate
            figures[f"{kind}_median_ms"], figures[f"{kind}_core_ms"] = middle, core
        every = [p for paths in kinds.values() for p in paths]
        stop = threading.Event()

        def keep_asking() -> None:
            reader, n = Client(port), 0
            while not stop.is_set():
                reader.get(every[n % len(every)])
                n += 1

        reader = threading.Thread(target=keep_asking)
        reader.start()
        figures |= writer("beside_readers", write_times(path, 10_000_440))
        stop.set()
        reader.join()
        figures["memory_mib"] = resident_mib(pid)
    rates = [figures[f"{kind}_requests_per_second"] for kind in AIMED_AT]
    medians = [figures[f"{kind}_median_ms"] for kind in AIMED_AT]
    return {"requests_per_second": min(rates), "median_ms": max(medians), **figures}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5_000)
    arguments.add_argument("--miners", type=int, default=256)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--json", type=Path, metavar="FILE")
    arguments.add_argument("--state-dir", type=Path, help="a record made before")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.state_dir or Path(scratch)
        if not (home / "state.sqlite").exists():
            (home / "simnet").mkdir(parents=True)
            write_record(home / "state.sqlite", given.rounds, given.miners)
        found = measure(home, given.seconds)
    figures = {name: round(value, 2) for name, value in found.items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("fastapi", "starlette", "uvicorn", "jinja2"))


if __name__ == "__main__":
    main()
