"""A new miner on a simulated network: from the champion's model to the crown.

Runs a validator as in a first terminal, and types what a miner would type in a second one:
the commands of docs/miner.md, each shown before it runs. Repeated, it goes on. It takes about
five minutes of processor time: two of training, three for the validator's rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK_S = 4.0  # between two looks at the status
PATIENCE_S = 3600.0  # for the crown
SETTINGS = {
    "SN37_NETWORK": "simnet",
    "SN37_STATE_DIR": "simnet-state",
    "SN37_WALLET_HOTKEY": "alice",
}
VALIDATOR = ("validator", "--network", "simnet")
MODEL = "my-model"
LOG = "validator.out"
PUBLISH = ("publish", MODEL, "--repo", "alice/model", "--competition", "1")


class DemoError(Exception):
    """The demo cannot go on; says why."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when the new miner holds the crown."""
    asked = _arguments().parse_args(args)
    asked.folder.mkdir(parents=True, exist_ok=True)
    terminal = Terminal(folder=asked.folder)
    print(f"in {asked.folder}, which keeps everything; what the validator says is in {LOG} there")
    print("$ export " + " ".join(f"{name}={value}" for name, value in SETTINGS.items()))
    began = time.monotonic()
    try:
        # A few rounds, so that there is a champion; then the chain stands still.
        why = "makes the network, and a champion: some minutes"
        with terminal.background(*VALIDATOR, "--rounds", "2", why=why) as validator:
            validator.wait()
        _train(terminal, values=_values(asked))
        with terminal.background(*VALIDATOR, why="goes on until the demo ends") as validator:
            _publish(terminal)
            stages = _follow(terminal, validator)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 1
    minutes = (time.monotonic() - began) / 60
    print(f"took {minutes:.0f} minutes; how training went is in {MODEL}.run/loss.png")
    print(f"from {' to '.join(stages)}")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("mining-demo"))
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, at most")
    parser.add_argument("--steps", type=int, default=2000, help="of training, at most")
    return parser


def _values(asked: argparse.Namespace) -> dict[str, str]:
    """What a short run on few CPU cores changes of the commented example."""
    return {
        "steps": str(asked.steps),
        "max_minutes": str(asked.minutes),
        "learning_rate": "2e-3",
        "evaluate_steps": "50",
        "checkpoint_steps": "50",
        "threads": "1",  # a model this small gains nothing by more
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Types commands in a folder, and shows them."""

    folder: Path

    def run(self, *args: str, shown: bool = True, into: str | None = None) -> str:
        """A command of the miner's; what it printed, which may go to a file."""
        if shown:
            self._show("miner", *args, *(() if into is None else (">", into)))
        done = subprocess.run(
            [*_program("miner"), *args],
            cwd=self.folder,
            env=os.environ | SETTINGS,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"sn37 miner {args[0]} failed")
        if into is not None:
            (self.folder / into).write_text(done.stdout)
        elif shown:
            print(done.stdout, flush=True)
        return done.stdout

    @contextmanager
    def background(self, *args: str, why: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command of the other terminal, which ends with the block at the latest."""
        self._show(*args, note=f"in another terminal; {why}")
        with (self.folder / LOG).open("ab") as out:
            process = subprocess.Popen(
                [*_program(args[0]), *args[1:]],
                cwd=self.folder,
                env=os.environ | SETTINGS,
                stdout=out,
                stderr=out,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def _show(self, *args: str, note: str = "") -> None:
        typed = " ".join(a if a == ">" else shlex.quote(a) for a in args)
        print(f"$ sn37 {typed}{note and f'  # {note}'}", flush=True)


def _program(command: str) -> list[str]:
    return [sys.executable, "-m", "sn37.app.main", command]


def _train(terminal: Terminal, *, values: dict[str, str]) -> None:
    """From the champion's model to one of one's own."""
    folder = terminal.folder
    terminal.run("competitions")
    terminal.run("base", "--competition", "1")
    if not (folder / "base").exists():
        terminal.run("base", "champion", "--competition", "1")
    config = folder / "train.toml"
    if not config.exists():
        example = terminal.run("train", "--example", "1", into=config.name)
        config.write_text(_edited(example, values))
        changed = ", ".join(f"{name} = {value}" for name, value in values.items())
        print(f"# in {config.name}, for a short run on few cores: {changed}\n", flush=True)
    if not (folder / MODEL).exists():
        terminal.run("train", config.name)
    terminal.run("evaluate", MODEL, "--competition", "1")


def _edited(example: str, values: dict[str, str]) -> str:
    text = re.sub(r"^epochs = .*\n", "", example, flags=re.MULTILINE)  # steps are given instead
    for name, value in values.items():
        line = f"{name} = {value}\n"
        text, found = re.subn(rf"^#?{name} = .*\n", line, text, flags=re.MULTILINE)
        if not found:
            text = text.replace("[training]\n", f"[training]\n{line}")
    return text


def _publish(terminal: Terminal) -> None:
    """While the validator runs in the other terminal."""
    if _status(terminal)["uid"] is None:
        terminal.run("register")
    terminal.run(*PUBLISH, "--dry-run")
    terminal.run(*PUBLISH)


def _follow(terminal: Terminal, validator: subprocess.Popen[bytes]) -> list[str]:
    """Look at the status until the crown is won; shown whenever the stage changes."""
    stages: list[str] = []
    began = time.monotonic()
    while stages[-1:] != ["champion"]:
        stage = str(_status(terminal)["stage"])
        if stage not in stages[-1:]:
            stages.append(stage)
            terminal.run("status")
        if stage in ("rejected", "duplicate", "failed"):
            raise DemoError(
                "the model did not win; train it for longer: --minutes, in a new --folder"
            )
        if validator.poll() is not None:
            raise DemoError(f"the validator ended with code {validator.returncode}; see {LOG}")
        if time.monotonic() - began > PATIENCE_S:
            raise DemoError("the crown did not come")
        time.sleep(LOOK_S)
    return stages


def _status(terminal: Terminal) -> Any:
    return json.loads(terminal.run("status", "--json", shown=False))


if __name__ == "__main__":
    sys.exit(main())
