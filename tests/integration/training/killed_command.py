"""Kill ``sn37 miner train`` over and over; the same command goes on, and leaves nothing behind.

    python -m tests.integration.training.killed_command FOLDER [--storms N] [--seed S]

A storm is one run of the command that is killed at a random moment of each phase in turn: SIGKILL
to the process alone, from outside, while it reads rows, learns, writes, is scored or saves. Then
the command is left alone, and what it made is compared with a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import torch

from sn37.adapters.scoring.model import loading
from sn37.adapters.training import trainer
from sn37.adapters.training.checkpoints import RunFolder
from sn37.adapters.training.learning import Learner
from sn37.app.cli import miner
from sn37.app.training import run as training
from sn37.app.wiring.machine import Machine
from sn37.testing.tiny_models import save_model
from tests.support.processes import descendants_of

STEPS = 6
CONFIG = f"""\
competition = 2
base = "base"
output = "{{name}}"
[data]
held_out_samples = 8
[[data.sources]]
name = "simnet"
block = 400
hours = 1.3
[training]
steps = {STEPS}
batch_samples = 4
learning_rate = 2e-3
checkpoint_steps = 1
evaluate_steps = 2
precision = "float32"
threads = 1
"""
# Where each phase begins, and about how long it takes: kills are spread over it. In the order
# in which a run comes to them, for one that is past a phase does not come to it again.
PHASES: dict[str, tuple[object, str, float]] = {
    "reading rows": (training, "read_rows", 0.5),
    "freezing rows": (training, "freeze", 0.01),
    "scoring": (training, "held_out_score", 3.0),
    "learning": (Learner, "step", 0.1),
    "writing a checkpoint": (RunFolder, "save", 0.03),
    "writing a model": (trainer, "save_merged", 0.03),
    "scoring again": (training, "held_out_score", 3.0),
    "drawing": (Machine, "draw_losses", 0.3),
    "writing a later checkpoint": (RunFolder, "save", 0.03),
    "saving": (training, "_publish", 0.004),
    "saving again": (training, "_publish", 0.004),
}
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of the killed become children of this process
GONE_S = 10.0


class Watched:
    """One process of the command, a fork of this one, which has the imports behind it."""

    def __init__(self, folder: Path, name: str) -> None:
        reader, self._tell = os.pipe()
        if (pid := os.fork()) == 0:
            os.chdir(folder)
            console = os.open("console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            result = os.open(f"{name}.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(result, 1)
            os.dup2(console, 2)
            self._listen()
            command = ["train", f"{name}.toml", "--network", "simnet", "--state-dir", "state"]
            code = miner.main([*command, "--json"])
            sys.stdout.flush()
            os._exit(code)
        os.close(self._tell)
        self.pid = pid
        self.events: Iterator[str] = (line.rstrip() for line in os.fdopen(reader))

    def kill(self) -> None:
        """SIGKILL to it alone; whatever it started has to find out by itself."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code; whatever it started is gone, too, soon after."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        deadline = time.monotonic() + GONE_S
        while left := descendants_of(os.getpid()):
            with suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
            assert time.monotonic() < deadline, f"{left} outlive the command"
            time.sleep(0.01)
        return code

    def _listen(self) -> None:
        """Have the command tell of every phase that begins."""
        for owner, name, _ in {entry[:2]: entry for entry in PHASES.values()}.values():
            self._tap(owner, name)

    def _tap(self, owner: Any, name: str) -> None:
        function: Callable[..., object] = getattr(owner, name)

        def told(*args: object, **kwargs: object) -> object:
            number = args[1] if name == "step" else ""
            os.write(self._tell, f"{name} {number}\n".encode())
            return function(*args, **kwargs)

        setattr(owner, name, told)


def storm(folder: Path, name: str, draw: Random) -> int:
    """One run, killed in every phase and then left alone; how often it was hit."""
    hits, checkpoint = 0, 0
    for phase, (_, function, seconds) in PHASES.items():
        watched = Watched(folder, name)
        for event in watched.events:
            told, _, number = event.partition(" ")
            # It goes on from the newest checkpoint, never from an older one.
            if told == "step":
                assert int(number) >= checkpoint, f"step {number} after checkpoint {checkpoint}"
            if told == function:
                time.sleep(draw.uniform(0, seconds))
                break
        watched.kill()
        code = watched.wait()
        assert code in (0, -signal.SIGKILL), f"{phase}: {(folder / 'console.log').read_text()}"
        hits += code != 0
        found = newest(folder / f"{name}.run")
        assert found >= checkpoint, f"checkpoint {checkpoint} is lost while {phase}"
        checkpoint = found
    finish(folder, name)
    return hits


def finish(folder: Path, name: str) -> None:
    """Run it to its end."""
    watched = Watched(folder, name)
    for _ in watched.events:
        pass
    assert watched.wait() == 0, (folder / "console.log").read_text()


def newest(run: Path) -> int:
    """How many steps the newest whole checkpoint has seen."""
    return max((int(p.name.split("-")[1]) for p in run.glob("checkpoint-*[0-9]")), default=0)


def outcome(folder: Path, name: str) -> dict[str, Any]:
    """What a run has come to: its report, every file of its model, and names of those it keeps."""
    report = json.loads((folder / f"{name}.json").read_text())
    assert report.pop("folder") == name
    return {
        "report": report,
        "model": {p.name: p.read_bytes() for p in (folder / name).iterdir()},
        "run": sorted(p.name for p in (folder / f"{name}.run").iterdir()),
        "beside": sorted(p.name.removeprefix(name) for p in folder.glob(f"{name}.*")),
    }


def prepare(folder: Path, names: list[str]) -> None:
    """A base, a file for each run, and what each process would import, once."""
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "base")
    for name in names:
        (folder / f"{name}.toml").write_text(CONFIG.format(name=name))
    loading.warm()
    torch.optim.AdamW([torch.zeros(1)])
    assert ctypes.CDLL(None).prctl(SUBREAPER, 1) == 0


def main() -> int:
    """0 when every storm ends as the calm run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--storms", type=int, default=1)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")  # noqa: T201
    draw = Random(asked.seed)
    names = [f"storm{n}" for n in range(asked.storms)]
    prepare(asked.folder, ["calm", *names])
    finish(asked.folder, "calm")
    calm = outcome(asked.folder, "calm")
    for name in names:
        hits = storm(asked.folder, name, draw)
        found = outcome(asked.folder, name)
        different = [part for part in calm if found[part] != calm[part]]
        print(f"{name}: {hits} kills, {', '.join(different) or 'nothing'} differs")  # noqa: T201
        if different:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
