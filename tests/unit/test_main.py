"""The console script: what it prints, how it fails, and how fast it starts."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest
from typer.core import TyperGroup
from typer.main import get_command

import sn37
from sn37.app.cli import miner, root
from sn37.app.cli.root import main
from sn37.app.cli.run import LateCommand, run
from sn37.app.errors import CommandError
from sn37.app.samples import plugins
from sn37.app.schedule.advice import Difference, differences, warnings
from sn37.app.schedule.load import read_schedule
from sn37.ports.errors import ChainUnavailable
from tests.support.small_schedule import BURN

HELP_S = 0.5
TRIES = 5


def sn37_command(*args: str) -> int:
    with patch.object(sys, "argv", ["sn37", *args]), pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("door", ["root", "miner", "validator"])
def test_starting_imports_nothing_heavy(door: str) -> None:
    heavy = ("torch", "transformers", "bittensor", "huggingface_hub", "pydantic", "numpy")
    done = python(
        f"import sys; from sn37.app.cli.{door} import app; from sn37.app.cli.run import run\n"
        "run(app, ['--help'], prog_name='sn37')\n"
        f"print('found:', [m for m in {heavy} if m in sys.modules])"
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: sn37" in done.stdout
    assert done.stdout.endswith("found: []\n")


@pytest.mark.parametrize(
    ("args", "commands"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["doctor", "--help"], {"doctor"}),
        (["miner", "--help"], {"miner"}),
        (["miner", "train", "--help"], {"miner", "train"}),
    ],
)
def test_a_start_imports_only_the_command_that_is_called(
    args: list[str], commands: set[str]
) -> None:
    done = python(
        f"import sys; from sn37.app.cli.root import app; from sn37.app.cli.run import run\n"
        f"run(app, {args}, prog_name='sn37')\n"
        "print(*(m for m in sys.modules if m.startswith('sn37.app.cli.')))"
    )
    assert done.returncode == 0, done.stderr
    shared = {"ending", "options", "root", "run", "terminal"}
    shared |= {f"terminal.{name}" for name in ("help_layout", "help_pages", "help_text")}
    last = done.stdout.splitlines()[-1]
    imported = {name.removeprefix("sn37.app.cli.") for name in last.split()}
    assert imported - shared == commands


@pytest.mark.parametrize(
    ("door", "name"),
    [(door, name) for door in (root, miner) for name in door.COMMANDS],
    ids=lambda value: value if isinstance(value, str) else value.__name__.rpartition(".")[2],
)
def test_the_table_of_commands_says_what_each_command_says(door: ModuleType, name: str) -> None:
    group = get_command(door.app)
    assert isinstance(group, TyperGroup)
    late = group.commands[name]
    assert isinstance(late, LateCommand)
    command = late.loaded()
    assert command.name == name
    said = (command.help or "").partition("\n\n")[0].replace("\n", " ")
    assert said == door.COMMANDS[name][1]


@pytest.mark.parametrize(
    "args",
    [["--help"], *([name, "--help"] for name in root.COMMANDS), ["miner", "train", "--help"]],
    ids=" ".join,
)
def test_the_help_of_each_command_takes_less_than_half_a_second(args: list[str]) -> None:
    """Of a processor, in the best of some tries, since other work may keep it busy."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "sn37.app.main", *args], stdout=subprocess.DEVNULL, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert any(seconds() < HELP_S for _ in range(TRIES))


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command("--version") == 0
    assert capsys.readouterr().out == f"sn37 {sn37.__version__}\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--nope"], "error: no such option: --nope; see sn37 --help\n"),
        (["nope"], "error: no such command 'nope'; see sn37 --help\n"),
        (["schedule", "check"], "error: missing argument 'FILE'; see sn37 schedule check --help\n"),
        (["miner", "base"], "error: missing option '--competition'; see sn37 miner base --help\n"),
        *(
            (args, f"error: option '{args[-1]}' requires an argument; see sn37 {command} --help\n")
            for command, args in (
                ("check", ["check", "a-folder", "--competition"]),
                ("schedule show", ["schedule", "show", "--at"]),
                ("miner base", ["miner", "base", "check", "--to"]),
            )
        ),
        (
            ["miner", "base", "--json=yes"],
            "error: option '--json' does not take a value; see sn37 miner base --help\n",
        ),
        (["--version=3"], "error: option '--version' does not take a value; see sn37 --help\n"),
        (
            ["schedule", "show", "finney", "--network", "simnet"],
            "error: finney and --network simnet exclude each other: give one of them\n",
        ),
        (
            ["schedule", "show", "--network", "fooo"],
            "error: --network: expected finney, test, local, simnet or a ws:// address, not "
            "'fooo'\n",
        ),
        *(
            (
                ["miner", "train", "--example", "1", "--network", "simnet", ignored],
                "error: --example prints a TOML file: leave out FILE, --data-only and --json\n",
            )
            for ignored in ("--json", "--data-only", "train.toml")
        ),
        (
            ["miner", "train", "train.toml", "--data-only", "--json"],
            "error: --data-only prints nothing: leave out --json\n",
        ),
        *(
            (
                ["miner", "publish", ".", "--competition", "1", "--repo", repo],
                f"error: --repo {repo}: expected NAMESPACE/NAME with letters, digits, -, _ and .\n",
            )
            for repo in ("a", "a/", "a/b/c", "a/b:c", "a/b.git", "ä/b", "a/-b")
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sn37_command(*args) == 2
    assert capsys.readouterr().err == said


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command() == 0
    assert "Usage: sn37" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [CommandError("the disk\nis full"), ChainUnavailable("the disk is full")]
)
def test_a_known_failure_is_one_line_and_exit_code_1(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise error

    assert run(failing, ["--"], prog_name="fail") == 1
    assert capsys.readouterr().err == "error: the disk is full\n"


def test_a_bug_keeps_its_traceback() -> None:
    import typer

    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken, ["--"], prog_name="fail")


def test_check_says_which_data_set_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "dataset_names", lambda: frozenset({"sn1", "sn18"}))
    assert sn37_command("schedule", "check", "finney") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: preset finney: ")
    assert "\nfailed   data set fineweb: not installed; installed: sn1, sn18; to fix it: " in said
    assert "\nfailed   data set codeforces: not installed; " in said


@pytest.fixture
def pinned_finney(tmp_path: Path) -> str:
    """The preset with a hotkey to burn, and made-up commits in the place of open revisions."""
    file = tmp_path / "finney.toml"
    text = read_schedule("finney")[1].replace('"main"', f'"{"c" * 40}"')
    file.write_text(f'burn = "{BURN}"\n{text}')
    return str(file)


def test_check_of_the_structure_alone_warns_of_what_is_allowed_and_odd(
    capsys: pytest.CaptureFixture[str], pinned_finney: str
) -> None:
    assert sn37_command("schedule", "check", pinned_finney, "--structure-only") == 0
    said = capsys.readouterr().out
    assert "warning: from block 3786611, SN9_MODEL: epsilon ends at 0.100%, below 0.5%" in said
    assert "codeforces, fineweb, if_eval, synthetic_1, word_sorting" in said
    assert "finney.toml: valid, 4 stages" in said


def test_check_names_a_warning_of_several_stages_once(
    capsys: pytest.CaptureFixture[str], pinned_finney: str
) -> None:
    assert sn37_command("schedule", "check", pinned_finney, "--structure-only") == 0
    said = capsys.readouterr().out
    assert "from blocks 3138611, 3786611, SN9_MODEL, sn18: a gain of 10%" in said
    assert said.count("B7_MULTI_CHOICE: its tasks have no levels") == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '["LlamaForCausalLM"]',
            '["GPT2LMHeadModel"]',
            "SIMNET_INSTRUCT: no validator of this version can score GPT2LMHeadModel, so all "
            "models of it are refused; it can score BartForCausalLM, ",
        ),
        (
            "min_signers = 5",
            "min_signers = 2",
            "source simnet has min_signers 2: with fewer than 5 signers, each has a large part of "
            "the rows; raise it",
        ),
    ],
)
def test_check_warns_of_what_cannot_work_as_meant(
    old: str, new: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(sn37.__file__).with_name("app").joinpath("schedules/simnet.toml").read_text()
    assert old in text
    changed = tmp_path / "changed.toml"
    changed.write_text(f'burn = "{BURN}"\n{text.replace(old, new, 1)}')
    assert sn37_command("schedule", "check", str(changed)) == 0
    assert "warning: from block" in (said := capsys.readouterr().out)
    assert told in said


def test_check_refuses_a_file_in_which_withheld_rows_pay_another_champion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text(read_schedule("simnet")[1])
    assert sn37_command("schedule", "check", str(changed)) == 1
    assert "burn is not set, and SIMNET_INSTRUCT or SIMNET_FREE can" in capsys.readouterr().err


def test_check_as_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command("schedule", "check", "simnet", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    doubts = [w for w in said["warnings"] if "was not rendered" not in w]  # jinja2 may be missing
    assert len(doubts) == 3
    assert "SIMNET_FREE can be kept from being judged" in doubts[2]  # it has no hotkey to burn
    assert "is pinned only by its commit" in doubts[0]  # simnet makes its base model itself
    assert len(said["fingerprint"]) == 64


def test_show_prints_the_rules_of_one_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command("schedule", "show", "--network", "simnet", "--at", "0") == 0
    said = capsys.readouterr().out
    assert "at block 0" in said
    assert "1 SIMNET_INSTRUCT: share 0.7, nats per token of simnet/base" in said
    assert "2 SIMNET_FREE: share 0.3, bits per byte" in said


def test_show_takes_the_network_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SN37_NETWORK", "simnet")
    assert sn37_command("schedule", "show") == 0
    assert capsys.readouterr().out.startswith("preset simnet, ")


def test_show_says_that_nothing_runs_before_the_first_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sn37_command("schedule", "show", "--at", "5") == 0
    assert "no competition runs" in capsys.readouterr().out


def test_show_as_json_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command("schedule", "show", "simnet", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [s["from_block"] for s in said["schedule"]["stages"]] == [0, 2000]


def test_diff_names_every_value_that_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(sn37.__file__).with_name("app").joinpath("schedules/simnet.toml").read_text()
    changed = tmp_path / "changed.toml"
    changed.write_text(
        text.replace("num_samples = 352", "num_samples = 400").replace("0.7, free =", "0.7, free =")
    )
    assert sn37_command("schedule", "diff", "simnet", str(changed)) == 0
    assert capsys.readouterr().out == (
        "from block 2000, competition 2, task pairs: num_samples: 352 -> 400\n"
    )


def test_diff_of_equal_schedules_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert sn37_command("schedule", "diff", "simnet", "simnet", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_stage_that_one_side_lacks_is_one_difference() -> None:
    from sn37.app.schedule.load import load_schedule

    finney, simnet = (load_schedule(p).schedule for p in ("finney", "simnet"))
    found = differences(finney, simnet)
    assert Difference(where="from block 0", old=None, new="present") in found
    assert all("competition" not in d.where for d in found)
    assert ["is pinned only by its commit" in w for w in warnings(simnet)] == [True, False]


def test_every_way_in_which_a_state_can_begin_has_words() -> None:
    from sn37.app.cli.state import _BEGAN_WITH
    from sn37.domain.round.state import ColdStart

    assert set(_BEGAN_WITH) == set(ColdStart)
