"""Every command of btcli that documents and messages name exists in the SDK as named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from bittensor.cli.main import app
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

ROOT = Path(__file__).parents[3]
VALUES = {"NETUID": "37", "NAME": "name"}


def of_documents() -> Iterator[str]:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r"^    (btcli .*)$", text, re.MULTILINE)
        yield from re.findall(r"`(btcli [^`]+)`", text)


def of_messages() -> Iterator[str]:
    """Their names, and the options up to the first value that is put in."""
    for path in (ROOT / "sn37").rglob("*.py"):
        for found in re.findall(r"btcli [a-z]+ [a-z-]+(?: --[a-z-]+)?", path.read_text("utf-8")):
            yield str(found)


BTCLI = get_command(app)  # building it takes seconds
COMMANDS = sorted({*of_documents(), *of_messages()})


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 5


@pytest.mark.parametrize("line", COMMANDS)
def test_btcli_has_it(line: str) -> None:
    words = [VALUES.get(word, word) for word in shlex.split(line)][1:]
    found = BTCLI
    while isinstance(found, TyperGroup) and words and not words[0].startswith("-"):
        assert words[0] in found.commands, line
        inner = found.commands[words.pop(0)]
        assert isinstance(inner, TyperCommand | TyperGroup)
        found = inner
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, line
