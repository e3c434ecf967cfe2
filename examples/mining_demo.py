"""A new miner on a simulated network: from the champion's model to the crown.

Runs a validator as in a first terminal, and types what a miner would type in a second one:
base, train, publish, status. Every command is shown before it runs. Repeated, it goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOK_S = 2.0  # between two looks at the status
PATIENCE_S = 3600.0  # for the crown
HOTKEY = "alice"


class DemoError(Exception):
    """The demo cannot go on; says why."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when the new miner holds the crown."""
    asked = _arguments().parse_args(args)
    work = asked.state_dir / "mine"
    work.mkdir(parents=True, exist_ok=True)
    simnet = ["--network", "simnet", "--state-dir", str(asked.state_dir)]
    validator = ["validator", *simnet]
    log = asked.state_dir / "validator.out"
    try:
        # A few rounds, so that there is a champion; then the chain stands still.
        with _running([*validator, "--rounds", "2"], log) as first:
            first.wait()
        _train(asked, simnet, work)
        with _running(validator, log) as second:
            _publish_and_follow(asked, simnet, work, second)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=Path("mining-demo"))
    parser.add_argument("--competition", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, at most")
    parser.add_argument("--steps", type=int, default=2000, help="of training, at most")
    return parser


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the first terminal, which ends with the block at the latest."""
    _show([*command, ">>", str(log), "&"])
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sn37.app.main", *command], stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _train(asked: argparse.Namespace, simnet: Sequence[str], work: Path) -> None:
    """The second terminal, from the champion to a model of one's own."""
    base, model, config = work / "base", work / "my-model", work / "train.toml"
    number = str(asked.competition)
    _sn37("competitions", "--network", "simnet")
    _sn37("base", "--competition", number, *simnet)
    if not base.exists():
        _sn37("base", "champion", "--competition", number, "--to", str(base), *simnet)
    if not config.exists():
        example = _sn37("train", "--example", number, *simnet, quiet=True)
        config.write_text(_edited(example, base, model, asked))
    if not model.exists():
        _sn37("train", str(config), *simnet)


def _publish_and_follow(
    asked: argparse.Namespace,
    simnet: Sequence[str],
    work: Path,
    validator: subprocess.Popen[bytes],
) -> None:
    """The second terminal, while the validator runs in the first."""
    alice = [*simnet, "--wallet-hotkey", HOTKEY]
    if _status(alice)["uid"] is None:
        _sn37("register", *alice)
    publish = ["publish", str(work / "my-model"), "--repo", f"{HOTKEY}/model"]
    publish += ["--competition", str(asked.competition), *alice]
    _sn37(*publish, "--dry-run")
    _sn37(*publish)
    _follow(alice, validator)


def _edited(example: str, base: Path, model: Path, asked: argparse.Namespace) -> str:
    """The commented example with the values of a short run on a few CPU cores."""
    values = {
        "base": json.dumps(str(base)),
        "output": json.dumps(str(model)),
        "epochs": None,
        "steps": str(asked.steps),
        "max_minutes": str(asked.minutes),
        "learning_rate": "2e-3",
        "evaluate_steps": "50",
        "checkpoint_steps": "50",
    }
    text = example
    for name, value in values.items():
        line = "" if value is None else f"{name} = {value}\n"
        text, found = re.subn(rf"^#?{name} = .*\n", line.replace("\\", r"\\"), text, flags=re.M)
        if not found:
            text = text.replace("[training]\n", f"[training]\n{line}")
    return text


def _follow(alice: Sequence[str], validator: subprocess.Popen[bytes]) -> None:
    """Look at the status until the crown is won; shown whenever the stage changes."""
    stages: list[str] = []
    began = time.monotonic()
    while stages[-1:] != ["champion"]:
        stage = str(_status(alice)["stage"])
        if stage not in stages[-1:]:
            stages.append(stage)
            _sn37("status", *alice)
        if stage in ("rejected", "duplicate", "failed"):
            raise DemoError("the model did not win; train it for longer with --minutes")
        if validator.poll() is not None:
            raise DemoError(f"the validator ended with code {validator.returncode}; see its log")
        if time.monotonic() - began > PATIENCE_S:
            raise DemoError("the crown did not come")
        time.sleep(LOOK_S)
    print(f"from {' to '.join(stages)}")


def _status(alice: Sequence[str]) -> Any:
    done = _run(["miner", "status", *alice, "--json"])
    if done.returncode:
        raise DemoError(done.stderr.strip())
    return json.loads(done.stdout)


def _sn37(*args: str, quiet: bool = False) -> str:
    """Type a command of the miner's; what it printed."""
    _show(["miner", *args])
    done = _run(["miner", *args], to_terminal=True)
    if done.returncode:
        raise DemoError(f"sn37 miner {args[0]} failed")
    if not quiet:
        print(done.stdout)
    return done.stdout


def _run(args: Sequence[str], *, to_terminal: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sn37.app.main", *args],
        stdout=subprocess.PIPE,
        stderr=None if to_terminal else subprocess.PIPE,
        text=True,
        check=False,
    )


def _show(args: Sequence[str]) -> None:
    print(f"$ sn37 {shlex.join(args)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
