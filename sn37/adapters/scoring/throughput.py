"""Speed of a device: the fastest large matrix product.

``python -m sn37.adapters.scoring.throughput`` reads the device's kind from standard input and
prints ``DeviceFacts`` as JSON. A driver that hangs then hangs this process only.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from sn37.ports.host_facts import DeviceFacts

_CPU_SIZE, _CUDA_SIZE = 2048, 8192  # rows; on a GPU the two factors and the product take 402 MB
_SIZE_OF_A_TRY = 256


def peak_flops(
    device: torch.device,
    *,
    dtypes: Sequence[torch.dtype] = (torch.float32, torch.bfloat16),
    runs: int = 10,
) -> float:
    """Return FLOP/s of the fastest product in one of these types, best of some runs.

    A CPU that has no instruction for bfloat16 takes minutes for a large product of it: a small one
    shows whether it is worth trying.
    """
    best = 0.0
    for dtype in dtypes:
        if device.type == "cuda" or product_flops(device, _SIZE_OF_A_TRY, dtype, runs=2) > best / 4:
            size = _CUDA_SIZE if device.type == "cuda" else _CPU_SIZE
            best = max(best, product_flops(device, size, dtype, runs=runs))
    return best


def product_flops(device: torch.device, size: int, dtype: torch.dtype, *, runs: int) -> float:
    """Return FLOP/s of a square product, best of some runs."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best_s = float("inf")
    for _ in range(runs):
        _wait(device)
        began = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        best_s = min(best_s, time.perf_counter() - began)
    return 2 * size**3 / best_s


def measured(kind: str, threads: int) -> DeviceFacts:
    """Measure this machine's first GPU, or its CPU with some threads.

    Raises:
        RuntimeError: The device does not work.
    """
    if kind == "cuda":
        device = torch.device("cuda", 0)
        about = torch.cuda.get_device_properties(device)
        return DeviceFacts(
            kind="cuda",
            name=about.name,
            memory_bytes=about.total_memory,
            flops=peak_flops(device, dtypes=(torch.bfloat16,)),
        )
    torch.set_num_threads(threads)
    return DeviceFacts(
        kind="cpu",
        name=_processor(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        flops=peak_flops(torch.device("cpu"), runs=3),
    )


def main() -> None:
    """Answer one request."""
    kind, threads = json.loads(sys.stdin.readline())
    try:
        answer: object = asdict(measured(kind, threads))
    except (AssertionError, RuntimeError) as error:  # of a torch for CPUs, and of CUDA
        answer = {"failed": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    """Return the processor's name, on Linux as /proc/cpuinfo has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


if __name__ == "__main__":
    main()
