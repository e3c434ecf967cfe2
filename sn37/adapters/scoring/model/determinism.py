"""Settings under which equal jobs give bit-identical losses. Child side."""

from __future__ import annotations

import random
from collections.abc import Mapping
from importlib.metadata import version

import torch

from sn37.adapters.scoring.model import precision
from sn37.adapters.scoring.model.loading import DTYPES


def configure(*, device: str, threads: int) -> torch.device:
    """Fix everything that may change a sum's order or precision; open the device.

    The number of threads decides how sums are split, so receipts name it as part of the
    environment.

    Raises:
        RuntimeError: The device does not start.
    """
    random.seed(0)  # jinja's "random" filter uses it; templates must render alike
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Memory is never read before it is written; filling it would only take time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    opened = torch.device(device)
    torch.zeros(1, device=opened)
    return opened


def environment(device: torch.device, dtype: str, threads: int) -> Mapping[str, str]:
    """Return everything that a loss's last bits depend on, for receipts."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        runtime = f"cuda {torch.version.cuda}"
    else:
        name = f"cpu {torch.backends.cpu.get_cpu_capability()}"
        runtime = "cpu"
    products = precision.product_dtype(DTYPES[dtype], device)
    return {
        "device": name,
        "dtype": dtype,
        "products": str(products).removeprefix("torch."),
        "runtime": runtime,
        "threads": str(threads),
        "tokenizers": version("tokenizers"),
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }
