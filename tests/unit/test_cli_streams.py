"""Commands whose reader has left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sn37.adapters.telemetry.wording import named
from sn37.app.config.settings import load_settings
from sn37.app.errors import UsageError
from sn37.domain.ids import Hotkey

HOTKEY = Hotkey("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- >&- <&-"])
def test_an_error_that_nobody_can_read_keeps_its_exit_code(redirection: str) -> None:
    command = f"{sys.executable} -m sn37.app.validator --nope {redirection}"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 2


def test_a_text_calls_miners_by_their_labels() -> None:
    text = f"same tensors as {HOTKEY} at block 240"
    assert named(text, {HOTKEY: "honest"}) == "same tensors as honest at block 240"
    assert named(text, {}) == "same tensors as 5FHneW..94ty at block 240"


@pytest.mark.parametrize("flag", ["state_dir", "schedule", "json_file", "wallet_path"])
def test_an_empty_path_does_not_mean_the_working_directory(flag: str) -> None:
    with pytest.raises(
        UsageError, match=r"expected a path other than the working directory .*'\.'"
    ):
        load_settings({"network": "simnet", flag: Path()})


@pytest.mark.parametrize("name", ["", ".", "../other", "a/b"])
def test_a_wallet_s_name_is_no_path(name: str) -> None:
    with pytest.raises(UsageError, match="--wallet: expected a name"):
        load_settings({"wallet": name})


def test_without_a_home_the_state_folder_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(UsageError, match="give --state-dir, or set HOME"):
        load_settings({"network": "simnet"})
    assert load_settings({"network": "simnet", "state_dir": "here"}).state_dir == Path("here")
    with pytest.raises(UsageError, match="--state-dir: home folder of ~ not found"):
        load_settings({"state_dir": "~/x"})
    with pytest.raises(UsageError, match="--config"):
        load_settings({"state_dir": "x", "config": "~/x"})


PRINT_TABLES = """
import sys
from sn37.app.cli.run import CommandError
from sn37.app.wiring.container import Container
try:
    Container().tables()([], {}, None, {})
except CommandError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        ("| true", ""),
        (">&-", ""),
        (">/dev/full", "standard output: No space left on device; the same command prints"),
    ],
)
def test_tables_that_nobody_takes_break_nothing(redirection: str, said: str) -> None:
    script = f'"$0" -c "$1" {redirection}'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, PRINT_TABLES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == (1 if said else 0)
    assert done.returncode == (1 if said else 0)
