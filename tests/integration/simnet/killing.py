"""Kill a validator on simnet over and over, and see what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from bittensor import sp_core

from sn37.adapters.simnet.chain.keys import keypair
from sn37.adapters.simnet.world import VALIDATOR
from sn37.adapters.sqlite.read_only import read_state
from sn37.adapters.telemetry.event_files import NewLines, event_files
from sn37.domain.canonical import as_json
from tests.support.processes import descendants_of

Json = Any  # what json.loads returns

WORKER = "sn37.app.validator"  # the modules: with the real scorer,
FAKE = "tests.soak.fake_validator"  # or with one that only pretends
SEED = 0  # of the simulated network
TIME_LIMIT_S = 900
LOOK_S = 0.002
IMPORTS_S = 1.0
SET_UP = 0.15  # of the kills: while the world is made and the validator starts
# What a validator tells of in each phase: it freezes pools, fetches, opens a round, scores a
# block, writes a receipt, sends weights.
PHASES = (
    "PoolFrozen",
    "SubmissionFetched",
    "RoundOpened",
    "BlockScored",
    "EntryFinished",
    "WeightsSubmitted",
)
EXTRINSICS = ("extrinsic", "weights_extrinsic")  # fields
LAST = 0.97  # of a run's events: later it may be over before it can be killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One state directory, and the validator that works in it."""

    module: str
    root: Path  # an empty folder, or one with what the validator is to find
    rounds: int

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def journal(self) -> Path:
        return self.state / "events.jsonl"

    @property
    def console(self) -> Path:
        return self.root / "console.log"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the validator; its temporary files have a folder of their own."""
        self.temporary.mkdir(exist_ok=True)
        options = ["--network", "simnet", "--rounds", str(self.rounds), "--seed", str(SEED)]
        folders = ["--state-dir", str(self.state), "--json", str(self.report)]
        with self.console.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, *options, *folders],
                stdout=log,
                stderr=log,
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )

    def finish(self) -> None:
        """Run it to its end."""
        code = self.start().wait(TIME_LIMIT_S)
        assert code == 0, self.console.read_text()[-4000:]

    def events(self) -> list[Mapping[str, Json]]:
        """What it has told so far."""
        return [json.loads(line) for line in self._lines()]

    def told(self) -> list[str]:
        """The kinds of these events."""
        return [event["event"] for event in self.events()]

    def _lines(self) -> list[str]:
        """The same as text; a last line that is not whole is left out."""
        text = "".join(file.read_text() for file in event_files(self.journal))
        return [line for line in text.splitlines(keepends=True) if line.endswith("}\n")]


def kill_randomly(
    run: Run, *, kills: int, told: Sequence[str], set_up_s: float, seed: int, phases: bool = True
) -> int:
    """Kill -9 at moments drawn over the whole run; return how often it was hit.

    Some moments are a time since the start, up to ``set_up_s``. The others are one of the events
    that a run which nobody disturbs tells of: they hit what the validator does, and not what
    takes time.

    Args:
        told: The kinds of those events, in order.
        phases: Draw one event of each phase first, and the others from all.
    """
    draw = Random(seed)
    in_set_up = round(SET_UP * kills)
    late = range(int(LAST * len(told)))
    drawn = [draw.choice([n for n in late if told[n] == kind]) for kind in PHASES if phases]
    drawn += [draw.choice(late) for _ in range(kills - in_set_up - len(drawn))]
    hits = sum(_kill(run, due_s=draw.uniform(0, set_up_s)) for _ in range(in_set_up))
    for position in sorted(drawn):
        kind = told[position]
        hits += _kill(run, due=(kind, told[: position + 1].count(kind)))
    return hits


def _kill(run: Run, *, due_s: float = 0.0, due: tuple[str, int] | None = None) -> bool:
    """Start the validator and kill it when a moment has come; whether it was still running."""
    journal = _Journal(run)
    journal.read()
    before = journal.counts.total()
    validator, began = run.start(), time.monotonic()
    helpers: set[int] = set()
    try:
        while validator.poll() is None:
            helpers |= descendants_of(validator.pid)
            journal.read()
            if due is None:
                if time.monotonic() - began >= due_s:
                    break
            # One that has come already: this process, too, has to do something before it dies.
            elif journal.counts[due[0]] >= due[1] and journal.counts.total() > before:
                break
            assert time.monotonic() - began < TIME_LIMIT_S
            time.sleep(LOOK_S)
    except FileNotFoundError:  # it has just ended
        pass
    finally:
        validator.send_signal(signal.SIGKILL)
        code = validator.wait()
    assert code in (0, -signal.SIGKILL), run.console.read_text()[-4000:]
    assert_ended(helpers)
    return code != 0


class _Journal:
    """Counts the events that a run has told of, reading each line once."""

    def __init__(self, run: Run) -> None:
        self._new_lines = NewLines(run.journal)
        self.counts: Counter[str] = Counter()

    def read(self) -> None:
        for line in self._new_lines():
            if line.endswith(b"}"):
                self.counts[json.loads(line)["event"]] += 1


def assert_ended(pids: set[int]) -> None:
    """What a validator started dies with it."""
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if _is_alive(pid)]:
        assert time.monotonic() < deadline, f"{alive} outlive their validator"
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        state = Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def set_up_seconds(run: Run) -> float:
    """About how long a run that nobody disturbed took until it saw its first block."""
    at = {e["event"]: datetime.fromisoformat(e["at"]) for e in reversed(run.events())}
    return IMPORTS_S + (at["HeadAdvanced"] - at["WorkersConfined"]).total_seconds()


def outcome(run: Run) -> dict[str, Json]:
    """What a run has come to: crowns, standings, weights, receipts, losses and submissions.

    Without the signatures, which are random and are checked here, the fields that tell a time
    (``*_at``, ``duration_*``), and the names of folders.
    """
    database = run.state / "state.sqlite"
    state = read_state(database)
    report = json.loads(run.report.read_text())
    with closing(sqlite3.connect(database)) as db:
        receipts = db.execute(
            "SELECT competition, sync_block, outcome.hotkey, validator, document, signature"
            " FROM receipt JOIN outcome ON outcome.id = outcome_id JOIN round ON round.id ="
            " round_id ORDER BY sync_block, competition, outcome_id"
        ).fetchall()
        losses = db.execute(
            "SELECT competition, sync_block, hotkey, block, task, first, stop, losses FROM journal"
            " JOIN round ON round.id = round_id"
            " ORDER BY sync_block, competition, hotkey, block, task, first"
        ).fetchall()
    found = {
        "report": report,
        "rounds": as_json(state.rounds),
        "weights": as_json(state.weights),
        "submissions": json.loads(
            json.dumps(as_json(state.submissions)).replace(str(run.state), "")
        ),
        "receipts": [_receipt(*row) for row in receipts],
        "losses": [(*row, blob.hex()) for *row, blob in losses],
        "on_chain": _weights_on_chain(run),
    }
    return {name: timeless(value) for name, value in found.items()}


def _receipt(
    competition: int, block: int, hotkey: str, validator: str, document: bytes, signature: bytes
) -> Json:
    assert sp_core.verify(sha256(document).hexdigest().encode(), signature, validator)
    return [competition, block, hotkey, validator, json.loads(document)]


def _weights_on_chain(run: Run) -> Json:
    """Every extrinsic of the validator that a block includes, in order."""
    hotkey = keypair(SEED, VALIDATOR).ss58_address
    with closing(sqlite3.connect(run.state / "simnet" / "chain.sqlite")) as db:
        rows = db.execute(
            "SELECT payload FROM extrinsics WHERE hotkey = ? AND block NOT NULL ORDER BY block",
            (hotkey,),
        ).fetchall()
    return [json.loads(payload)["args"] for (payload,) in rows]


def timeless(value: Json) -> Json:
    """The same without fields that tell when something happened or how long it took.

    An extrinsic's name is the block that includes it, so of weights only whether they were sent
    is left: killed in the middle of sending, a validator waits for 25 blocks before it tries again.
    """
    if isinstance(value, dict):
        return {
            name: found is not None if name in EXTRINSICS else timeless(found)
            for name, found in value.items()
            if not (name.endswith("_at") or name.startswith("duration_"))
        }
    return [timeless(v) for v in value] if isinstance(value, list | tuple) else value


def with_population(root: Path, population: Path) -> Path:
    """``root`` as the folder of a run that finds the miners trained, and publishes them itself."""
    target = root / "state" / "simnet" / "population"
    target.parent.mkdir(parents=True)
    shutil.copytree(population, target, copy_function=os.link)  # nobody writes to it any more
    return root


def leftovers(run: Run) -> list[str]:
    """Files that a finished run should not have left: half-written or temporary ones."""
    marks = ("partial", ".meta-", ".tmp", "tmp")
    below = [p for p in run.state.rglob("*") if any(p.name.startswith(m) for m in (".", *marks))]
    return sorted(
        str(p.relative_to(run.root))
        for p in (*below, *run.state.rglob("*.partial"), *run.temporary.iterdir())
    )


def scored_twice(run: Run) -> Iterator[str]:
    """Blocks of samples that were told of as scored more than once."""
    seen: set[str] = set()
    for event in run.events():
        if event["event"] == "BlockScored":
            told = json.dumps([event["round"], event["key"], event["done"]])
            if told in seen:
                yield told
            seen.add(told)
