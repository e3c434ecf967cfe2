"""``kill -9`` at each moment of an upload and a commitment, then the same command again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sn37.adapters.simnet.host.repositories import Visibility
from tests.integration.miner.killed_miner import MOMENTS, run_until_killed
from tests.integration.miner.miner_world import MinerWorld


@pytest.mark.parametrize("moment", MOMENTS)
def test_t02_the_same_command_goes_on_after_a_kill_and_commits_once(
    moment: str, world: MinerWorld, model: Path
) -> None:
    args = ["publish", *world.publishing(model), *world.options()]
    assert run_until_killed(moment, args) == -signal.SIGKILL
    if world.visibility() is Visibility.PUBLIC:
        assert world.commitments()

    said = world.publish(model, "--json")
    assert said.code == 0, said.err
    assert world.visibility() is Visibility.PUBLIC
    ((hotkey, block),) = world.commitments()
    assert said.json["hotkey"] == hotkey
    assert said.json["published"]["block"] == block
