"""Each refusal that a miner meets is one line that says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from sn37.adapters.simnet.miners.attackers import read_tensors, write_tensors
from sn37.app.cli import miner
from sn37.testing.tiny_models import save_model
from tests.integration.miner.miner_world import MinerWorld, Said


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    shutil.copytree(model, tmp_path / "own")
    return tmp_path / "own"


def refused(said: Said, *parts: str, code: int = 1) -> None:
    """One line on standard error names what is wrong and what to do."""
    assert said.code == code
    last = said.err.splitlines()[-1]
    assert last.startswith("error: ")
    for part in parts:
        assert part in last
    assert "Traceback" not in said.err


def nothing_was_sent(world: MinerWorld) -> bool:
    return world.commitments() == [] and world.visibility() is None


def test_a_tokenizer_that_does_not_fit(world: MinerWorld, tokenizer: Path, tmp_path: Path) -> None:
    """The competition's has 384 tokens, the model embeddings for 128."""
    save_model(tmp_path / "narrow", vocab_size=128, max_position_embeddings=512)
    world.push_tokenizer(tokenizer)
    folder = str(tmp_path / "narrow")
    args = [folder, "--repo", "alice/model", "--competition", "1", "--allow-weak-sandbox"]
    refused(world.run("publish", *args), "would be refused: tokenizer: ")
    assert nothing_was_sent(world)


def test_a_model_that_is_too_large(world: MinerWorld, own: Path) -> None:
    with (own / "tokenizer.json").open("ab") as file:
        file.write(b" " * 13_000_000)
    refused(world.publish(own), "would be refused: too_large: ", "12,582,912")
    assert nothing_was_sent(world)


def test_a_weight_that_is_not_finite(world: MinerWorld, own: Path) -> None:
    tensors = read_tensors(own / "model.safetensors")
    first = tensors[0]
    spoilt = type(first)(
        name=first.name,
        dtype=first.dtype,
        shape=first.shape,
        data=b"\xff" * len(first.data),
    )
    write_tensors(own / "model.safetensors", [spoilt, *tensors[1:]])
    refused(world.publish(own), "would be refused: non_finite: ", "clip gradients")
    assert nothing_was_sent(world)


def test_a_repository_s_name_too_long_for_the_commitment(world: MinerWorld, model: Path) -> None:
    said = world.publish(model, repo=f"alice/{'x' * 60}")
    refused(said, "does not fit 128", "rename the repository", "at most 37 characters")
    assert "checking" not in said.err


def test_the_rate_limit_is_waited_for_with_a_countdown(
    world: MinerWorld, model: Path, own: Path
) -> None:
    assert world.publish(model).code == 0
    said = world.publish(own, repo="alice/again")
    assert said.code == 0
    told = [line for line in said.err.splitlines() if line.startswith("waiting")]
    assert told[0] == "waiting 99 blocks, about 19:48: too soon; wait until 100 blocks have passed"
    assert [line.split()[1] for line in told] == ["99", "75", "50", "25"]
    (_, first), (_, second) = world.commitments()
    assert second == first + 100


def test_the_wrong_network_has_no_such_competition(world: MinerWorld, model: Path) -> None:
    args = [str(model), "--repo", "alice/model", "--competition", "9", "--no-loading"]
    refused(world.run("publish", *args), "its competitions: 1, 2", code=2)


def test_the_wrong_network_has_another_chain(
    world: MinerWorld, model: Path, tmp_path: Path
) -> None:
    """A chain far below the first stage of the schedule is that of another network."""
    text = (files("sn37.app") / "schedules/simnet.toml").read_text()
    later = tmp_path / "later.toml"
    later.write_text(
        text.replace("from_block = 0", "from_block = 900000").replace("= 2000\n", "= 900001\n")
    )
    said = world.publish(model, "--schedule", str(later))
    refused(said, "has no competition at block 1741", "--endpoint that of another chain?")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (None, ("no simulated network", "sn37 validator --network simnet")),
        (Path.mkdir, ("chain.sqlite is not a chain that can be used", "put the file back")),
        (Path.touch, ("chain.sqlite is not a chain that can be used", "put the file back")),
    ],
)
@pytest.mark.parametrize("command", ["publish", "status", "register"])
def test_a_folder_without_a_chain(
    make: Callable[[Path], object] | None,
    parts: tuple[str, ...],
    command: str,
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "simnet").mkdir()
    if make is not None:
        make(tmp_path / "simnet" / "chain.sqlite")
    more = [str(model), "--repo", "alice/model", "--competition", "2"]
    args = [command, *(more if command == "publish" else ())]
    code = miner.main([*args, "--network", "simnet", "--state-dir", str(tmp_path)])
    said = Said(code=code, out="", err=capsys.readouterr().err)
    refused(said, *parts)


def test_an_unregistered_hotkey(stranger: MinerWorld, model: Path) -> None:
    said = stranger.publish(model)
    refused(said, "is not registered on subnet 37 of network simnet", "sn37 miner register")
    assert "checking" not in said.err
    assert nothing_was_sent(stranger)


def test_a_hotkey_is_registered_once(world: MinerWorld) -> None:
    refused(world.run("register"), "is registered on subnet 37 already")


def test_registering_elsewhere_is_btcli_s_business(capsys: pytest.CaptureFixture[str]) -> None:
    assert miner.main(["register", "--network", "test"]) == 2
    assert "btcli subnets register --netuid 37" in capsys.readouterr().err


def test_a_base_whose_licence_forbids_it_is_warned_of(
    world: MinerWorld, own: Path, tmp_path: Path
) -> None:
    (own / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-nc-4.0\n---\n# A model\n")
    to = ["--competition", "2", "--to", str(tmp_path / "base")]
    said = world.run("base", str(own), *to)
    assert said.code == 0
    assert said.err.startswith("warning: licence cc-by-nc-4.0 forbids publishing")
    assert "licence cc-by-nc-4.0" in said.out


def test_a_champion_s_own_commitment_is_not_replaced_by_accident(
    world: MinerWorld, model: Path, own: Path
) -> None:
    assert world.publish(model).code == 0
    world.vote({world.guest().signer.hotkey: 1.0})
    said = world.publish(own, repo="alice/again")
    refused(said, "holds the crown of competition 2", "--replace-champion")
    assert len(world.commitments()) == 1
    assert world.visibility("alice/again") is None
    assert world.publish(own, "--replace-champion", repo="alice/again").code == 0
    assert len(world.commitments()) == 2


ENDED = "warning: competition 2 ends at block 5082611 of preset finney; its newest stage has 3, 4\n"


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (["--competition", "2", "--network", "finney"], ENDED),
        (["--competition", "2", "--network", "finney", "--at", "4434611"], ""),
        (["--competition", "3", "--network", "finney"], ""),
        (["--competition", "1", "--network", "simnet"], ""),
    ],
)
def test_a_check_warns_of_a_competition_that_ends_unless_its_block_is_given(
    of: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").touch()
    assert miner.main(["check", str(tmp_path), *of]) == 1
    assert capsys.readouterr().err == said
