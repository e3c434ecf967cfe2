"""``sn37 data sample`` on simnet: its feed needs no chain, no models and no folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.simnet.chain.chain import SimnetChain
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.domain.ids import Block


def test_samples_have_the_times_of_the_clock_that_a_run_started_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    (tmp_path / "simnet").mkdir()
    SimnetChain.create(
        tmp_path / "simnet" / "chain.sqlite",
        seed=0,
        genesis_time=noon - timedelta(seconds=12 * 1740),
        head=Block(1800),
    ).close()
    words = ["data", "sample", "simnet", "--network", "simnet", "--block", "1800"]
    assert run(main.app, [*words, "--state-dir", str(tmp_path), "--json"], prog_name="sn37") == 0
    samples = json.loads(capsys.readouterr().out)["samples"]
    times = [datetime.fromisoformat(sample["time"]) for sample in samples]
    assert times
    assert all(noon - timedelta(hours=4) <= time < noon for time in times)


def test_a_block_in_the_future_does_not_exist_yet(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "sample", "simnet", "--network", "simnet", "--block", "99999999"]
    assert run(main.app, words, prog_name="sn37") == 1
    assert capsys.readouterr().err == (
        "error: block 99999999 does not exist yet: simnet reaches it at 2063-01-10 21:19 UTC\n"
    )


def test_simnets_feed_is_sampled_at_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "sample", "simnet", "--network", "simnet", "--block", "3600", "--json"]
    documents = []
    for _ in range(2):
        assert run(main.app, [*words, "--count", "20"], prog_name="sn37") == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    signers = {row["signer"] for row in documents[0]["samples"]}
    assert len(documents[0]["samples"]) == 20
    assert len(signers) >= 3
    assert documents[0]["task"] == "pairs"
    assert run(main.app, [*words, "--count", "100000"], prog_name="sn37") == 1
    assert "asked for 100000 samples" in capsys.readouterr().err
