"""What a running validator holds, read from outside, and whether it grows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from sn37.adapters.scoring.memory_guard import holdings
from tests.support.processes import descendants_of

WARM_UP = 0.1  # of the rounds: pages, pools and caches are filled,
# but no fewer: until then simnet's feed still finds texts that it has not read before, and the
# allocator the size of a round's work. 24 rounds are held whole besides.
WARM_UP_ROUNDS = 50
MAX_MEMORY_GROWTH = 0.05
MAX_DISK_GROWTH = 0.10  # of the bytes that a round adds, from the second quarter to the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look. Bytes on disk are those of the state database and its write-ahead log."""

    rounds: int  # of both competitions
    seconds: float  # since the validator was started
    cpu_s: float  # of all its threads; on a busy machine the better measure
    memory_bytes: int  # of the validator's own process, without pages of files
    files: int
    threads: int
    processes: int  # started by it and alive, with theirs
    state_bytes: int
    log_bytes: int


def read(pid: int, state_dir: Path, *, rounds: int, seconds: float) -> Reading:
    """Now.

    Raises:
        OSError: The process has ended.
    """
    held = holdings(pid)
    database = state_dir / "state.sqlite"
    log = database.with_name(f"{database.name}-wal")
    return Reading(
        rounds=rounds,
        seconds=seconds,
        cpu_s=cpu_seconds(pid),
        memory_bytes=held.memory_bytes,
        files=len(list(Path("/proc", str(pid), "fd").iterdir())),
        threads=held.num_threads,
        processes=len(descendants_of(pid)),
        state_bytes=database.stat().st_size,
        log_bytes=log.stat().st_size if log.exists() else 0,
    )


def cpu_seconds(pid: int) -> float:
    """What a process has used in user and kernel mode; see proc(5)."""
    after_name = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def between(readings: Sequence[Reading], first: float, last: float) -> list[Reading]:
    """Those from one share of the rounds that were looked at to another."""
    start, total = readings[0].rounds, readings[-1].rounds - readings[0].rounds
    return [r for r in readings if first * total <= r.rounds - start <= last * total]


def growth(readings: Sequence[Reading]) -> list[str]:
    """What has grown and should not have.

    The first quarter after the warm-up, or what there is before the last one, is compared with
    that. Medians: a reading may fall into the middle of a round, when a pool is in memory, or
    between a process and its successor. What leaks stays, and so moves them.
    """
    warm = max(WARM_UP, WARM_UP_ROUNDS / readings[-1].rounds)
    early = between(readings, warm, min(warm + 0.25, 0.75))
    late = between(readings, 0.75, 1.0)
    before, after = (median(r.memory_bytes for r in part) for part in (early, late))
    found = []
    if after > before * (1 + MAX_MEMORY_GROWTH):
        found.append(f"memory: {before / 2**20:.1f} MiB, then {after / 2**20:.1f} MiB")
    for name in ("files", "threads", "processes"):
        held, now = (median(getattr(r, name) for r in part) for part in (early, late))
        if now > held:
            found.append(f"{name}: {held:g}, then {now:g}")
    if max(r.log_bytes for r in late) > 2 * max(r.log_bytes for r in early):
        found.append("the write-ahead log")
    first, last = (
        per_round(between(readings, *part), "state_bytes") for part in ((0.25, 0.5), (0.75, 1.0))
    )
    if last > first * (1 + MAX_DISK_GROWTH):
        found.append(f"disk: {first:,.0f} bytes a round, then {last:,.0f}")
    return found


def per_round(part: Sequence[Reading], name: str) -> float:
    """By how much a field has grown in one round."""
    grown = getattr(part[-1], name) - getattr(part[0], name)
    return float(grown / (part[-1].rounds - part[0].rounds))


def table(readings: Sequence[Reading]) -> str:
    """A quarter a row: medians of its readings, and what a round took of it."""
    lines = [
        "quarter  s/round  cpu s/round  bytes/round  MiB held  files  threads  processes  log MiB"
    ]
    for number in range(4):
        part = between(readings, number / 4, (number + 1) / 4)
        middle = {f.name: median(getattr(r, f.name) for r in part) for f in fields(Reading)}
        lines.append(
            f"{number + 1:7}  {per_round(part, 'seconds'):7.2f}  {per_round(part, 'cpu_s'):11.2f}"
            f"  {per_round(part, 'state_bytes'):11,.0f}  {middle['memory_bytes'] / 2**20:8.1f}"
            f"  {middle['files']:5.0f}  {middle['threads']:7.0f}  {middle['processes']:9.0f}"
            f"  {middle['log_bytes'] / 2**20:7.1f}"
        )
    return "\n".join(lines)
