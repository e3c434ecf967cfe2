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
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from bittensor import sp_core

from sn37.adapters.simnet.keys import keypair
from sn37.adapters.simnet.world import VALIDATOR
from sn37.adapters.sqlite.maintenance import read_state
from sn37.domain.canonical import as_json
from tests.integration.processes import descendants_of

Json = Any  # what json.loads returns

WORKER = "sn37.app.validator"  # the modules: with the real scorer,
FAKE = "tests.soak.fake_validator"  # or with one that only pretends
SEED = 0  # of the simulated network
TIME_LIMIT_S = 900
LOOK_S = 0.002
IMPORTS_S = 1.0
SET_UP = 0.15  # of the kills: while the world is made and the validator starts
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
        return [json.loads(line) for line in self.lines()]

    def counted(self) -> Counter[str]:
        """How often it has told of each kind of event."""
        return Counter(event["event"] for event in self.events())

    def lines(self) -> list[str]:
        """The same as text; a last line that is not whole is left out."""
        path = self.state / "events.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [line for line in lines if line.endswith("}\n")]


def kill_randomly(run: Run, *, kills: int, num_events: int, set_up_s: float, seed: int) -> int:
    """Kill -9 at moments drawn over the whole run; return how often it was hit.

    Most moments are a number of events, drawn uniformly from the ``num_events`` of a run that
    nobody disturbs, so that they hit what the validator does and not what takes time; the
    first ones are a time since the start, up to ``set_up_s``.
    """
    draw = Random(seed)
    shares = sorted(draw.random() for _ in range(kills))
    hits = 0
    for share in shares:
        if share < SET_UP:
            due_s, due_events = draw.uniform(0, set_up_s), None
        else:
            due_s, due_events = 0.0, int((share - SET_UP) / (1 - SET_UP) * num_events * LAST)
        hits += _kill(run, due_s=due_s, due_events=due_events)
    return hits


def _kill(run: Run, *, due_s: float, due_events: int | None) -> bool:
    """Start the validator and kill it when a moment has come; whether it was still running."""
    before = len(run.lines())
    journal = run.state / "events.jsonl"
    read, found = journal.stat().st_size if journal.exists() else 0, before
    validator, began = run.start(), time.monotonic()
    helpers: set[int] = set()
    try:
        while validator.poll() is None:
            helpers |= descendants_of(validator.pid)
            if due_events is None:
                if time.monotonic() - began >= due_s:
                    break
            elif journal.exists() and (size := journal.stat().st_size) > read:
                with journal.open("rb") as file:
                    file.seek(read)
                    found += file.read(size - read).count(b"\n")
                read = size
                # Already there: this process has to do something before it dies, too.
                if found > max(before, due_events):
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
