"""TOML that no parser was made for: one line each, wherever such a file is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.config import toml_reader as toml_files
from sn37.app.config.toml_reader import NotToml, TooMuchToml, UnreadableToml
from sn37.app.data_tools import requests as data_requests
from sn37.app.errors import UsageError

TOO_MUCH = {
    "1\nx = " + "9" * 5_000: "a whole number of more than 64 bits (at line 2)",
    "1\n\nx = [\n9223372036854775808]": "a whole number of more than 64 bits (at line 3)",
    "-9223372036854775809": "a whole number of more than 64 bits (at line 1)",
    "0x" + "f" * 5_000: "a whole number of more than 64 bits (at line 1)",
    "[" * 5_000: "arrays and tables more than 50 deep",
    "{a=" * 3_000 + "1" + "}" * 3_000: "arrays and tables more than 50 deep",
    "1\n" + ".".join("a" * 3_000) + " = 1": "arrays and tables more than 50 deep (at line 2)",
    "[" * 60 + "]" * 60: "arrays and tables more than 50 deep (at line 1)",
    "'" + "a" * 2**18 + "'": "longer than 262,144 characters",
}


@pytest.mark.parametrize(("value", "said"), TOO_MUCH.items(), ids=range(len(TOO_MUCH)))
def test_too_much_of_anything_is_one_line(value: str, said: str) -> None:
    with pytest.raises(TooMuchToml) as caught:
        toml_files.parse(f"v = {value}")
    assert str(caught.value) == said
    assert (caught.value.line is not None) == ("at line" in said)


@pytest.mark.parametrize(
    "value", ["9223372036854775807", "-9223372036854775808", "[" * 40 + "]" * 40]
)
def test_what_toml_promises_can_be_read(value: str) -> None:
    assert "v" in toml_files.parse(f"v = {value}")


@pytest.mark.parametrize("content", [b"\xff", b"v = \n"])
def test_other_text_is_no_toml(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotToml, match="not "):
        toml_files.parse(toml_files.read_text(tmp_path / "file"))


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    with pytest.raises(UnreadableToml, match="longer than"):
        toml_files.parse(toml_files.read_text(Path("/dev/zero")))


@pytest.mark.parametrize(("value", "said"), TOO_MUCH.items(), ids=range(len(TOO_MUCH)))
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("validator", "--config", "FILE"), 2),
        (("miner", "competitions", "--config", "FILE"), 2),
        (("miner", "train", "FILE"), 2),
        (("schedule", "check", "FILE"), 1),
        (("schedule", "diff", "simnet", "FILE"), 1),
        (("miner", "competitions", "--network", "simnet", "--schedule", "FILE"), 1),
    ],
)
def test_every_command_says_it_in_one_line(
    command: tuple[str, ...],
    code: int,
    value: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "file.toml"
    file.write_text(f"v = {value}")
    args = [str(file) if word == "FILE" else word for word in command]
    assert run(main.app, args, prog_name="sn37") == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert f"{file}" in line
    assert line.removesuffix("; see sn37 docs schedules").endswith(f": {said}")


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 5_000])
def test_a_parameter_too_large_is_not_taken_for_text(value: str) -> None:
    with pytest.raises(UsageError, match=r"--parameter count: .*; put text in quotes"):
        data_requests._parameter(f"count={value}")
