"""Completion as a user gets it: installed for bash in a home of its own, asked by bash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = f'#!/bin/sh\nexec {sys.executable} -m sn37.app.main "$@"\n'
# Bash calls the function with these variables when Tab is pressed.
TAB = """
. "$HOME/.bashrc"
COMP_WORDS=(sn37 {words}) COMP_CWORD={last}
_sn37_completion sn37
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home folder without anything, and ``sn37`` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "sn37"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "HOME": str(tmp_path), "PATH": path, "SHELL": "/bin/bash"}


def bash(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_completion_is_installed_and_answers_in_bash(
    environment: dict[str, str], tmp_path: Path
) -> None:
    said = bash("sn37 --install-completion; true", environment)
    assert "bash completion installed in" in said
    assert (tmp_path / ".bash_completions" / "sn37.sh").is_file()
    for words, last, expected in (
        ("sched", 1, ["schedule"]),
        ("upgrade st", 2, ["stage", "status"]),
        ("replay --struct", 2, ["--structure"]),
        ("docs win", 2, ["winner"]),
    ):
        said = bash(TAB.format(words=words, last=last), environment)
        assert said.split() == expected


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _sn37_completion sn37"),
        ("zsh", "compdef _sn37_completion sn37"),
        ("fish", "complete --command sn37"),
    ],
)
def test_the_script_of_each_shell_is_shown(
    shell: str, line: str, environment: dict[str, str]
) -> None:
    """With the shell named, because it is not the one that runs the tests."""
    named = {**environment, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert line in bash(f"sn37 --show-completion {shell}", named)
