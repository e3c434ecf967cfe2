"""Ctrl-C before a command runs, while it does, and when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sn37.app import interrupts
from sn37.app.interrupts import INTERRUPTED

DOORS = ("sn37.app.main", "sn37.app.validator", "sn37.app.miner")
# Sends the signal to itself when the module of that name is asked for.
INTERRUPT = """
import importlib.abc, os, runpy, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
SCRIPT = "from sn37.app.main import main; main()"


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("door", DOORS)
def test_an_interrupted_start_is_one_line(door: str) -> None:
    module = f"runpy.run_module({door!r}, run_name='__main__', alter_sys=True)"
    done = python(INTERRUPT + module, "typer")
    assert (done.returncode, done.stderr) == (INTERRUPTED, "error: interrupted\n")


def test_so_is_one_of_the_console_script() -> None:
    done = python(INTERRUPT + SCRIPT, "sn37.app.cli.root")
    assert (done.returncode, done.stderr) == (INTERRUPTED, "error: interrupted\n")


def test_an_interrupt_in_compiled_text_has_the_same_code() -> None:
    done = python(
        "import typer\n"
        "from sn37.app.cli.run import run\n"
        "from sn37.app.interrupts import leave\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def stop() -> None:\n"
        "    exec('raise KeyboardInterrupt')\n"
        "leave(run(app, [], prog_name='stop'))\n"
    )
    assert (done.returncode, done.stderr) == (INTERRUPTED, "error: interrupted\n")


class TestQuiet:
    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        before = signal.getsignal(signal.SIGINT)
        yield
        signal.signal(signal.SIGINT, before)

    def test_a_command_answers_as_usual(self) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.quiet()
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        interrupts.as_usual()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_what_is_ignored_stays_ignored(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        interrupts.quiet()
        interrupts.as_usual()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
