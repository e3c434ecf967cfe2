"""The run that nobody disturbed; whoever needs it first makes it, for all."""

from __future__ import annotations

import fcntl
import os

import pytest

from tests.integration.simnet.killing import WORKER, Run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two rounds of each competition with the real worker."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root = shared / "simnet-undisturbed"
    root.mkdir(exist_ok=True)
    run = Run(module=WORKER, root=root, rounds=2)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not run.report.exists():
            run.finish()
    return run
