"""Files and folders that the system refuses: one line that names them, from any command."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config.path_checks import is_file, is_folder, is_there
from sn37.app.config.settings import load_settings, require_wallet
from sn37.app.errors import CommandError, UsageError
from sn37.app.schedule.lookup import competition_of, rules_of_network
from sn37.app.wiring.machine import Machine

LONG = "n" * 300
HERE = ("--network", "simnet", "--state-dir")
MINER = ("--competition", "1", "--network", "simnet")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["models", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["champions", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["state", "verify", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["state", "migrate", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["state", "compact", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["state", "restore", LONG, *HERE, "s"], LONG),
        (["receipts", "export", "f", *HERE, LONG], f"{LONG}/state.sqlite"),
        (["check", LONG, *MINER], LONG),
        (["check", ".", *MINER, "--tokenizer", LONG], f"--tokenizer {LONG}"),
        (["miner", "base", LONG, *MINER], LONG),
        (["miner", "base", "champion", "--to", LONG, *MINER], LONG),
        (["miner", "evaluate", LONG, *MINER], LONG),
        (["miner", "publish", LONG, "--repo", "a/b", *MINER], LONG),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else "",
)
def test_a_name_that_is_too_long_is_one_line(
    args: list[str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(main.app, args, prog_name="sn37") == 1
    assert capsys.readouterr().err == f"error: {named}: File name too long\n"


async def test_a_tokenizer_that_is_given_has_to_be_a_folder(tmp_path: Path) -> None:
    settings = load_settings({"network": "simnet"})
    rules = competition_of(rules_of_network(settings), 1)
    with pytest.raises(UsageError, match=rf"^--tokenizer {tmp_path}/nope: no such folder$"):
        await Machine(settings).needed_tokenizer(rules, tmp_path / "nope")
    with pytest.raises(CommandError, match=rf"^--tokenizer {LONG}: File name too long$"):
        await Machine(settings).needed_tokenizer(rules, Path(LONG))
    assert await Machine(settings).needed_tokenizer(rules, tmp_path) == tmp_path


@pytest.mark.parametrize("look", [is_folder, is_file, is_there])
def test_what_cannot_be_looked_at_is_named_with_what_it_is_for(look: object) -> None:
    assert callable(look)
    with pytest.raises(CommandError, match=f"^base {LONG}: File name too long$"):
        look(Path(LONG), "base")


def test_a_link_to_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    assert is_there(tmp_path / "link", "")
    assert not is_there(tmp_path / "link" / "below", "")


def test_a_wallet_that_cannot_be_looked_at_is_one_line(tmp_path: Path) -> None:
    settings = load_settings({"network": "test", "wallet": LONG, "wallet_path": str(tmp_path)})
    with pytest.raises(CommandError, match=rf"^hotkey \S+/{LONG}/hotkeys/default: File name too"):
        require_wallet(settings)


def failing(error: OSError) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", b"/a"), "/a: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_what_the_system_says_of_a_file_or_a_disk_is_one_line(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(failing(error), [], prog_name="fail") == 1
    assert capsys.readouterr().err == f"error: {said}\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError("nothing known"),
        OSError(errno.EBADF, "Bad file descriptor"),
        ConnectionResetError("reset"),
    ],
)
def test_an_error_of_no_file_is_a_bug_and_keeps_its_traceback(error: OSError) -> None:
    with pytest.raises(OSError, match=re.escape(str(error))) as raised:
        run(failing(error), [], prog_name="fail")
    assert raised.value is error


@pytest.mark.parametrize(
    "args",
    [
        "sn37.app.main --version",
        "sn37.app.main --help",
        "sn37.app.main validator --help",
        "sn37.app.main schedule show simnet --json",  # more than a buffer holds
        "sn37.app.main miner train --example 3",
        "sn37.app.validator --help",
    ],
)
def test_a_full_disk_behind_standard_output_is_one_line(args: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m {args} >/dev/full"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": "/"},
    )
    assert done.stderr == "error: standard output: No space left on device\n"
    assert done.returncode == 1
