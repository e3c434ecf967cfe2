"""The SDK's caches stay out of the user's home."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.adapters.subtensor.endpoints import keep_caches_in


@pytest.fixture(scope="session", autouse=True)
def _sdk_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("sdk-caches")
    keep_caches_in(folder)
