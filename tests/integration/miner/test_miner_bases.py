"""Starting points on a simulated network: listed, named in every way, verified, copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.miner.miner_world import MinerWorld, Said


@pytest.fixture
def published(world: MinerWorld, model: Path) -> MinerWorld:
    """Alice's model is public and committed, and has all the incentive."""
    assert world.publish(model).code == 0
    world.vote({world.guest().signer.hotkey: 1.0})
    return world


def fetch(world: MinerWorld, source: str, to: Path) -> Said:
    return world.run("base", source, "--competition", "2", "--to", str(to))


def test_the_champion_comes_first_and_everybody_has_a_name(published: MinerWorld) -> None:
    (choice,) = published.run("base", "--competition", "2", "--json").json
    assert choice["source"] == "champion"
    assert choice["model"].startswith("alice/model@")
    assert "the highest incentive" in choice["what"]
    assert "alice/model@" in published.run("base", "--competition", "2").out


def test_a_competition_without_models_has_nothing_to_choose(published: MinerWorld) -> None:
    said = published.run("base", "--competition", "1")
    assert (said.code, said.out) == (0, "no miner has committed to a model of this competition\n")


def test_each_name_of_a_model_brings_the_same_files(
    published: MinerWorld, model: Path, tmp_path: Path
) -> None:
    hotkey = published.guest().signer.hotkey
    (choice,) = published.run("base", "--competition", "2", "--json").json
    for number, source in enumerate(
        ("champion", "uid:0", hotkey, f"hotkey:{hotkey}", choice["model"], str(model))
    ):
        to = tmp_path / str(number)
        said = fetch(published, source, to)
        assert said.code == 0, said.err
        assert {f.name: f.read_bytes() for f in to.iterdir()} == {
            f.name: f.read_bytes() for f in model.iterdir()
        }


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("uid:200", "uid:200: not registered at block"),
        ("subnet9", "no model of subnet 9 is within the limits of competition 2"),
        ("nowhere", "nowhere: no such folder; expected champion"),
        ("uid:x", "uid:x: expected uid:NUMBER"),
        ("hotkey:abc", "hotkey:abc: expected hotkey:ADDRESS, 48 characters such as 5F..."),
        ("alice/model@main", "simnet's repositories have commits only"),
        (f"bob/model@{'0' * 40}", "not_public: bob/model cannot be read"),
    ],
)
def test_what_is_not_there_is_one_line(
    published: MinerWorld, tmp_path: Path, source: str, why: str
) -> None:
    said = fetch(published, source, tmp_path / "base")
    assert said.code != 0
    assert why in said.err
    assert not (tmp_path / "base").exists()


def test_files_other_than_the_committed_ones_are_refused(
    published: MinerWorld, tmp_path: Path
) -> None:
    """The host's folder is written to behind the commitment's back."""
    for file in (published.simnet / "repos" / "alice" / "model").rglob("tokenizer.json"):
        file.write_text(file.read_text() + " ")
    said = fetch(published, "champion", tmp_path / "base")
    assert said.code == 1
    assert not (tmp_path / "base").exists()


def test_a_folder_that_is_there_is_left_alone(published: MinerWorld, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "mine.txt").write_text("mine")
    said = fetch(published, "champion", tmp_path / "base")
    assert said.code == 1
    assert "exists already; choose another folder with --to" in said.err
    assert [f.name for f in (tmp_path / "base").iterdir()] == ["mine.txt"]


def test_a_competition_without_a_champion_says_so(world: MinerWorld, tmp_path: Path) -> None:
    said = fetch(world, "champion", tmp_path / "base")
    assert "competition 2 has no champion yet" in said.err
