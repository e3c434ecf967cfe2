"""Numbers of the command line that mean nothing: one line, whichever command they are given to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.data_tools.requests import moment
from sn37.app.errors import UsageError
from sn37.app.training.config import load_config

BLOCKS = ("-1", "4294967296", "9223372036854775807", "9" * 26)
COUNTS = ("0", "1000001", "9" * 20)
WRONG = {
    ("data", "sample", "simnet", "--network", "simnet", "--block"): BLOCKS,
    ("data", "check", "simnet", "--network", "simnet", "--block"): BLOCKS,
    ("schedule", "show", "simnet", "--at"): BLOCKS,
    ("miner", "competitions", "--network", "simnet", "--at"): BLOCKS,
    ("miner", "evaluate", "base", "--competition", "1", "--at"): BLOCKS,
    ("check", "base", "--competition", "1", "--at"): BLOCKS,
    ("receipts", "export", "rounds", "--since"): BLOCKS,
    ("data", "sample", "simnet", "--network", "simnet", "--block", "1800", "--count"): COUNTS,
    ("data", "check", "simnet", "--count"): COUNTS,
    ("miner", "publish", "b", "--repo", "a/b", "--competition", "1", "--sealed-minutes"): (
        *("0", "999999999999"),
    ),
    ("replay", "receipt.json", "--threads"): ("0", "257", "100000"),
    ("validator", "--network", "simnet", "--threads"): ("0", "257"),
    ("validator", "--network", "simnet", "--rounds"): COUNTS,
    ("validator", "--network", "simnet", "--keep-history"): ("0", "999999999999"),
    ("validator", "--network", "simnet", "--seed"): ("-1", "9" * 30),
    ("simulate", "power", "--paths"): COUNTS,
}


@pytest.mark.parametrize(
    ("command", "value"), [(c, value) for c, values in WRONG.items() for value in values]
)
def test_a_number_out_of_range_is_told_with_the_range(
    command: tuple[str, ...], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main.app, [*command, value], prog_name="sn37") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(
        rf"error: invalid value for '{command[-1]}': .*\b(least|most|range)\b.*\d", line
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hours", "1e12"),
        ("hours", "1e300"),
        ("hours", "0.0"),
        ("block", "4294967296"),
        ("block", "9223372036854775807"),
        ("num_samples", "1_000_001"),
        ("until", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31"),
    ],
)
def test_the_same_in_the_file_of_a_training(key: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    head = 'competition = 1\nbase = "base"\noutput = "model"\n[[data.sources]]\nname = "a"\n'
    file.write_text(f"{head}{key} = {value}\n")
    with pytest.raises(UsageError, match=rf"train\.toml, line 6: data\.sources\.0\.{key}: "):
        load_config(file)


@pytest.mark.parametrize("text", ["0001-01-01", "1999-12-31", "9999-12-31T23:59:59-12:00"])
def test_a_moment_without_a_window_around_it_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time from 2000 to 2199"):
        moment(text)
