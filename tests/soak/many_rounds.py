"""Run the validator on simnet for many rounds, with miners that go on committing.

``python -m tests.soak.many_rounds 2000 --state-dir DIR`` takes the fake scorer and every other
adapter as it is; ``--worker`` the real one. Prints a table and fails when something grows, when
it takes longer than the rounds may, when nothing has happened, or when an audit finds a difference.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sn37.adapters.simnet.world import build_world
from sn37.adapters.sqlite.read_only import read_state
from sn37.adapters.telemetry.event_files import NewLines
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.domain.ids import Block
from sn37.domain.round.state import ValidatorState
from tests.soak.gauges import Reading, growth, read, table
from tests.soak.miners import populate

FIRST_ROUND, CADENCE = 1_800, 360  # blocks; see simnet.toml
SECONDS_A_ROUND = 40 * 60 / 2_000  # allowed, with the scorer that pretends
LOOK_S = 1.0
MIN_LOOKS = 40  # to tell growth from chance
# Of history: 180 rounds, so that old ones are removed while most of the rest runs, as happens to
# a validator after its first ninety days.
KEEP_DAYS = 9
SEED = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the run has stood the test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--worker", action="store_true", help="score with the real worker")
    options = parser.parse_args(arguments)
    prepare(options.state_dir, options.rounds, loadable=options.worker)
    module = "sn37.app.validator" if options.worker else "tests.soak.fake_validator"
    readings = watch(module, options.state_dir, options.rounds)
    limit_s = float("inf") if options.worker else options.rounds * SECONDS_A_ROUND
    state = read_state(options.state_dir / "state.sqlite")
    faults = growth(readings) + idleness(
        state, rounds=options.rounds, champions=1 if options.worker else options.rounds // 20
    )
    faults += audit(options.state_dir)
    if readings[-1].seconds > limit_s:
        faults.append(f"{readings[-1].seconds:.0f} s; {limit_s:.0f} s were allowed")
    tell(table(readings))
    tell(f"{options.rounds} rounds in {readings[-1].seconds:.0f} s; {story(state)}")
    for fault in faults:
        tell(f"TOO MUCH {fault}")
    return 1 if faults else 0


def prepare(state_dir: Path, rounds: int, *, loadable: bool) -> None:
    """Make the world, with all that will happen in it, unless it is there."""
    marker = state_dir / "populated.json"
    if marker.exists():
        return
    began = time.monotonic()
    sink = JsonlSink(state_dir / "set-up.jsonl")
    world = build_world(state_dir, seed=SEED, emit=sink)
    sink.close()
    with tempfile.TemporaryDirectory() as scratch:
        until = Block(FIRST_ROUND + CADENCE * rounds)
        count = populate(world, SEED, until, Path(scratch), loadable=loadable)
    marker.write_text(json.dumps({"rounds": rounds, "commitments": count}))
    tell(f"set-up: {count} commitments in {time.monotonic() - began:.0f} s")


def watch(module: str, state_dir: Path, rounds: int) -> list[Reading]:
    """Run the validator to its end and look at it once a second."""
    options = ["--network", "simnet", "--seed", str(SEED), "--rounds", str(rounds)]
    options += ["--keep-history", str(KEEP_DAYS)]
    with (state_dir / "console.log").open("ab") as log:
        began = time.monotonic()
        validator = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--state-dir", str(state_dir)],
            stdout=log,
            stderr=log,
        )
    readings: list[Reading] = []
    finished, told = Finished(state_dir / "events.jsonl"), 0
    try:
        while validator.poll() is None:
            time.sleep(LOOK_S)
            try:
                readings.append(
                    read(
                        validator.pid,
                        state_dir,
                        rounds=finished.count(),
                        seconds=time.monotonic() - began,
                    )
                )
            except OSError:
                continue  # it is just starting, or has just ended
            if readings[-1].rounds >= told + rounds / 20:
                told = readings[-1].rounds
                tell(str(readings[-1]))
    finally:
        validator.kill()
        validator.wait()
    if validator.returncode:
        raise SystemExit(f"the validator ended with {validator.returncode}; see {log.name}")
    seen = [r for r in readings if r.memory_bytes and r.rounds]
    if len(seen) < MIN_LOOKS:
        raise SystemExit(
            f"{len(seen)} looks at a run are too few; is {state_dir} of an earlier one?"
        )
    return seen


def audit(state_dir: Path) -> list[str]:
    """What does not follow from what was recorded."""
    command = [sys.executable, "-m", "sn37.app.main", "audit", "--network", "simnet"]
    done = subprocess.run(
        [*command, "--state-dir", str(state_dir)], capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    tell(f"audit: {lines[-1]}")
    return [f"audit: {lines[0]}"] if done.returncode else []


class Finished:
    """Counts the rounds whose weights were sent, reading each line of the journal once."""

    def __init__(self, journal: Path) -> None:
        self._new_lines = NewLines(journal)
        self._found = 0

    def count(self) -> int:
        self._found += sum(b'"event":"WeightsSubmitted"' in line for line in self._new_lines())
        return self._found


def idleness(state: ValidatorState, *, rounds: int, champions: int) -> list[str]:
    """What should have happened and has not."""
    found = []
    for competition, held in state.rounds.items():
        scored = [r for r in held if r.skipped is None]
        if len(scored) < rounds:
            found.append(f"competition {competition}: {len(scored)} rounds were scored")
        if (crowned := len({r.champion for r in scored})) < champions:
            found.append(f"competition {competition}: {crowned} champions")
    return found


def story(state: ValidatorState) -> str:
    """What has happened, in one line."""
    champions = sum(len({r.champion for r in held}) for held in state.rounds.values())
    reasons = Counter(
        entry.reason.value
        for key, entry in {
            (e.key, e.reason): e for held in state.rounds.values() for r in held for e in r.entries
        }.items()
        if entry.reason is not None
    )
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return f"{champions} champions, {len(state.submissions)} submissions; {told}"


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
