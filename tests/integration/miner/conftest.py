"""A network for one miner, and models that load."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from sn37.adapters.simnet.feed.corpus import standard_library_pairs
from sn37.testing.tiny_models import save_model, save_tokenizer
from tests.integration.miner.miner_world import MinerWorld


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the second competition; tests do not change it."""
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(folder, max_position_embeddings=512)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers") / "tokenizer"
    save_tokenizer(folder)
    return folder


@pytest.fixture
def stranger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> MinerWorld:
    """A network on which nobody is registered."""
    return MinerWorld(tmp_path, capsys)


@pytest.fixture
def world(stranger: MinerWorld) -> MinerWorld:
    """A network on which alice is."""
    assert stranger.run("register").code == 0
    return stranger


@pytest.fixture(scope="session")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is surer of its guesses than the other, and as often wrong."""
    folder = tmp_path_factory.mktemp("models") / "weak"
    made = save_model(folder, max_position_embeddings=512)
    head = made.get_output_embeddings()  # type: ignore[no-untyped-call]
    head.weight.data *= 4
    made.save_pretrained(folder)
    return folder


@pytest.fixture
def schedule(tmp_path: Path) -> Path:
    """simnet's, with fewer samples."""
    text = (files("sn37.app") / "schedules/simnet.toml").read_text()
    small = tmp_path / "small.toml"
    small.write_text(text.replace("num_samples = 320", "num_samples = 48"))
    return small


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text of the feed, which takes seconds to collect."""
    file = tmp_path_factory.mktemp("corpus") / "corpus.json"
    standard_library_pairs(None, cache=file)
    return file


@pytest.fixture
def reigned(world: MinerWorld, weak: Path, corpus: Path) -> MinerWorld:
    """A network on which the weak model is the champion."""
    world.open_feed(corpus)
    assert world.publish(weak).code == 0
    world.vote({world.guest().signer.hotkey: 1.0})
    return world
