"""A node that is not there: one line, with its address once and what to check."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run

ADVICE = "check the address, the network connection and the firewall"


@pytest.mark.parametrize("words", ["commitments", "base-models", "check"])
def test_a_node_that_is_not_there_is_one_line_with_its_address_once(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--network", "ws://127.0.0.1:1", "--state-dir", str(tmp_path)]
    assert run(main.app, ["chain", words, *place], prog_name="sn37") == 1
    shown = capsys.readouterr()
    told = shown.out + shown.err
    assert told.count("127.0.0.1") == 1
    assert "cannot connect: Connection refused; " in told
    assert told.endswith(f"{ADVICE}\n")
