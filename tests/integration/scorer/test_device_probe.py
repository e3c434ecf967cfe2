"""Measurement of the device: a real product, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sn37.adapters.scoring.device_probe import measure_device
from sn37.adapters.scoring.throughput import peak_flops
from sn37.ports.errors import ScorerUnavailable
from tests.support.device import DEVICE


async def test_the_cpu_is_named_and_measured() -> None:
    found = await measure_device("cpu")
    assert found.kind == "cpu"
    assert found.name
    assert found.memory_bytes > 1 << 28
    assert 1e8 < found.flops < 1e14


@pytest.mark.skipif(DEVICE != "cuda", reason="needs TEST_DEVICE=cuda")
async def test_a_gpu_is_named_and_measured_in_bfloat16() -> None:
    found = await measure_device("cuda")
    assert found.kind == "cuda"
    assert found.memory_bytes > 1 << 30
    assert found.flops > 1e12


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
async def test_a_gpu_that_does_not_work_is_reported_in_one_line() -> None:
    with pytest.raises(ScorerUnavailable) as caught:
        await measure_device("cuda")
    assert "\n" not in str(caught.value)
    assert str(caught.value)


async def test_a_device_that_hangs_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ScorerUnavailable, match="no answer within 2 s"):
        await measure_device("cpu", timeout_s=2)


async def test_a_process_that_dies_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('no driver')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ScorerUnavailable, match="died: no driver"):
        await measure_device("cpu")


def test_the_faster_of_two_types_counts() -> None:
    cpu = torch.device("cpu")
    assert peak_flops(cpu, dtypes=(torch.float32, torch.float64), runs=1) > 0
