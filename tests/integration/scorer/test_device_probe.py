"""Measurement of the device: a real product, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sn37.adapters.scoring import throughput
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
    assert "CUDA" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "died" not in str(caught.value)


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


def test_the_fastest_type_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {torch.float32: 3.0, torch.bfloat16: 5.0, torch.float64: 1.0}
    monkeypatch.setattr(
        throughput, "product_flops", lambda device, size, dtype, *, runs: speeds[dtype]
    )
    assert peak_flops(torch.device("cpu"), dtypes=tuple(speeds)) == 5.0


def test_a_type_that_the_processor_lacks_is_not_tried_at_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {torch.float32: list[int](), torch.bfloat16: list[int]()}

    def slow_in_bfloat16(
        device: torch.device, size: int, dtype: torch.dtype, *, runs: int
    ) -> float:
        sizes[dtype].append(size)
        return 1e9 if dtype is torch.float32 else 1e6

    monkeypatch.setattr(throughput, "product_flops", slow_in_bfloat16)
    assert peak_flops(torch.device("cpu")) == 1e9
    assert len(sizes[torch.float32]) == 2
    assert len(sizes[torch.bfloat16]) == 1
