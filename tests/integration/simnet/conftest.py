"""What the longest tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.simnet.undisturbed_run import made_once


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the state of a run that nobody disturbed; tests do not change it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made_once(shared / "simnet-undisturbed")
    return shared / "simnet-undisturbed"
