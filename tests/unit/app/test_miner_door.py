"""The miner's door, and what it says of the competitions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from sn37.app.cli import miner
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.app.mining import bases
from sn37.app.mining.base_sources import Source
from sn37.app.mining.miner_tools import MinerTools
from sn37.testing.builders import an_artifact


def test_both_doors_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert miner.main(["competitions", "--network", "simnet"]) == 0
    ours = capsys.readouterr().out
    assert run(main.app, ["miner", "competitions", "--network", "simnet"], prog_name="sn37") == 0
    assert capsys.readouterr().out == ours
    assert "1 SIMNET_INSTRUCT: share 0.7, nats per token of simnet/base" in ours


def test_the_rules_of_a_block_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    samples = {}
    for block in (0, 2_000):
        assert miner.main(["competitions", "-n", "simnet", "--at", str(block), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["block"] == block
        samples[block] = [c["tasks"][0]["num_samples"] for c in shown["competitions"]]
    assert samples == {0: [320, 320], 2_000: [320, 352]}


def test_a_state_folder_may_be_named_as_in_the_other_commands_of_a_miner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["competitions", "--network", "simnet", "--state-dir", str(tmp_path / "state")]
    assert miner.main(args) == 0
    assert "1 SIMNET_INSTRUCT" in capsys.readouterr().out
    assert not (tmp_path / "state").exists()


ENDED = "warning: competition 2 ends at block 5082611 of preset finney; its newest stage has 3, 4\n"


@pytest.mark.parametrize(
    ("competition", "network", "said"),
    [("2", "finney", ENDED), ("3", "finney", ""), ("1", "simnet", "")],
)
def test_a_miner_is_warned_of_a_competition_that_ends(
    competition: str,
    network: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert miner.main(["train", "--example", competition, "--network", network]) == 0
    shown = capsys.readouterr()
    assert shown.err == said
    assert f"competition = {competition}\n" in shown.out
    file = tmp_path / "train.toml"
    file.write_text(f"{shown.out}".replace('base = "base"', f'base = "{tmp_path}/nothing"'))
    assert miner.main(["train", str(file), "--network", network]) != 0
    assert capsys.readouterr().err.startswith(said or "error: ")


@pytest.mark.parametrize(("competition", "said"), [("2", ENDED), ("3", "")])
def test_a_base_for_a_competition_that_ends_comes_with_a_warning(
    competition: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def none(tools: MinerTools, competition: int) -> tuple[bases.Choice, ...]:
        return ()

    async def found(tools: MinerTools, source: Source, competition: int, to: Path) -> bases.Base:
        return bases.Base(
            folder=to, origin="its folder", model=None, licence="mit", artifact=an_artifact()
        )

    monkeypatch.setattr(bases, "list_bases", none)
    monkeypatch.setattr(bases, "fetch_base", found)
    args = ["base", "--competition", competition, "--network", "finney"]
    assert miner.main(args) == 0
    assert capsys.readouterr().err == said
    assert miner.main([*args, str(tmp_path)]) == 0
    assert capsys.readouterr().err == said


def test_a_text_that_is_no_address_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert miner.main(["status", "--network", "simnet", "--hotkey", "alice"]) == 2
    assert capsys.readouterr().err.startswith("error: 'alice' is not a hotkey's address")


def test_an_interrupted_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def wait(hours: int) -> None:
        raise KeyboardInterrupt

    assert run(app, ["1"], prog_name="wait") == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_schedule_that_does_not_exist_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["competitions", "--network", "simnet", "--schedule", "nowhere.toml"]
    assert miner.main(args) == 1
    assert capsys.readouterr().err.startswith("error: nowhere.toml: No such file")
