"""A network for one miner, and models that load."""

from __future__ import annotations

from pathlib import Path

import pytest

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
